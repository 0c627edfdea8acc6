package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	containerdclient "github.com/containerd/containerd/v2/client"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"berth.dev/berth/internal/agent"
	"berth.dev/berth/internal/agent/containerd"
	"berth.dev/berth/internal/process"
)

// helloImage is the image of every pod that is measured.
const (
	helloImage = "docker.io/berth/hello:1.0"
	uidLabel   = "io.kubernetes.pod.uid"
)

// dialCRI connects to a containerd.
func dialCRI(socket string) (cri.RuntimeServiceClient, func(), error) {
	conn, err := grpc.NewClient("unix://"+socket, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, nil, fmt.Errorf("connecting to containerd at %s: %w", socket, err)
	}
	return cri.NewRuntimeServiceClient(conn), func() { conn.Close() }, nil
}

// alone is a containerd of the same programs and configuration as a Berth's,
// asked directly: the floor of a pod. Its pods have no network but a loopback,
// no volumes and no limits.
type alone struct {
	dir, parent string
	paths       containerd.Paths
	handler     string
	process     *process.Process
	runtime     cri.RuntimeServiceClient
	close       func()
}

// plugin is the CNI plugin that connects nothing.
const plugin = `#!/bin/sh
case "$CNI_COMMAND" in
ADD) echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"interface":0,"address":"192.0.2.2/32"}]}' ;;
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}' ;;
esac
`

func (b *bench) startAlone(ctx context.Context) (_ *alone, err error) {
	dir := filepath.Join(b.dir, "alone")
	a := &alone{dir: dir, paths: containerd.PathsIn(dir), parent: "/" + filepath.Base(b.dir) + "-alone", close: func() {}}
	config, err := a.config(b)
	if err != nil {
		return nil, err
	}
	a.handler = config.Default.Handler()
	if err := containerd.Write(config); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(config.Programs.CNIDir, 0o755); err != nil {
		return nil, err
	}
	if err := os.WriteFile(filepath.Join(config.Programs.CNIDir, "berth-cni"), []byte(plugin), 0o755); err != nil {
		return nil, err
	}
	a.process = process.Start(context.WithoutCancel(ctx), process.Spec{
		Name: "containerd", Path: filepath.Join(b.bin, "containerd"), Args: []string{"--config", a.paths.Config()},
		LogFile: filepath.Join(dir, "containerd.log"),
	}, slog.New(slog.DiscardHandler))
	defer func() {
		if err != nil {
			a.end(b)
		}
	}()
	err = agent.WithContainerd(ctx, a.paths.Socket, func(ctx context.Context, c *containerdclient.Client) error {
		for _, name := range []string{"pause.tar", "hello.tar"} {
			if err := load(ctx, c, filepath.Join(b.bin, "images", name)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	a.runtime, a.close, err = dialCRI(a.paths.Socket)
	return a, err
}

func load(ctx context.Context, c *containerdclient.Client, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = agent.Load(ctx, c, f)
	return err
}

func (a *alone) config(b *bench) (containerd.Config, error) {
	host, err := containerd.InspectHost()
	if err != nil {
		return containerd.Config{}, err
	}
	if err := os.MkdirAll(a.paths.Root, 0o711); err != nil {
		return containerd.Config{}, err
	}
	snapshotter, err := containerd.ChooseSnapshotter(a.paths.Root)
	if err != nil {
		return containerd.Config{}, err
	}
	images, err := agent.BuiltImages(b.bin)
	if err != nil {
		return containerd.Config{}, err
	}
	pause := ""
	for _, i := range images {
		if i.Name == "eks/pause" {
			pause = i.Reference
		}
	}
	runc, err := exec.LookPath("runc")
	if err != nil && b.runtime == string(containerd.Runc) {
		return containerd.Config{}, err
	}
	return containerd.Config{
		Paths: a.paths, Default: containerd.Runtime(b.runtime), Snapshotter: snapshotter, PauseImage: pause, Host: host,
		Programs: containerd.Programs{
			RunscShim: filepath.Join(b.bin, "containerd-shim-runsc-v1"), RuncShim: filepath.Join(b.bin, "containerd-shim-runc-v2"),
			Runsc: filepath.Join(b.bin, "runsc"), Runc: runc, CNIDir: filepath.Join(a.dir, "cni"),
		},
		CNISocket: filepath.Join(a.dir, "cni.sock"),
	}, nil
}

// run starts a pod with one container, and says how long the steps took.
func (a *alone) run(ctx context.Context, name string) (id string, took [3]time.Duration, err error) {
	config := &cri.PodSandboxConfig{
		Metadata: &cri.PodSandboxMetadata{Name: name, Uid: name, Namespace: namespace}, Hostname: name,
		LogDirectory: filepath.Join(a.dir, "logs", name), DnsConfig: &cri.DNSConfig{},
		Linux: &cri.LinuxPodSandboxConfig{CgroupParent: a.parent + "/" + name},
	}
	begin := time.Now()
	sandbox, err := a.runtime.RunPodSandbox(ctx, &cri.RunPodSandboxRequest{Config: config, RuntimeHandler: a.handler})
	if err != nil {
		return "", took, fmt.Errorf("running sandbox %s: %w", name, err)
	}
	took[0] = time.Since(begin)
	begin = time.Now()
	id = sandbox.GetPodSandboxId()
	created, err := a.runtime.CreateContainer(ctx, &cri.CreateContainerRequest{
		PodSandboxId: id, SandboxConfig: config,
		Config: &cri.ContainerConfig{
			Metadata: &cri.ContainerMetadata{Name: "hello"}, Image: &cri.ImageSpec{Image: helloImage}, LogPath: "hello.log",
			Linux: &cri.LinuxContainerConfig{Resources: &cri.LinuxContainerResources{CpuShares: 256}},
		},
	})
	if err != nil {
		return id, took, fmt.Errorf("creating the container of %s: %w", name, err)
	}
	took[1] = time.Since(begin)
	begin = time.Now()
	if _, err := a.runtime.StartContainer(ctx, &cri.StartContainerRequest{ContainerId: created.GetContainerId()}); err != nil {
		return id, took, fmt.Errorf("starting the container of %s: %w", name, err)
	}
	took[2] = time.Since(begin)
	return id, took, nil
}

func (a *alone) remove(ctx context.Context, id string) error {
	if _, err := a.runtime.StopPodSandbox(ctx, &cri.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("stopping sandbox %s: %w", id, err)
	}
	if _, err := a.runtime.RemovePodSandbox(ctx, &cri.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
		return fmt.Errorf("removing sandbox %s: %w", id, err)
	}
	return nil
}

// end removes everything, also what runs.
func (a *alone) end(b *bench) {
	a.close()
	a.process.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), endTimeout)
	defer cancel()
	if err := containerd.CleanUp(ctx, a.paths, a.parent); err != nil {
		fmt.Fprintf(b.log, "bench: removing the pods of the floor: %v\n", err)
	}
}

// started is when containerd was asked for a sandbox, had it running, began to
// create its container and had it started.
type started struct{ asked, sandbox, created, started time.Time }

// startedOf asks a containerd, and its log, about the pod of a UID.
func startedOf(ctx context.Context, runtime cri.RuntimeServiceClient, log, uid string) (started, error) {
	containers, err := runtime.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{LabelSelector: map[string]string{uidLabel: uid}}})
	if err != nil {
		return started{}, err
	}
	if len(containers.GetContainers()) == 0 {
		return started{}, fmt.Errorf("containerd knows no container of pod %s", uid)
	}
	container, err := runtime.ContainerStatus(ctx, &cri.ContainerStatusRequest{ContainerId: containers.GetContainers()[0].GetId()})
	if err != nil {
		return started{}, err
	}
	out := started{created: time.Unix(0, container.GetStatus().GetCreatedAt()), started: time.Unix(0, container.GetStatus().GetStartedAt())}
	text, err := os.ReadFile(log)
	if err != nil {
		return out, err
	}
	for line := range strings.Lines(string(text)) {
		if !strings.Contains(line, `msg="RunPodSandbox for`) || !strings.Contains(line, uid) {
			continue
		}
		at, err := logTime(line)
		if err != nil {
			return out, err
		}
		if strings.Contains(line, "returns sandbox id") {
			out.sandbox = at
		} else {
			out.asked = at
		}
	}
	if out.asked.IsZero() || out.sandbox.IsZero() {
		return out, fmt.Errorf("the log of containerd tells nothing of the sandbox of pod %s", uid)
	}
	return out, nil
}

// logTime is the time of a line of containerd's log.
func logTime(line string) (time.Time, error) {
	text, _, _ := strings.Cut(strings.TrimPrefix(line, `time="`), `"`)
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return at, fmt.Errorf("reading the log of containerd: %w", err)
	}
	return at, nil
}
