package acceptance

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// process is a living process.
type process struct {
	pid, parent int
	args        []string
	env         []string
	cgroups     string
}

func (p process) program() string {
	if len(p.args) == 0 {
		return ""
	}
	name := filepath.Base(p.args[0])
	if name == "berth-kube" && len(p.args) > 1 {
		return p.args[1]
	}
	return name
}

// has says whether an argument holds a text.
func (p process) has(text string) bool {
	return slices.ContainsFunc(p.args, func(a string) bool { return strings.Contains(a, text) })
}

// processes are the Berth's: those that descend from its server, which have its
// HOME, those whose arguments name its folders, and those in its cgroups.
func (b *berth) processes(t testing.TB) []process {
	t.Helper()
	entries, err := os.ReadDir("/proc")
	if err != nil {
		t.Fatal(err)
	}
	var all []process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil || pid == os.Getpid() {
			continue
		}
		p, ok := readProcess(pid)
		if !ok {
			continue
		}
		named := slices.ContainsFunc(p.args, b.owns) || strings.Contains(p.cgroups, "/"+b.instance())
		if named || slices.Contains(p.env, "HOME="+b.home()) {
			all = append(all, p)
		}
	}
	return all
}

// readProcess reads a process that has not ended.
func readProcess(pid int) (process, bool) {
	dir := fmt.Sprintf("/proc/%d/", pid)
	stat, err := os.ReadFile(dir + "stat")
	if err != nil {
		return process{}, false
	}
	// The name, in parentheses, may hold anything; state and parent follow it.
	fields := strings.Fields(string(stat[strings.LastIndex(string(stat), ")")+1:]))
	if fields[0] == "Z" || fields[0] == "X" {
		return process{}, false
	}
	p := process{pid: pid}
	p.parent, _ = strconv.Atoi(fields[1])
	p.args = words(dir + "cmdline")
	p.env = words(dir + "environ")
	groups, _ := os.ReadFile(dir + "cgroup")
	p.cgroups = string(groups)
	return p, true
}

func words(path string) []string {
	data, _ := os.ReadFile(path)
	return strings.Split(strings.TrimSuffix(string(data), "\x00"), "\x00")
}

// find is the one of the Berth's processes with a program's name whose arguments
// hold a text.
func (b *berth) find(t *testing.T, program, text string) process {
	t.Helper()
	var found []process
	all := b.processes(t)
	for _, p := range all {
		if p.program() == program && p.has(text) {
			found = append(found, p)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%d processes %s with %q in %s, want 1", len(found), program, text, pids(all))
	}
	return found[0]
}
