package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// namespaceDir is where iproute2 looks for named namespaces.
const namespaceDir = "/run/netns"

func namespacePath(name string) string { return filepath.Join(namespaceDir, name) }

// openNamespace opens a named namespace; ErrNoNamespace if there is none, also
// where a crash left its file without a namespace mounted on it.
func openNamespace(name string) (*os.File, error) {
	return openNamespaceAt(namespacePath(name))
}

func openNamespaceAt(path string) (*os.File, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("opening namespace %s: %w", path, ErrNoNamespace)
	}
	if err != nil {
		return nil, fmt.Errorf("opening namespace: %w", err)
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		f.Close()
		return nil, fmt.Errorf("opening namespace %s: %w", path, err)
	}
	if st.Type != unix.NSFS_MAGIC {
		f.Close()
		return nil, fmt.Errorf("opening namespace %s: %w", path, ErrNoNamespace)
	}
	return f, nil
}

// ensureNamespace opens a named namespace and makes it if need be.
func ensureNamespace(name string) (*os.File, error) {
	f, err := openNamespace(name)
	if !errors.Is(err, ErrNoNamespace) {
		return f, err
	}
	if err := createNamespace(name); err != nil {
		return nil, fmt.Errorf("creating namespace %s: %w", name, err)
	}
	return openNamespace(name)
}

func createNamespace(name string) error {
	if err := os.MkdirAll(namespaceDir, 0o755); err != nil {
		return err
	}
	path := namespacePath(name)
	f, err := os.OpenFile(path, os.O_RDONLY|os.O_CREATE, 0o444)
	if err != nil {
		return err
	}
	f.Close()
	return onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("unsharing: %w", err)
		}
		if err := unix.Mount("/proc/thread-self/ns/net", path, "none", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting: %w", err)
		}
		return nil
	})
}

// deleteNamespace removes the links before the name: processes that are still
// inside keep the namespace alive, but not its way to anywhere.
func deleteNamespace(name string) error {
	ns, err := openNamespace(name)
	if err == nil {
		err = deleteLinks(ns)
		ns.Close()
	}
	if err != nil && !errors.Is(err, ErrNoNamespace) {
		return fmt.Errorf("deleting namespace %s: %w", name, err)
	}
	path := namespacePath(name)
	for {
		err := unix.Unmount(path, unix.MNT_DETACH)
		if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOENT) {
			break
		}
		if err != nil {
			return fmt.Errorf("unmounting namespace %s: %w", name, err)
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting namespace %s: %w", name, err)
	}
	return nil
}

func deleteLinks(ns *os.File) error {
	h, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("opening netlink: %w", err)
	}
	defer h.Close()
	links, err := dump(h.LinkList)
	if err != nil {
		return fmt.Errorf("listing links: %w", err)
	}
	for _, l := range links {
		if l.Type() != "veth" {
			continue
		}
		if err := h.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("deleting link %s: %w", l.Attrs().Name, err)
		}
	}
	return nil
}

// namespaces lists the named namespaces that begin with prefix, also unfinished
// ones.
func namespaces(prefix string) ([]string, error) {
	entries, err := os.ReadDir(namespaceDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing namespaces: %w", err)
	}
	var names []string
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), prefix) {
			names = append(names, e.Name())
		}
	}
	return names, nil
}

// onThread runs f on a thread of its own, which is put back where it was before
// others use it. A thread that cannot be put back ends with its goroutine.
func onThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		done <- func() error {
			t, err := pinThread()
			if err != nil {
				return err
			}
			return errors.Join(f(), t.release())
		}()
	}()
	return <-done
}

// inside runs f on a thread in the namespace. f must not start goroutines that
// make sockets: only this thread is inside.
func inside(ns *os.File, f func() error) error {
	return onThread(func() error {
		if err := setns(ns); err != nil {
			return err
		}
		return f()
	})
}

func setns(ns *os.File) error {
	if err := unix.Setns(int(ns.Fd()), unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("entering namespace %s: %w", ns.Name(), err)
	}
	return nil
}

// pinnedThread is the calling goroutine's thread while it is away from home.
type pinnedThread struct{ home *os.File }

func pinThread() (*pinnedThread, error) {
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return nil, fmt.Errorf("opening this thread's namespace: %w", err)
	}
	return &pinnedThread{home}, nil
}

// release takes the thread home and hands it back; if it cannot go home, it
// stays locked to the goroutine and ends with it.
func (t *pinnedThread) release() error {
	defer t.home.Close()
	if err := setns(t.home); err != nil {
		return err
	}
	runtime.UnlockOSThread()
	return nil
}
