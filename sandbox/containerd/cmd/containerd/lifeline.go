package main

import (
	"fmt"
	"io"
	"os"
	"strconv"

	"golang.org/x/sys/unix"
)

// lifelineEnv names the descriptor of the lifeline.
const lifelineEnv = "BERTH_LIFELINE_FD"

// holdLifeline watches the lifeline, where there is one, for as long as the
// process lives. Its descriptor and its variable are kept from the children:
// a shim that held either would outlive its meaning.
func holdLifeline() error {
	value := os.Getenv(lifelineEnv)
	if value == "" {
		return nil
	}
	fd, err := strconv.Atoi(value)
	if err != nil || fd < 3 {
		return fmt.Errorf("reading %s=%q: not the number of an inherited descriptor", lifelineEnv, value)
	}
	if err := os.Unsetenv(lifelineEnv); err != nil {
		return fmt.Errorf("clearing %s: %w", lifelineEnv, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, unix.FD_CLOEXEC); err != nil {
		return fmt.Errorf("keeping descriptor %d from children: %w", fd, err)
	}
	pipe := os.NewFile(uintptr(fd), "lifeline")
	go func() {
		_, _ = io.Copy(io.Discard, pipe)
		_ = unix.Kill(os.Getpid(), unix.SIGTERM)
	}()
	return nil
}
