package containerd

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// mountPoint is what CleanUp wants to know of a line of mountinfo.
type mountPoint struct {
	// point is where the file system is mounted.
	point string
	// kind is the file system's type, options are its own ("lowerdir=…").
	kind, options string
}

// readMounts returns the mounts that process pid ("self" or a number) sees, in
// the order in which they were made.
func readMounts(pid string) ([]mountPoint, error) {
	data, err := os.ReadFile("/proc/" + pid + "/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the mounts of process %s: %w", pid, err)
	}
	return parseMounts(string(data)), nil
}

// parseMounts reads mountinfo as proc(5) describes it. Lines of another form
// are skipped.
func parseMounts(text string) []mountPoint {
	var mounts []mountPoint
	for line := range strings.Lines(text) {
		before, after, ok := strings.Cut(line, " - ")
		head, tail := strings.Fields(before), strings.Fields(after)
		if !ok || len(head) < 5 || len(tail) < 3 {
			continue
		}
		mounts = append(mounts, mountPoint{
			point:   unescape(head[4]),
			kind:    tail[0],
			options: unescape(tail[2]),
		})
	}
	return mounts
}

// unescape turns \040 and its like, as mountinfo writes blanks, into bytes.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if code, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}
