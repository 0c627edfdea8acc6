package containerd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// handlers are the runtimes that this host has.
func (h *host) handlers() []string {
	if h.config.Programs.Runc == "" {
		h.t.Log("without runc: the Debian package of that name is not installed")
		return []string{"runsc"}
	}
	return []string{"runsc", "runc"}
}

// sandboxPid is the process of a pod's sandbox on the host.
func (p *pod) sandboxPid() int {
	p.t.Helper()
	path := filepath.Join(p.host.config.Paths.State, "io.containerd.runtime.v2.task", "k8s.io", p.sandbox, "init.pid")
	data, err := os.ReadFile(path)
	if err == nil {
		if pid, err := strconv.Atoi(strings.TrimSpace(string(data))); err == nil {
			return pid
		}
	}
	for _, pid := range p.processes() {
		if args := readProcess(pid).args; len(args) > 0 && args[0] == "runsc-sandbox" {
			return pid
		}
	}
	p.t.Fatalf("no process is the sandbox of %s", p.name)
	return 0
}

// processes are the processes on the host that name the pod's sandbox.
func (p *pod) processes() []int {
	p.t.Helper()
	pids, err := ownProcesses(p.host.config.Paths, nil)
	if err != nil {
		p.t.Fatal(err)
	}
	return slices.DeleteFunc(pids, func(pid int) bool {
		return !slices.ContainsFunc(readProcess(pid).args, func(arg string) bool { return strings.Contains(arg, p.sandbox) })
	})
}

func (p *pod) exits() {
	p.t.Helper()
	p.eventually("the CRI reports the exit of "+p.name, func(ctx context.Context) bool {
		status, err := p.service.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: p.container})
		return err == nil && status.GetStatus().GetState() == cri.ContainerState_CONTAINER_EXITED
	})
}

func TestLiveContainersOutliveContainerd(t *testing.T) {
	h := newHost(t, Overlay)
	var pods []*pod
	for _, handler := range h.handlers() {
		pods = append(pods, h.run(handler, handler, "pause"))
	}
	for _, end := range []struct {
		name string
		how  func()
	}{
		{"kill -9", func() { _ = h.cmd.Process.Kill() }},
		{"the end of its parent", func() { h.lifeline.Close() }},
	} {
		h.stop(end.how)
		begin := time.Now()
		h.start()
		t.Logf("after %s, containerd is ready again in %v", end.name, time.Since(begin))
		for _, p := range pods {
			if state := p.status().GetState(); state != cri.ContainerState_CONTAINER_RUNNING {
				t.Errorf("after %s, %s is %v", end.name, p.name, state)
			}
			if name := p.exec("/guest", "uname"); !strings.HasPrefix(name, "Linux") {
				t.Errorf("after %s, exec in %s answers %q", end.name, p.name, name)
			}
		}
	}
	for _, p := range pods {
		p.remove()
	}
}

func TestLiveKilledProcessesAreReported(t *testing.T) {
	h := newHost(t, Overlay)
	for _, handler := range h.handlers() {
		p := h.run("sandbox-"+handler, handler, "pause")
		target := p.sandboxPid()
		if handler == "runc" {
			target = h.containerPid(p)
		}
		begin := time.Now()
		if err := syscall.Kill(target, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		p.exits()
		t.Logf("%s: exit reported %v after kill -9: code %d", p.name, time.Since(begin), p.status().GetExitCode())
		p.remove()

		p = h.run("shim-"+handler, handler, "pause")
		begin = time.Now()
		if err := syscall.Kill(p.shimPid(), syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		p.exits()
		t.Logf("%s: exit reported %v after the shim's kill -9: code %d", p.name, time.Since(begin), p.status().GetExitCode())
		p.remove()

		p = h.run("exit-"+handler, handler, "exit", "7")
		p.exits()
		if code := p.status().GetExitCode(); code != 7 {
			t.Errorf("%s: exit code %d, want 7", p.name, code)
		}
		p.addContainer("pause") // as the kubelet does when it restarts a container
		if name := p.exec("/guest", "uname"); !strings.HasPrefix(name, "Linux") {
			t.Errorf("%s: exec in the second container answers %q", p.name, name)
		}
		p.remove()
	}
}

// containerPid is the first process of the pod's container on the host.
func (h *host) containerPid(p *pod) int {
	h.t.Helper()
	path := filepath.Join(h.config.Paths.State, "io.containerd.runtime.v2.task", "k8s.io", p.container, "init.pid")
	data, err := os.ReadFile(path)
	if err != nil {
		h.t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(data)))
	if err != nil {
		h.t.Fatal(err)
	}
	return pid
}

// shimPid is the shim of a pod.
func (p *pod) shimPid() int {
	p.t.Helper()
	for _, pid := range p.processes() {
		if strings.HasPrefix(filepath.Base(readProcess(pid).args[0]), "containerd-shim-") {
			return pid
		}
	}
	p.t.Fatalf("no process is the shim of %s", p.name)
	return 0
}

func TestLiveMemoryLimitOfThePod(t *testing.T) {
	h := newHost(t, Overlay)
	for _, handler := range h.handlers() {
		name := "limited-" + handler
		h.limitMemory("/pod-"+name, 128<<20)
		p := h.run(name, handler, "allocate", "64")
		p.exits()
		if code, log := p.status().GetExitCode(), p.log(); code != 0 || !strings.Contains(log, "allocated 64") {
			t.Errorf("%s: 64 MB of 128: exit code %d, log %q", name, code, log)
		}
		p.addContainer("allocate", "512")
		p.exits()
		status := p.status()
		if log := p.log(); status.GetExitCode() == 0 || strings.Contains(log, "allocated") {
			t.Errorf("%s: 512 MB of 128: exit code %d, log %q", name, status.GetExitCode(), log)
		}
		t.Logf("%s: 512 MB of 128: exit code %d, reason %s", name, status.GetExitCode(), status.GetReason())
		p.remove()
	}
}

// limitMemory makes the pod's cgroup, as the dataplane does, with a limit.
func (h *host) limitMemory(group string, bytes int) {
	h.t.Helper()
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, file := range []string{"memory.max", "memory.limit_in_bytes"} {
		for _, hierarchy := range hierarchies {
			dir := filepath.Join(hierarchy, h.parent, group)
			if err := os.MkdirAll(dir, 0o755); err != nil {
				h.t.Fatal(err)
			}
			_ = os.WriteFile(filepath.Join(hierarchy, h.parent, "cgroup.subtree_control"), []byte("+memory"), 0)
			path := filepath.Join(dir, file)
			if _, err := os.Stat(path); err != nil {
				continue
			}
			if err := os.WriteFile(path, []byte(strconv.Itoa(bytes)), 0); err != nil {
				h.t.Fatal(err)
			}
			return
		}
	}
	h.t.Skip("no hierarchy has the memory controller")
}

func TestLiveManyAtOnce(t *testing.T) {
	h := newHost(t, Overlay)
	for _, handler := range h.handlers() {
		const count = 6
		pods, errs := make([]*pod, count), make([]error, count)
		var group sync.WaitGroup
		begin := time.Now()
		for i := range pods {
			group.Go(func() { pods[i], errs[i] = h.try(fmt.Sprintf("%s-%d", handler, i), handler, "pause") })
		}
		group.Wait()
		if err := errors.Join(errs...); err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d pods at once run in %v", handler, count, time.Since(begin))
		for _, p := range pods {
			p.exec("/guest", "uname")
		}
		t.Logf("%s: memory of one pod: %v", handler, pods[0].memory())
		for _, p := range pods {
			group.Go(p.remove)
		}
		group.Wait()
	}
}

// memory is the proportional set size of each of the pod's processes, in kB.
func (p *pod) memory() map[string]int {
	sizes := map[string]int{}
	for _, pid := range p.processes() {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if fields := strings.Fields(line); len(fields) > 1 && fields[0] == "Pss:" {
				kb, _ := strconv.Atoi(fields[1])
				sizes[fmt.Sprintf("%s/%d", filepath.Base(readProcess(pid).args[0]), pid)] = kb
			}
		}
	}
	return sizes
}

func TestLiveCleanUpAfterKill(t *testing.T) {
	for _, victim := range []string{"containerd", "shims", "sandboxes", "nothing"} {
		t.Run(victim, func(t *testing.T) {
			h, other := newHost(t, Overlay), newHost(t, Native)
			neighbour := other.run("neighbour", "runsc", "pause")
			for _, handler := range h.handlers() {
				p := h.run(handler, handler, "pause")
				switch victim {
				case "shims":
					_ = syscall.Kill(p.shimPid(), syscall.SIGKILL)
				case "sandboxes":
					_ = syscall.Kill(p.sandboxPid(), syscall.SIGKILL)
				}
			}
			if victim == "containerd" {
				h.stop(func() { _ = h.cmd.Process.Kill() })
			}
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			begin := time.Now()
			if err := CleanUp(ctx, h.config.Paths, h.parent); err != nil {
				t.Fatal(err)
			}
			t.Logf("cleaned up in %v", time.Since(begin))
			for _, remains := range h.remains() {
				t.Errorf("after CleanUp there is still %s", remains)
			}
			if name := neighbour.exec("/guest", "uname"); !strings.HasPrefix(name, "Linux") {
				t.Errorf("the neighbour answers %q after a CleanUp that was not its own", name)
			}
		})
	}
}
