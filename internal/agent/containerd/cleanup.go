package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// retryEvery is how long CleanUp waits before it tries again what the kernel
// has not finished: the exit of a process, the emptying of a cgroup.
const retryEvery = 20 * time.Millisecond

// CleanUp removes everything that a containerd with these paths left on the
// host, whoever was killed before: its processes (containerd itself, shims,
// sandboxes, containers), its mounts, its cgroups and all below cgroupParent
// (an absolute cgroup path such as /berth-1f3a; "" where there is none), its
// CNI results and its folders. It needs neither containerd nor runc or runsc
// to answer, and no state but what lies on the host. It touches nothing of
// another Berth. Where nothing is left, it does nothing.
//
// The network namespaces of pods vanish with their processes and mounts, and
// with them the pods' ends of their links.
//
// It returns an error when something could not be removed, or ctx was done
// first; calling it again goes on.
func CleanUp(ctx context.Context, paths Paths, cgroupParent string) error {
	if err := paths.validate(); err != nil {
		return err
	}
	if cgroupParent != "" && (!filepath.IsAbs(cgroupParent) || filepath.Clean(cgroupParent) != cgroupParent || cgroupParent == "/") {
		return &PathError{Name: "cgroup parent", Path: cgroupParent, Reason: "must be absolute, clean and not the root cgroup"}
	}
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		return err
	}
	// Read before anything is removed: the bundles name their cgroups.
	groups := cgroupDirs(hierarchies, append(bundleCgroups(paths), cgroupParent))

	if err := killAll(ctx, paths, groups); err != nil {
		return err
	}
	if err := unmountBelow(ctx, paths.owned()); err != nil {
		return err
	}
	if err := removeCgroups(ctx, groups); err != nil {
		return err
	}
	if err := removeCNIResults(cniResults, paths); err != nil {
		return err
	}
	return removeFolders(paths)
}

// unmountBelow lazily unmounts every mount at or below the folders, topmost
// first, until there is none.
func unmountBelow(ctx context.Context, folders []string) error {
	for {
		mounts, err := readMounts("self")
		if err != nil {
			return err
		}
		var found bool
		last := errors.New("mounts have not gone")
		for i := len(mounts) - 1; i >= 0; i-- {
			if !belowAny(mounts[i].point, folders) {
				continue
			}
			found = true
			err := unix.Unmount(mounts[i].point, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW)
			if err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
				last = fmt.Errorf("unmounting %s: %w", mounts[i].point, err)
			}
		}
		if !found {
			return nil
		}
		if err := pause(ctx, last); err != nil {
			return err
		}
	}
}

// removeFolders removes the folders that hold nothing but this containerd's,
// the socket, and the folders that thereby became empty.
func removeFolders(paths Paths) error {
	for _, dir := range paths.owned() {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("removing containerd's folder %s: %w", dir, err)
		}
	}
	for _, socket := range []string{paths.Socket, paths.Socket + ".ttrpc"} {
		if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("removing containerd's socket %s: %w", socket, err)
		}
	}
	for _, dir := range []string{filepath.Dir(paths.ShimSockets), filepath.Dir(paths.Root)} {
		_ = os.Remove(dir) // only when empty
	}
	return nil
}

// pause waits for a moment. It returns err, with the reason, once ctx is done.
func pause(ctx context.Context, err error) error {
	timer := time.NewTimer(retryEvery)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return errors.Join(ctx.Err(), err)
	case <-timer.C:
		return nil
	}
}

// belowAny reports whether path is one of folders, or lies in one.
func belowAny(path string, folders []string) bool {
	for _, folder := range folders {
		if path == folder || strings.HasPrefix(path, folder+"/") {
			return true
		}
	}
	return false
}
