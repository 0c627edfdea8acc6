package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// process is what tells whose a process is.
type process struct {
	args []string
	// rootOptions are the options of the mount that the process has as /,
	// where its mounts are not the host's.
	rootOptions string
}

// killAll kills every process of the containerd with these paths, and every
// one in the cgroups, and returns when none is left.
func killAll(ctx context.Context, paths Paths, groups []string) error {
	for {
		pids, err := ownProcesses(paths, groups)
		if err != nil {
			return err
		}
		if len(pids) == 0 {
			return nil
		}
		for _, pid := range pids {
			if err := kill(paths, groups, pid); err != nil {
				return fmt.Errorf("killing process %d: %w", pid, err)
			}
		}
		if err := pause(ctx, fmt.Errorf("processes %v have not ended", pids)); err != nil {
			return err
		}
	}
}

// kill kills pid if it is still one of ours: the number may have passed to
// another process since it was found.
func kill(paths Paths, groups []string, pid int) error {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if !paths.owns(readProcess(pid)) && !inCgroups(groups, pid) {
		return nil
	}
	err = unix.PidfdSendSignal(fd, unix.SIGKILL, nil, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	return err
}

// ownProcesses are the living processes of the containerd with these paths and
// those in the cgroups.
func ownProcesses(paths Paths, groups []string) ([]int, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("listing processes: %w", err)
	}
	member := members(groups)
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == os.Getpid() || ended(pid) {
			continue
		}
		if member[pid] || paths.owns(readProcess(pid)) {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}

// owns reports whether a process belongs to the containerd with these paths:
//
//	containerd           --config <config>
//	shims                -address <socket>
//	runsc and sandboxes  --root=<runsc root>/<namespace>
//	runc                 --root <runc root>/<namespace>
//	containers of runc   their / is an overlay whose upper folder is a snapshot
//
// What a container of runc started, and a container on native snapshots, is
// told by its cgroup instead.
func (p Paths) owns(proc process) bool {
	for i, arg := range proc.args {
		if root, ok := strings.CutPrefix(arg, "--root="); ok && belowAny(root, []string{p.RunscRoot}) {
			return true
		}
		if i == 0 {
			continue
		}
		switch proc.args[i-1] {
		case "-address":
			if arg == p.Socket {
				return true
			}
		case "--config":
			if arg == p.Config() {
				return true
			}
		case "--root":
			if belowAny(arg, []string{p.RuncRoot, p.RunscRoot}) {
				return true
			}
		}
	}
	for option := range strings.SplitSeq(proc.rootOptions, ",") {
		upper, ok := strings.CutPrefix(option, "upperdir=")
		if ok && belowAny(upper, []string{p.Root}) {
			return true
		}
	}
	return false
}

// readProcess reads what can be read of a process; one that has ended, or is
// the kernel's, has nothing.
func readProcess(pid int) process {
	var proc process
	dir := "/proc/" + strconv.Itoa(pid)
	if data, err := os.ReadFile(dir + "/cmdline"); err == nil && len(data) > 0 {
		proc.args = strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
	}
	own, _ := os.Readlink(dir + "/ns/mnt")
	host, _ := os.Readlink("/proc/self/ns/mnt")
	if own == "" || own == host {
		return proc
	}
	mounts, err := readMounts(strconv.Itoa(pid))
	if err != nil {
		return proc
	}
	for _, mount := range mounts {
		if mount.point == "/" {
			proc.rootOptions = mount.options
		}
	}
	return proc
}

// ended reports whether a process is gone but for the record that its parent
// has not read, which nothing can kill.
func ended(pid int) bool {
	data, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	if err != nil {
		return true
	}
	// The name, in parentheses, may hold anything; the state follows it.
	i := strings.LastIndex(string(data), ") ")
	return i >= 0 && i+2 < len(data) && (data[i+2] == 'Z' || data[i+2] == 'X')
}
