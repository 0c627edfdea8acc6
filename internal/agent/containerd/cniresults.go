package containerd

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// cniResults is where the CNI library, and so containerd, keeps the results of
// plugins. It cannot be moved: all users of the library on a host share it.
const cniResults = "/var/lib/cni/results"

// removeCNIResults removes, from folder dir, the results that paths' containerd
// kept there.
func removeCNIResults(dir string, paths Paths) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing CNI results in %s: %w", dir, err)
	}
	removed := false
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		data, err := os.ReadFile(path)
		if err != nil || !ownCNIResult(data, paths) {
			continue
		}
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing CNI result %s: %w", path, err)
		}
		removed = true
	}
	if removed { // the folders too, when they held nothing but ours
		_ = os.Remove(dir)
		_ = os.Remove(filepath.Dir(dir))
	}
	return nil
}

// ownCNIResult reports whether a cached result, as the CNI library writes it,
// is of paths' containerd: the network namespace that it names lies in paths'
// state folder.
func ownCNIResult(data []byte, paths Paths) bool {
	var result struct {
		Kind  string `json:"kind"`
		NetNS string `json:"netns"`
	}
	if err := json.Unmarshal(data, &result); err != nil || result.Kind != "cniCacheV1" {
		return false
	}
	return belowAny(result.NetNS, []string{paths.State})
}
