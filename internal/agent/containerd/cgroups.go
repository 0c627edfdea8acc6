package containerd

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"
)

// cgroupHierarchies are the mount points of all cgroup hierarchies: one in
// version 2, one a controller in version 1.
func cgroupHierarchies() ([]string, error) {
	mounts, err := readMounts("self")
	if err != nil {
		return nil, err
	}
	var points []string
	for _, mount := range mounts {
		if mount.kind == "cgroup" || mount.kind == "cgroup2" {
			points = append(points, mount.point)
		}
	}
	return points, nil
}

// bundleCgroups are the cgroup paths of the containers whose bundles are in
// the state folder. A bundle that is half written names none.
func bundleCgroups(paths Paths) []string {
	specs, err := filepath.Glob(filepath.Join(paths.State, "io.containerd.runtime.v2.task", "*", "*", "config.json"))
	if err != nil {
		return nil
	}
	var groups []string
	for _, path := range specs {
		data, err := os.ReadFile(path)
		if err != nil {
			continue
		}
		var spec struct {
			Linux struct {
				CgroupsPath string `json:"cgroupsPath"`
			} `json:"linux"`
		}
		if json.Unmarshal(data, &spec) == nil {
			groups = append(groups, spec.Linux.CgroupsPath)
		}
	}
	return groups
}

// cgroupDirs are the folders of the cgroups with these paths, in all
// hierarchies, that exist. The root cgroup is nobody's.
func cgroupDirs(hierarchies, groups []string) []string {
	var dirs []string
	for _, group := range groups {
		group = filepath.Clean("/" + group)
		if group == "/" {
			continue
		}
		for _, hierarchy := range hierarchies {
			dir := filepath.Join(hierarchy, group)
			if info, err := os.Stat(dir); err == nil && info.IsDir() {
				dirs = append(dirs, dir)
			}
		}
	}
	slices.Sort(dirs)
	return slices.Compact(dirs)
}

// members are the processes in the cgroups and all below them.
func members(groups []string) map[int]bool {
	pids := map[int]bool{}
	for _, group := range groups {
		_ = filepath.WalkDir(group, func(path string, entry fs.DirEntry, err error) error {
			if err == nil && entry.IsDir() {
				readPids(filepath.Join(path, "cgroup.procs"), pids)
			}
			return nil
		})
	}
	return pids
}

func readPids(path string, pids map[int]bool) {
	file, err := os.Open(path)
	if err != nil {
		return
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		// Version 1 shows processes of other pid namespaces as 0.
		if pid, err := strconv.Atoi(lines.Text()); err == nil && pid > 0 {
			pids[pid] = true
		}
	}
}

// inCgroups reports whether a process is in one of the cgroups or below.
func inCgroups(groups []string, pid int) bool {
	return members(groups)[pid]
}

// removeCgroups removes the cgroups and all below them. The kernel holds on to
// a cgroup until the last process in it has ended for good.
func removeCgroups(ctx context.Context, groups []string) error {
	for _, group := range groups {
		for {
			err := removeCgroup(group)
			if err == nil {
				break
			}
			if !errors.Is(err, unix.EBUSY) {
				return fmt.Errorf("removing cgroup %s: %w", group, err)
			}
			if err := pause(ctx, fmt.Errorf("removing cgroup %s: %w", group, err)); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeCgroup removes one cgroup after its children. Its files are the
// kernel's and go with it.
func removeCgroup(dir string) error {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if entry.IsDir() {
			if err := removeCgroup(filepath.Join(dir, entry.Name())); err != nil {
				return err
			}
		}
	}
	err = unix.Rmdir(dir)
	if errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}
