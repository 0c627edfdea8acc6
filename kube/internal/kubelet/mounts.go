package kubelet

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unmountBelow detaches every mount at or below dir, the deepest first.
func unmountBelow(dir string) error {
	file, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("listing mounts: %w", err)
	}
	defer file.Close()
	points, err := mountPoints(file, dir)
	if err != nil {
		return fmt.Errorf("listing mounts: %w", err)
	}
	for _, point := range slices.Backward(points) {
		// EINVAL: it went meanwhile.
		if err := unix.Unmount(point, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) {
			return fmt.Errorf("unmounting %s: %w", point, err)
		}
	}
	return nil
}

// mountPoints lists the mount points at or below dir out of a mountinfo file,
// in the order in which they were made.
func mountPoints(mountinfo io.Reader, dir string) ([]string, error) {
	var points []string
	scanner := bufio.NewScanner(mountinfo)
	for scanner.Scan() {
		fields := strings.Fields(scanner.Text())
		if len(fields) < 5 {
			continue
		}
		point := unescape(fields[4])
		if point == dir || strings.HasPrefix(point, strings.TrimSuffix(dir, "/")+"/") {
			points = append(points, point)
		}
	}
	return points, scanner.Err()
}

// unescape undoes the kernel's octal escapes (\040 is a space).
func unescape(field string) string {
	var out strings.Builder
	for i := 0; i < len(field); i++ {
		if field[i] == '\\' && i+3 < len(field) {
			if code, err := strconv.ParseUint(field[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		out.WriteByte(field[i])
	}
	return out.String()
}

// machineID is the 32-digit part of aws:///<zone>/<10 digits>-<32 digits>/<name>,
// in the shape of a system UUID; empty when there is none.
func machineID(providerID string) string {
	for part := range strings.SplitSeq(providerID, "/") {
		if _, id, found := strings.Cut(part, "-"); found && len(id) == 32 && strings.Trim(id, "0123456789abcdef") == "" {
			id = strings.ToUpper(id)
			return strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
		}
	}
	return ""
}
