package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of CPU times in /proc, fixed on Linux.
const ticksPerSecond = 100

// processes are those of the host, as /proc shows them at one moment.
type processes struct {
	parent map[int]int
	args   map[int][]string
}

func readProcesses() (processes, error) {
	entries, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return processes{}, err
	}
	p := processes{parent: map[int]int{}, args: map[int][]string{}}
	for _, dir := range entries {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		fields, err := stat(pid)
		if err != nil {
			continue // it ended meanwhile
		}
		line, _ := os.ReadFile(dir + "/cmdline")
		p.args[pid] = strings.Split(strings.TrimRight(string(line), "\x00"), "\x00")
		p.parent[pid], _ = strconv.Atoi(fields[1])
	}
	return p, nil
}

// stat is what /proc/PID/stat says after the name: state, parent, …
func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	return strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:])), nil
}

// children are the processes that a process started, by what they are.
func (p processes) children(pid int) map[string]int {
	found := map[string]int{}
	for child, parent := range p.parent {
		if parent != pid {
			continue
		}
		name := filepath.Base(p.args[child][0])
		if name == "berth-kube" && len(p.args[child]) > 1 {
			name = p.args[child][1]
		}
		found[name] = child
	}
	return found
}

// sandboxes are the processes of pods, by what they are: the shims whose command
// line names the folder, and all that descends from them.
func (p processes) sandboxes(folder string) map[string][]int {
	found := map[string][]int{}
	for pid := range p.parent {
		for at := pid; at > 1; at = p.parent[at] {
			args := p.args[at]
			if !strings.HasPrefix(filepath.Base(args[0]), "containerd-shim") || !strings.Contains(strings.Join(args, " "), folder) {
				continue
			}
			name := filepath.Base(p.args[pid][0])
			if name == "" || name == "." {
				name = "stub"
			}
			found[name] = append(found[name], pid)
			break
		}
	}
	return found
}

// flag is the value of a flag in the command line of a process.
func (p processes) flag(pid int, name string) string {
	for _, arg := range p.args[pid] {
		if value, ok := strings.CutPrefix(arg, name+"="); ok {
			return value
		}
	}
	return ""
}

// pss is the memory of a process in bytes: its own, and its share of what it
// shares. A process that has ended has none.
func pss(pid int) float64 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "Pss:"); ok {
			kb, _ := strconv.ParseFloat(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 64)
			return kb * 1024
		}
	}
	return 0
}

// cpuTime is what a process has used of the CPUs since it started.
func cpuTime(pid int) time.Duration {
	fields, err := stat(pid)
	if err != nil || len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * time.Second / ticksPerSecond
}

func files(pid int) int {
	entries, _ := os.ReadDir(fmt.Sprintf("/proc/%d/fd", pid))
	return len(entries)
}

const megabyte = 1 << 20

// each writes the values of named things in order of their names.
func each(values map[string]float64, unit string) string {
	var names []string
	for name := range values {
		names = append(names, name)
	}
	slices.Sort(names)
	for i, name := range names {
		names[i] = fmt.Sprintf("%s %.2f %s", name, values[name], unit)
	}
	return strings.Join(names, ", ")
}

func sum(values map[string]float64) float64 {
	total := 0.0
	for _, v := range values {
		total += v
	}
	return total
}
