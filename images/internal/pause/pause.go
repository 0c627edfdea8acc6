// Package pause is the process that holds a pod's namespaces: PID 1 of every
// sandbox, and the parent of last resort of every process in a pod that
// shares its process namespace.
//
// It does nothing else, so it imports nothing beyond the standard library's
// signals and system calls. Only cmd/pause imports it.
package pause

import (
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// Signals are those that Run wants to receive.
var Signals = []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGCHLD}

// Main waits as PID 1 and returns the exit code: 0 after SIGTERM or SIGINT.
func Main() int {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, Signals...)
	Run(signals, Reap)
	return 0
}

// Run returns on the first signal that ends a pod and calls reap on each
// SIGCHLD. Signals coalesce, so reap must collect every child that is dead,
// not one for each call.
func Run(signals <-chan os.Signal, reap func()) {
	// Children may have died between exec and Notify.
	reap()
	for s := range signals {
		if s != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// Reap collects all children that are dead and returns without waiting for
// those that live.
func Reap() {
	for {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		if errors.Is(err, syscall.EINTR) {
			continue
		}
		if err != nil || pid <= 0 {
			return
		}
	}
}
