package image

import (
	"debug/elf"
	"fmt"
)

// architecture returns the platform's name for a static Linux program and
// refuses any that an image without libraries could not start.
func architecture(path string) (string, error) {
	file, err := elf.Open(path)
	if err != nil {
		return "", fmt.Errorf("reading program %s: %w", path, err)
	}
	defer file.Close()
	for _, p := range file.Progs {
		if p.Type == elf.PT_INTERP {
			return "", fmt.Errorf("reading program %s: it is linked dynamically", path)
		}
	}
	switch file.Machine {
	case elf.EM_X86_64:
		return "amd64", nil
	case elf.EM_AARCH64:
		return "arm64", nil
	}
	return "", fmt.Errorf("reading program %s: machine %s has no image platform", path, file.Machine)
}
