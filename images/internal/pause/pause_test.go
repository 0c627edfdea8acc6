package pause_test

import (
	"os"
	"os/exec"
	"syscall"
	"testing"

	"berth.dev/berth/images/internal/pause"
)

func TestRun(t *testing.T) {
	for _, test := range []struct {
		name    string
		signals []os.Signal
		reaps   int
	}{
		{"terminated", []os.Signal{syscall.SIGTERM}, 1},
		{"interrupted", []os.Signal{syscall.SIGINT}, 1},
		{"children die first", []os.Signal{syscall.SIGCHLD, syscall.SIGCHLD, syscall.SIGTERM}, 3},
	} {
		t.Run(test.name, func(t *testing.T) {
			// One signal too many shows whether Run returned at the right one.
			signals := make(chan os.Signal, 8)
			for _, s := range append(test.signals, syscall.SIGCHLD) {
				signals <- s
			}
			reaps := 0
			pause.Run(signals, func() { reaps++ })
			if reaps != test.reaps || len(signals) != 1 {
				t.Errorf("reaped %d times with %d signals left, want %d and 1", reaps, len(signals), test.reaps)
			}
		})
	}
}

// TestReap starts several children and collects them with one call, as after
// a burst of deaths that the kernel reports as one SIGCHLD.
func TestReap(t *testing.T) {
	var pids []int
	for range 3 {
		c := exec.Command(os.Args[0], "-test.run=^$")
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		pids = append(pids, c.Process.Pid)
	}
	for _, pid := range pids {
		awaitDeath(t, pid)
	}
	pause.Reap()
	for _, pid := range pids {
		if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
			t.Errorf("child %d still has an entry after Reap: kill says %v", pid, err)
		}
	}
}

// awaitDeath waits until pid is a zombie and leaves it one.
func awaitDeath(t *testing.T, pid int) {
	t.Helper()
	const pidType, exited, leave = 1, syscall.WEXITED, syscall.WNOWAIT
	for {
		_, _, errno := syscall.Syscall6(syscall.SYS_WAITID, pidType, uintptr(pid), 0, exited|leave, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		if errno != 0 {
			t.Fatalf("waiting for child %d: %v", pid, errno)
		}
		return
	}
}
