package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"berth.dev/berth/internal/server"
)

// held says whether a process uses a data folder: the server holds a lock there
// as long as it lives, however it ends.
func held(dataDir string) (bool, error) {
	f, err := os.Open(filepath.Join(dataDir, "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the server of %s: %w", dataDir, err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}

// holder is the process id of the server of a data folder: of one that has the
// folder's lock open and is a berth server. It is 0 if there is none. A process
// that has only taken over the id of a server that was killed is never meant.
func holder(dataDir string) int {
	if s, err := server.ReadState(dataDir); err == nil && isServer(s.PID, dataDir) {
		return s.PID
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil && isServer(pid, dataDir) {
			return pid
		}
	}
	return 0
}

func isServer(pid int, dataDir string) bool {
	if pid <= 1 || pid == os.Getpid() {
		return false
	}
	proc := filepath.Join("/proc", strconv.Itoa(pid))
	line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil || !bytes.Contains(line, []byte("\x00server\x00")) {
		return false
	}
	lock, err := filepath.EvalSymlinks(filepath.Join(dataDir, "lock"))
	if err != nil {
		return false
	}
	fds, err := os.ReadDir(filepath.Join(proc, "fd"))
	if err != nil {
		return false
	}
	for _, fd := range fds {
		if target, err := os.Readlink(filepath.Join(proc, "fd", fd.Name())); err == nil && target == lock {
			return true
		}
	}
	return false
}
