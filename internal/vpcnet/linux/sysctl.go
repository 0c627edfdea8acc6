package linux

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berth.dev/berth/internal/vpcnet"
)

// sysctlPath assumes that no part of the name has a dot of its own, which holds
// for the names of links that this package makes.
func sysctlPath(name string) string {
	return filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
}

func readSysctl(name string) (string, error) {
	b, err := os.ReadFile(sysctlPath(name))
	if err != nil {
		return "", fmt.Errorf("reading sysctl %s: %w", name, err)
	}
	return string(bytes.TrimSpace(b)), nil
}

// setSysctl writes a setting of the calling thread's namespace unless it is so.
// It reports whether it wrote. A kernel without IPv6 has no IPv6 to turn off.
func setSysctl(s vpcnet.Sysctl) (bool, error) {
	have, err := readSysctl(s.Name)
	if errors.Is(err, fs.ErrNotExist) && strings.HasPrefix(s.Name, "net.ipv6.") {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	if have == s.Value {
		return false, nil
	}
	if err := os.WriteFile(sysctlPath(s.Name), []byte(s.Value), 0o644); err != nil {
		return false, fmt.Errorf("writing sysctl %s: %w", s.Name, err)
	}
	return true, nil
}

func setSysctls(list []vpcnet.Sysctl) error {
	for _, s := range list {
		if _, err := setSysctl(s); err != nil {
			return err
		}
	}
	return nil
}
