// Package lifeline ties a child process to its parent: the parent holds the
// write end of a pipe, and when it dies, however it dies, the child reads the
// end of the file and goes too.
//
// It decides nothing about graceful shutdown; that is what signals are for.
// Only package app may import it.
package lifeline

import (
	"fmt"
	"io"
	"os"
	"strconv"
)

// Env names the environment variable that holds the number of the pipe's file
// descriptor. The variable is absent when nobody holds a lifeline.
const Env = "BERTH_LIFELINE_FD"

// Watch calls broken once, from a goroutine of its own, when the lifeline that
// value names breaks. An empty value means that there is none. The variable is
// inherited by grandchildren but the descriptor is not, so callers clear it.
func Watch(value string, broken func()) error {
	if value == "" {
		return nil
	}
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return fmt.Errorf("reading %s: %q is not a file descriptor above 2", Env, value)
	}
	pipe := os.NewFile(uintptr(fd), "lifeline")
	if pipe == nil {
		return fmt.Errorf("opening lifeline: file descriptor %d is not open", fd)
	}
	if _, err := pipe.Stat(); err != nil {
		return fmt.Errorf("opening lifeline: %w", err)
	}
	if err := closeOnExec(fd); err != nil {
		return fmt.Errorf("opening lifeline: %w", err)
	}
	go func() {
		// Whatever is written is ignored: only the end of the file means something.
		_, _ = io.Copy(io.Discard, pipe)
		broken()
	}()
	return nil
}
