package containerd

import (
	"fmt"
	"os"
	"path/filepath"
)

// Runtime is what executes pods.
type Runtime string

// The runtimes that containerd can be configured with. Both are always
// there as runtime handlers; the default one serves pods that name none.
const (
	GVisor Runtime = "gvisor"
	Runc   Runtime = "runc"
)

// Handler is the runtime's name towards the CRI: "runsc" or "runc".
func (r Runtime) Handler() string {
	if r == GVisor {
		return "runsc"
	}
	return string(r)
}

// Snapshotter keeps the layers of images and containers.
type Snapshotter string

// Overlay shares layers between containers. Native copies them, and works on
// every file system.
const (
	Overlay Snapshotter = "overlayfs"
	Native  Snapshotter = "native"
)

// Programs are the executables that containerd starts, as absolute paths:
// nothing is looked up in PATH.
type Programs struct {
	RunscShim string
	RuncShim  string
	Runsc     string
	// Runc may be empty: pods that ask for it then fail with runc's name.
	Runc string
	// CNIDir is the folder that holds the CNI plugin, berth-cni.
	CNIDir string
}

// Config is all that varies between the configurations of two containerds.
type Config struct {
	Paths    Paths
	Programs Programs
	// Default is the runtime of pods that name none.
	Default     Runtime
	Snapshotter Snapshotter
	// PauseImage is the name of the image that holds a pod's namespaces open.
	PauseImage string
	// CNISocket is the Unix socket where the CNI plugin finds the agent.
	CNISocket string
	// StreamPort is the loopback port of exec, attach and port-forward
	// streams; 0 leaves the choice to the kernel.
	StreamPort int
	// MaxLogLine is the longest line of a container's log, in bytes, before
	// it is split; 0 means the default, 16384.
	MaxLogLine int
	// Host is what the host can carry.
	Host Host
	// RunscFlags are flags of runsc that come after, and so override, the
	// ones that this package chose.
	RunscFlags map[string]string
	// Debug asks for debug logs from containerd and its shims.
	Debug bool
}

// defaultMaxLogLine is what the kubelet and containerd agree on by default.
const defaultMaxLogLine = 16 * 1024

// Files are the rendered configuration, as text.
type Files struct {
	Containerd string
	Runsc      string
	CNI        string
}

// Validate says what about the configuration cannot work.
func (c Config) Validate() error {
	if err := c.Paths.validate(); err != nil {
		return err
	}
	if c.Default != GVisor && c.Default != Runc {
		return fmt.Errorf("checking runtime %q: neither %s nor %s", c.Default, GVisor, Runc)
	}
	if c.Snapshotter != Overlay && c.Snapshotter != Native {
		return fmt.Errorf("checking snapshotter %q: neither %s nor %s", c.Snapshotter, Overlay, Native)
	}
	for name, path := range map[string]string{
		"runsc shim": c.Programs.RunscShim, "runc shim": c.Programs.RuncShim,
		"runsc": c.Programs.Runsc, "CNI": c.Programs.CNIDir, "CNI socket": c.CNISocket,
	} {
		if !filepath.IsAbs(path) {
			return &PathError{Name: name, Path: path, Reason: "must be absolute"}
		}
	}
	if c.PauseImage == "" {
		return fmt.Errorf("checking the pause image: it has no name")
	}
	return nil
}

// Write renders the configuration into its folder, and makes the other
// folders that containerd expects. Doing it again changes nothing.
func Write(c Config) error {
	files, err := Render(c)
	if err != nil {
		return err
	}
	for _, dir := range append(c.Paths.owned(), c.Paths.CNI(), c.Paths.Registry()) {
		if err := os.MkdirAll(dir, 0o711); err != nil {
			return fmt.Errorf("making containerd's folder %s: %w", dir, err)
		}
	}
	for path, text := range map[string]string{
		c.Paths.Config(): files.Containerd,
		c.Paths.Runsc():  files.Runsc,
		filepath.Join(c.Paths.CNI(), "10-berth.conflist"): files.CNI,
	} {
		if err := replaceFile(path, text); err != nil {
			return fmt.Errorf("writing containerd's file %s: %w", path, err)
		}
	}
	return nil
}

// replaceFile writes text to path so that a reader sees the old or the new
// file: containerd watches the CNI folder while it runs.
func replaceFile(path, text string) error {
	if old, err := os.ReadFile(path); err == nil && string(old) == text {
		return nil
	}
	temporary := path + ".new"
	if err := os.WriteFile(temporary, []byte(text), 0o600); err != nil {
		return err
	}
	return os.Rename(temporary, path)
}
