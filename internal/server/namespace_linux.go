package server

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// tryNamespace makes a network and a mount namespace on a thread that it never
// gives back, so that the thread ends with its goroutine.
func tryNamespace() error {
	runtime.LockOSThread()
	return unix.Unshare(unix.CLONE_NEWNET | unix.CLONE_NEWNS)
}
