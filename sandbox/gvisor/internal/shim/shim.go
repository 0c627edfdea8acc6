// Package shim starts gVisor's containerd shims.
//
// It is the part of a shim that containerd executes to start, stop and
// describe a shim process; the task service that the process then serves is
// gVisor's own. It differs from gVisor's start in three ways, each of them the
// reason that it exists:
//
//   - An OOM score that may not be lowered (no CAP_SYS_RESOURCE: most
//     containers, most CI) is not an error. The shim then keeps the score of
//     the containerd that started it.
//   - The socket lies in the folder that containerd's configuration names
//     (socket_dir), so that two containerds on a host share nothing.
//   - All containers of a pod are served by one shim process, always. Upstream
//     decides that by a file at a path that every containerd shares.
//
// Only cmd/containerd-shim-runsc-v1 may import it.
package shim

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/containerd/containerd/v2/defaults"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/shim"
	"github.com/containerd/containerd/v2/pkg/sys"
	"golang.org/x/sys/unix"
	runscshim "gvisor.dev/gvisor/pkg/shim/v1"
)

const (
	// sandboxAnnotation names the pod sandbox that a container belongs to; the
	// CRI plugin sets it.
	sandboxAnnotation = "io.kubernetes.cri.sandbox-id"

	// oomScore is what a shim wants: killed last, but killable. Upstream's value.
	oomScore = -999

	// taskVersion is the version of the task API that gVisor's service speaks.
	taskVersion = 2

	// addressFile is where the shim process finds the address of its socket,
	// to remove it at the end; relative to the bundle.
	addressFile = "address"

	// maxParams bounds what is read of containerd's bootstrap parameters.
	maxParams = 10 << 20
)

// manager is gVisor's manager with a Start of our own.
type manager struct {
	shim.Manager
	// params is where containerd writes its bootstrap parameters.
	params io.Reader
}

// New returns the manager of the runtime called name, which reads containerd's
// bootstrap parameters from params when it starts a shim.
func New(name string, params io.Reader) shim.Manager {
	return &manager{Manager: runscshim.NewShimManager(name), params: params}
}

// Start starts the shim process of the pod that container id belongs to, or
// finds the one that serves it already, and answers with its address. The
// working directory is the container's bundle.
func (m *manager) Start(ctx context.Context, id string, opts shim.StartOpts) (shim.BootstrapParams, error) {
	pod, err := podOf("config.json", id)
	if err != nil {
		return shim.BootstrapParams{}, err
	}
	dir, err := m.socketDir()
	if err != nil {
		return shim.BootstrapParams{}, err
	}
	namespace, err := namespaces.NamespaceRequired(ctx)
	if err != nil {
		return shim.BootstrapParams{}, err
	}
	address := socketAddress(dir, opts.Address, namespace, pod)
	result := shim.BootstrapParams{Version: taskVersion, Protocol: "ttrpc", Address: address}

	socket, err := listen(address)
	if errors.Is(err, errServed) {
		return result, os.WriteFile(addressFile, []byte(address), 0o644)
	}
	if err != nil {
		return shim.BootstrapParams{}, err
	}
	defer socket.Close()
	if err := start(namespace, id, opts, socket, address); err != nil {
		_ = shim.RemoveSocket(address)
		return shim.BootstrapParams{}, err
	}
	return result, nil
}

// socketDir is the folder that containerd wants the socket in.
func (m *manager) socketDir() (string, error) {
	data, err := io.ReadAll(io.LimitReader(m.params, maxParams))
	if err != nil {
		return "", fmt.Errorf("reading the bootstrap parameters: %w", err)
	}
	dir, err := parseSocketDir(data)
	if err != nil {
		return "", fmt.Errorf("decoding the bootstrap parameters: %w", err)
	}
	if dir == "" {
		return filepath.Join(defaults.DefaultStateDir, "s"), nil
	}
	return dir, nil
}

// socketAddress names the socket of a pod's shim as containerd's own shims do.
func socketAddress(dir, containerd, namespace, pod string) string {
	sum := sha256.Sum256([]byte(filepath.Join(containerd, namespace, pod)))
	return fmt.Sprintf("unix://%s/%x", dir, sum)
}

// errServed says that a living shim listens on the address.
var errServed = errors.New("a shim serves this address")

// listen makes the socket at address. It returns errServed when a shim is
// listening there, and takes the place of one that died.
func listen(address string) (*net.UnixListener, error) {
	socket, err := shim.NewSocket(address)
	if err == nil || !shim.SocketEaddrinuse(err) {
		return keepOnClose(socket), wrap(err, "listening on %s", address)
	}
	if shim.CanConnect(address) {
		return nil, errServed
	}
	if err := shim.RemoveSocket(address); err != nil {
		return nil, fmt.Errorf("removing the dead socket %s: %w", address, err)
	}
	socket, err = shim.NewSocket(address)
	return keepOnClose(socket), wrap(err, "listening on %s", address)
}

// keepOnClose leaves the socket's file in place when this process closes its
// copy: the shim process goes on listening on it.
func keepOnClose(socket *net.UnixListener) *net.UnixListener {
	if socket != nil {
		socket.SetUnlinkOnClose(false)
	}
	return socket
}

// start executes the shim process, which inherits socket as descriptor 3.
func start(namespace, id string, opts shim.StartOpts, socket *net.UnixListener, address string) error {
	cmd, err := command(namespace, id, opts)
	if err != nil {
		return fmt.Errorf("building the command of shim %s: %w", id, err)
	}
	f, err := socket.File()
	if err != nil {
		return fmt.Errorf("duplicating the socket of shim %s: %w", id, err)
	}
	defer f.Close()
	cmd.ExtraFiles = []*os.File{f}

	// The process reads the address when it starts, so the file comes first.
	if err := os.WriteFile(addressFile, []byte(address), 0o644); err != nil {
		return fmt.Errorf("recording the address of shim %s: %w", id, err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("executing shim %s: %w", id, err)
	}
	if err := settle(cmd.Process.Pid); err != nil {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		return fmt.Errorf("settling shim %s: %w", id, err)
	}
	return cmd.Process.Release()
}

// settle records the shim's pid and lowers its OOM score where that is allowed.
func settle(pid int) error {
	if err := shim.WritePidFile("shim.pid", pid); err != nil {
		return err
	}
	err := sys.SetOOMScore(pid, oomScore)
	if errors.Is(err, unix.EACCES) || errors.Is(err, unix.EPERM) {
		return nil
	}
	return err
}

// command is this program again, as the process that serves the pod.
func command(namespace, id string, opts shim.StartOpts) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	bundle, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	args := []string{"-namespace", namespace, "-address", opts.Address, "-id", id}
	if opts.Debug {
		args = append(args, "-debug")
	}
	cmd := exec.Command(self, args...)
	cmd.Dir = bundle
	cmd.Env = append(os.Environ(), "GOMAXPROCS=2")
	// A group of its own: a signal meant for containerd's group passes it by.
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	return cmd, nil
}

// podOf returns the id of the pod sandbox that the OCI spec at path belongs
// to, or id when it names none.
func podOf(path, id string) (string, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("reading the spec of container %s: %w", id, err)
	}
	var spec struct {
		Annotations map[string]string `json:"annotations"`
	}
	if err := json.Unmarshal(data, &spec); err != nil {
		return "", fmt.Errorf("decoding the spec of container %s: %w", id, err)
	}
	if pod := spec.Annotations[sandboxAnnotation]; pod != "" {
		return pod, nil
	}
	return id, nil
}

// wrap adds a gerund to an error, and leaves nil alone.
func wrap(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf(format+": %w", append(args, err)...)
}
