package containerd

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// Host is what a host lets containerd do.
type Host struct {
	// AppArmor says that the kernel enforces AppArmor profiles.
	AppArmor bool
	// LowerOOMScores says that this process may lower an OOM score
	// (CAP_SYS_RESOURCE).
	LowerOOMScores bool
}

// InspectHost reads what this host lets this process, and so containerd, do.
func InspectHost() (Host, error) {
	header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
	var sets [2]unix.CapUserData
	if err := unix.Capget(&header, &sets[0]); err != nil {
		return Host{}, fmt.Errorf("reading the capabilities of this process: %w", err)
	}
	enabled, err := os.ReadFile("/sys/module/apparmor/parameters/enabled")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Host{}, fmt.Errorf("reading whether AppArmor is on: %w", err)
	}
	return Host{
		AppArmor:       strings.HasPrefix(string(enabled), "Y"),
		LowerOOMScores: sets[0].Effective&(1<<unix.CAP_SYS_RESOURCE) != 0,
	}, nil
}

// ChooseSnapshotter returns Overlay where an overlay can be mounted over
// folders in root, and Native where not: root on an overlay itself, or no
// right to mount. It makes root, and leaves nothing in it.
func ChooseSnapshotter(root string) (Snapshotter, error) {
	if err := os.MkdirAll(root, 0o711); err != nil {
		return "", fmt.Errorf("making containerd's folder %s: %w", root, err)
	}
	dir, err := os.MkdirTemp(root, "overlay-")
	if err != nil {
		return "", fmt.Errorf("making a folder to try an overlay in %s: %w", root, err)
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return "", fmt.Errorf("making a folder to try an overlay in %s: %w", root, err)
		}
	}
	merged := filepath.Join(dir, "merged")
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		return Native, nil
	}
	if err := unix.Unmount(merged, unix.MNT_DETACH); err != nil {
		return "", fmt.Errorf("unmounting the tried overlay %s: %w", merged, err)
	}
	return Overlay, nil
}
