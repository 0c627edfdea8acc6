package main

import (
	"os"
	"os/signal"
	"strconv"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestHoldLifelineRefusesWhatIsNoDescriptor(t *testing.T) {
	for _, value := range []string{"x", "-1", "0", "2", "99999"} {
		t.Run(value, func(t *testing.T) {
			t.Setenv(lifelineEnv, value)
			if err := holdLifeline(); err == nil {
				t.Errorf("holdLifeline with %s=%s: no error", lifelineEnv, value)
			}
		})
	}
}

func TestHoldLifelineWithoutOne(t *testing.T) {
	t.Setenv(lifelineEnv, "")
	if err := holdLifeline(); err != nil {
		t.Errorf("holdLifeline without a lifeline: %v", err)
	}
}

func TestHoldLifelineEndsWithTheParent(t *testing.T) {
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, unix.SIGTERM)
	defer signal.Stop(terminated)

	var pipe [2]int
	if err := unix.Pipe(pipe[:]); err != nil {
		t.Fatal(err)
	}
	t.Setenv(lifelineEnv, strconv.Itoa(pipe[0]))
	if err := holdLifeline(); err != nil {
		t.Fatal(err)
	}
	if value, ok := os.LookupEnv(lifelineEnv); ok {
		t.Errorf("children would inherit %s=%s", lifelineEnv, value)
	}
	flags, err := unix.FcntlInt(uintptr(pipe[0]), unix.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("children would inherit the descriptor: flags %d, %v", flags, err)
	}
	if err := unix.Close(pipe[1]); err != nil { // the parent dies
		t.Fatal(err)
	}
	select {
	case <-terminated:
	case <-time.After(10 * time.Second):
		t.Error("no SIGTERM after the end of the lifeline")
	}
}
