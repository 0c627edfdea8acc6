package containerd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// pod is a sandbox with one container.
type pod struct {
	*host
	name, handler  string
	sandbox        string
	container      string
	config         *cri.PodSandboxConfig
	sandboxTook    time.Duration
	startTook      time.Duration
	containerNames int
}

// run starts a pod whose container runs the guest with args.
func (h *host) run(name, handler string, args ...string) *pod {
	h.t.Helper()
	p, err := h.try(name, handler, args...)
	if err != nil {
		h.t.Fatal(err)
	}
	return p
}

// try is run for goroutines other than the test's own.
func (h *host) try(name, handler string, args ...string) (*pod, error) {
	p := &pod{host: h, name: name, handler: handler}
	p.config = &cri.PodSandboxConfig{
		Metadata:     &cri.PodSandboxMetadata{Name: name, Uid: name, Namespace: "default"},
		Hostname:     name,
		LogDirectory: filepath.Join(h.logs, name),
		DnsConfig:    &cri.DNSConfig{},
		Linux:        &cri.LinuxPodSandboxConfig{CgroupParent: h.parent + "/pod-" + name},
	}
	begin := time.Now()
	sandbox, err := h.service.RunPodSandbox(context.Background(), &cri.RunPodSandboxRequest{Config: p.config, RuntimeHandler: handler})
	if err != nil {
		return nil, fmt.Errorf("running sandbox %s: %w", name, err)
	}
	p.sandbox, p.sandboxTook = sandbox.GetPodSandboxId(), time.Since(begin)
	return p, p.tryContainer(args...)
}

// addContainer creates and starts another container, the pod's current one.
func (p *pod) addContainer(args ...string) {
	p.t.Helper()
	if err := p.tryContainer(args...); err != nil {
		p.t.Fatal(err)
	}
}

func (p *pod) tryContainer(args ...string) error {
	p.containerNames++
	name := fmt.Sprintf("guest%d", p.containerNames)
	created, err := p.service.CreateContainer(context.Background(), &cri.CreateContainerRequest{
		PodSandboxId: p.sandbox, SandboxConfig: p.config,
		Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: name}, Image: &cri.ImageSpec{Image: guestImage},
			Command: []string{"/guest"}, Args: args, LogPath: name + ".log",
			Linux: &cri.LinuxContainerConfig{Resources: &cri.LinuxContainerResources{CpuShares: 256}},
		},
	})
	if err != nil {
		return fmt.Errorf("creating container %s of %s: %w", name, p.name, err)
	}
	p.container = created.GetContainerId()
	begin := time.Now()
	if _, err := p.service.StartContainer(context.Background(), &cri.StartContainerRequest{ContainerId: p.container}); err != nil {
		return fmt.Errorf("starting container %s of %s: %w", name, p.name, err)
	}
	p.startTook = time.Since(begin)
	return nil
}

// exec runs a command in the container and returns what it printed.
func (p *pod) exec(command ...string) string {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := p.service.ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: p.container, Cmd: command, Timeout: 30})
	if err != nil {
		p.t.Errorf("executing %v in %s: %v", command, p.name, err)
		return ""
	}
	if result.GetExitCode() != 0 {
		p.t.Errorf("executing %v in %s: exit code %d: %s", command, p.name, result.GetExitCode(), result.GetStderr())
	}
	return string(result.GetStdout())
}

func (p *pod) status() *cri.ContainerStatus {
	p.t.Helper()
	status, err := p.service.ContainerStatus(context.Background(), &cri.ContainerStatusRequest{ContainerId: p.container})
	if err != nil {
		p.t.Errorf("reading the status of %s: %v", p.name, err)
		return nil
	}
	return status.GetStatus()
}

func (p *pod) log() string {
	data, _ := os.ReadFile(filepath.Join(p.config.GetLogDirectory(), fmt.Sprintf("guest%d.log", p.containerNames)))
	return string(data)
}

// remove stops the pod as the kubelet does and removes it.
func (p *pod) remove() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := p.service.StopContainer(ctx, &cri.StopContainerRequest{ContainerId: p.container, Timeout: 10}); err != nil {
		p.t.Errorf("stopping the container of %s: %v", p.name, err)
	}
	if _, err := p.service.RemoveContainer(ctx, &cri.RemoveContainerRequest{ContainerId: p.container}); err != nil {
		p.t.Errorf("removing the container of %s: %v", p.name, err)
	}
	if _, err := p.service.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: p.sandbox}); err != nil {
		p.t.Errorf("stopping sandbox %s: %v", p.name, err)
	}
	if _, err := p.service.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: p.sandbox}); err != nil {
		p.t.Errorf("removing sandbox %s: %v", p.name, err)
	}
	p.eventually("no process of "+p.name+" is left", func(context.Context) bool { return len(p.processes()) == 0 })
}
