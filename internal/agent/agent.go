// Package agent is one host: its containerd, the images on it, the VPCs that it
// carries, and for every cluster a dataplane that runs the kubelets of its
// nodes. It starts and ends nodes on demand and decides nothing: which pod gets
// a node, and how large, is the Fargate scheduler's. It keeps no records; after
// a restart its owner launches every node again, and the kubelets adopt the
// containers that run. The composition root imports it.
package agent

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"time"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/agent/cni"
	"berth.dev/berth/internal/agent/containerd"
	"berth.dev/berth/internal/process"
	"berth.dev/berth/internal/vpcnet/linux"
)

// VPCs is the host's network: namespaces, or the host's own.
type VPCs interface {
	// Sync makes the host what the VPC's records declare now.
	Sync(ctx context.Context, vpcID string) error
	// Carried are the VPCs that the host carries.
	Carried(ctx context.Context) ([]string, error)
	// Declared makes sure that an interface of a pod has its place.
	Declared(ctx context.Context, vpcID, interfaceID string) error
	Attach(ctx context.Context, vpcID, interfaceID, namespace, link string) (linux.Attachment, error)
	Detach(ctx context.Context, vpcID, interfaceID string) error
	Start(vpcID string, cmd *exec.Cmd) error
	Dial(ctx context.Context, vpcID, network, address string) (net.Conn, error)
	Listen(ctx context.Context, vpcID, network, address string) (net.Listener, error)
	Stop()
}

// kubeletDirectory is told where a kubelet listens that does not listen on its
// node's address.
type kubeletDirectory interface {
	Serve(address, listener string)
}

// Config makes an Agent.
type Config struct {
	// Dir is the agent's data folder, Bin the folder of the programs.
	Dir, Bin string
	Runtime  dataplane.Runtime
	VPCs     VPCs
	// Flat says that VPCs has no namespaces.
	Flat bool
	// CgroupParent is the cgroup of everything on the host, /berth-1f3a.
	CgroupParent string
	// Registry is the registry under whose name the built images appear.
	Registry string
	Log      *slog.Logger
}

// Agent runs the nodes of one host.
type Agent struct {
	Config
	paths      containerd.Paths
	streamPort int

	mu     sync.Mutex
	planes map[string]*plane
	pods   map[string]pod

	cancel     context.CancelFunc
	tasks      sync.WaitGroup
	containerd *process.Process
}

// pod is where a pod's network interface is.
type pod struct{ vpcID, interfaceID string }

// New makes an agent that runs nothing yet.
func New(c Config) *Agent {
	return &Agent{Config: c, paths: Paths(c.Dir), planes: map[string]*plane{}, pods: map[string]pod{}}
}

// Paths is where the containerd of an agent keeps everything.
func Paths(dir string) containerd.Paths { return containerd.PathsIn(filepath.Join(dir, "containerd")) }

// Start starts containerd and loads the built images; it returns once pods can
// be run.
func (a *Agent) Start(ctx context.Context) error {
	if err := os.MkdirAll(a.Dir, 0o700); err != nil {
		return fmt.Errorf("making the agent's folder: %w", err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	a.cancel = cancel
	if a.Runtime == dataplane.Hollow {
		return nil
	}
	if err := a.serveCNI(run); err != nil {
		return err
	}
	if err := a.startContainerd(run); err != nil {
		return err
	}
	return a.loadBuiltImages(ctx)
}

// Stop ends the dataplanes and containerd. The pods go on running.
func (a *Agent) Stop() {
	if a.cancel == nil {
		return
	}
	a.mu.Lock()
	var wg sync.WaitGroup
	for _, p := range a.planes {
		wg.Go(p.stop)
	}
	a.planes = map[string]*plane{}
	a.mu.Unlock()
	wg.Wait()
	if a.containerd != nil {
		a.containerd.Stop()
	}
	a.cancel()
	a.tasks.Wait()
}

// serveCNI answers the CNI plugin.
func (a *Agent) serveCNI(ctx context.Context) error {
	if err := os.RemoveAll(a.cniSocket()); err != nil {
		return fmt.Errorf("removing the old CNI socket: %w", err)
	}
	l, err := net.Listen("unix", a.cniSocket())
	if err != nil {
		return fmt.Errorf("listening for the CNI plugin: %w", err)
	}
	server := &http.Server{Handler: cni.Handler(a), ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { server.Close() })
	a.tasks.Go(func() { _ = server.Serve(l) })
	return nil
}

func (a *Agent) cniSocket() string { return filepath.Join(a.Dir, "cni.sock") }

// Attach implements cni.Agent.
func (a *Agent) Attach(ctx context.Context, r cni.Request) (cni.Result, error) {
	p, ok := a.pod(r.PodUID)
	if !ok {
		return cni.Result{}, fmt.Errorf("no network interface is allocated for pod %s/%s", r.PodNamespace, r.PodName)
	}
	at, err := a.VPCs.Attach(ctx, p.vpcID, p.interfaceID, r.Namespace, r.Link)
	if err != nil {
		return cni.Result{}, fmt.Errorf("attaching pod %s/%s: %w", r.PodNamespace, r.PodName, err)
	}
	return cni.Result{
		Interfaces: []cni.Interface{{Name: at.PodLink, MAC: at.MAC.String(), Sandbox: r.Namespace}},
		IPs:        []cni.IP{{Interface: 0, Address: at.Address.String(), Gateway: at.Gateway.String()}},
		Routes:     []cni.Route{{Destination: "0.0.0.0/0", Gateway: at.Gateway.String()}},
	}, nil
}

// Detach implements cni.Agent.
func (a *Agent) Detach(ctx context.Context, r cni.Request) error {
	p, ok := a.pod(r.PodUID)
	if !ok {
		return nil
	}
	return a.VPCs.Detach(ctx, p.vpcID, p.interfaceID)
}

func (a *Agent) pod(uid string) (pod, bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	p, ok := a.pods[uid]
	return p, ok
}
