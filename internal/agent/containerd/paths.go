package containerd

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"
)

// maxSocketDir is the longest folder, in bytes, that containerd accepts for
// the sockets of its shims: their names are 64 bytes, and a Unix socket's path
// at most 107.
const maxSocketDir = 42

// Paths says where the containerd of one Berth keeps everything. All are
// absolute. Two Berths on a host share none of them.
type Paths struct {
	// Root holds images, snapshots and metadata. It outlives a reboot.
	Root string
	// State holds what belongs to running containers: bundles, FIFOs and the
	// mounts of network namespaces.
	State string
	// ShimSockets holds the sockets of shims; at most 42 bytes long.
	ShimSockets string
	// RunscRoot and RuncRoot hold the runtimes' own state.
	RunscRoot string
	RuncRoot  string
	// ConfigDir holds the rendered files; see Config, Runsc, CNI and Registry.
	ConfigDir string
	// Socket is where containerd answers, CRI included.
	Socket string
}

// PathsIn returns the paths of a Berth whose data lies in dataDir. What must
// be short, and means nothing after a reboot, lies in a folder of its own
// below /run, which the name of dataDir determines.
func PathsIn(dataDir string) Paths {
	run := RunDir(dataDir)
	data := filepath.Join(dataDir, "containerd")
	return Paths{
		Root:        filepath.Join(data, "root"),
		State:       filepath.Join(run, "containerd"),
		ShimSockets: filepath.Join(run, "s"),
		RunscRoot:   filepath.Join(run, "runsc"),
		RuncRoot:    filepath.Join(run, "runc"),
		ConfigDir:   filepath.Join(data, "config"),
		Socket:      filepath.Join(run, "containerd.sock"),
	}
}

// RunDir is the folder below /run of the Berth whose data lies in dataDir.
func RunDir(dataDir string) string {
	sum := sha256.Sum256([]byte(filepath.Clean(dataDir)))
	return fmt.Sprintf("/run/berth-%x", sum[:4])
}

// Config is containerd's configuration file.
func (p Paths) Config() string { return filepath.Join(p.ConfigDir, "config.toml") }

// Runsc is the configuration file of gVisor's shim.
func (p Paths) Runsc() string { return filepath.Join(p.ConfigDir, "runsc.toml") }

// CNI is the folder of CNI's network configuration.
func (p Paths) CNI() string { return filepath.Join(p.ConfigDir, "cni") }

// Registry is the folder where a user adds registries' mirrors and
// certificates: <registry>/hosts.toml, as containerd documents it.
func (p Paths) Registry() string { return filepath.Join(p.ConfigDir, "certs.d") }

// owned are the folders that hold nothing but this containerd's.
func (p Paths) owned() []string {
	return []string{p.State, p.ShimSockets, p.RunscRoot, p.RuncRoot, p.Root, p.ConfigDir}
}

func (p Paths) validate() error {
	named := []struct{ name, path string }{
		{"root", p.Root}, {"state", p.State}, {"shim sockets", p.ShimSockets},
		{"runsc root", p.RunscRoot}, {"runc root", p.RuncRoot},
		{"config", p.ConfigDir}, {"socket", p.Socket},
	}
	for _, n := range named {
		if !filepath.IsAbs(n.path) || filepath.Clean(n.path) != n.path || n.path == "/" {
			return &PathError{Name: n.name, Path: n.path, Reason: "must be absolute, clean and not the root folder"}
		}
	}
	if len(p.ShimSockets) > maxSocketDir {
		return &PathError{Name: "shim sockets", Path: p.ShimSockets, Reason: fmt.Sprintf("must not be longer than %d bytes", maxSocketDir)}
	}
	if p.Root == p.State {
		return &PathError{Name: "state", Path: p.State, Reason: "must differ from root"}
	}
	return nil
}

// PathError says which path of a containerd cannot be used, and why.
type PathError struct {
	Name, Path, Reason string
}

func (e *PathError) Error() string {
	return fmt.Sprintf("containerd's %s path %q: %s", e.Name, e.Path, e.Reason)
}
