package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/process"
	"berth.dev/berth/internal/relay"
)

// Cluster is what the agent needs to know of a cluster to run its nodes.
type Cluster struct {
	Name, ID, VPC string
	// APIServer is the URL of the API server as the dataplane reaches it, CA the
	// PEM that verifies it.
	APIServer string
	CA        []byte
	// DNS is the address of the cluster's DNS service, Resolver that of the VPC's
	// own resolver; Region completes short names.
	DNS, Resolver netip.Addr
	SearchDomain  string
	// VPCCIDRs are the VPC's blocks; ProxyCert and ProxyKey identify kube-proxy.
	VPCCIDRs            []string
	NodeIP              string
	ProxyCert, ProxyKey []byte
}

// plane is the dataplane of a cluster on this host.
type plane struct {
	cluster Cluster
	client  *dataplane.Client
	child   *process.Process
	log     *slog.Logger
	cancel  context.CancelFunc
	tasks   sync.WaitGroup
	exited  chan struct{}
	flat    kubeletDirectory

	mu    sync.Mutex
	nodes map[string]*node
}

// Serve makes sure that a dataplane runs for a cluster; the VPC must be set up.
func (a *Agent) Serve(ctx context.Context, c Cluster) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if _, ok := a.planes[c.ID]; ok {
		return nil
	}
	dir := a.planeDir(c.ID)
	config, err := a.planeConfig(c, dir)
	if err != nil {
		return fmt.Errorf("preparing the dataplane of cluster %s: %w", c.Name, err)
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	p := &plane{
		cluster: c, client: dataplane.NewClient(config.Socket), log: a.Log.With("cluster", c.Name),
		cancel: cancel, exited: make(chan struct{}, 1), nodes: map[string]*node{},
	}
	p.flat, _ = a.VPCs.(kubeletDirectory)
	if err := a.streams(run, p); err != nil {
		cancel()
		return err
	}
	p.child = process.Start(run, process.Spec{
		Name: c.Name + "/dataplane", Path: filepath.Join(a.Bin, "berth-kube"),
		Args: a.planeArgs(dir), LogFile: filepath.Join(dir, "dataplane.log"),
		Start: func(cmd *exec.Cmd) error { return a.VPCs.Start(c.VPC, cmd) },
		Exited: func(error) {
			select {
			case p.exited <- struct{}{}:
			default:
			}
		},
	}, a.Log)
	p.tasks.Go(func() { p.restore(run) })
	a.planes[c.ID] = p
	return nil
}

// Withdraw ends the dataplane of a cluster and removes its folder; its nodes
// must be gone.
func (a *Agent) Withdraw(clusterID string) error {
	a.mu.Lock()
	p := a.planes[clusterID]
	delete(a.planes, clusterID)
	a.mu.Unlock()
	if p != nil {
		p.stop()
	}
	return os.RemoveAll(a.planeDir(clusterID))
}

// PID is the process of a cluster's dataplane, 0 when it does not run.
func (a *Agent) PID(clusterID string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if p, ok := a.planes[clusterID]; ok {
		return p.child.Status().PID
	}
	return 0
}

// planeDir is the folder of a cluster's dataplane. The beginning of its id tells
// it from the others and keeps the paths of sockets short.
func (a *Agent) planeDir(clusterID string) string {
	return filepath.Join(a.Dir, "clusters", clusterID[:min(len(clusterID), folderName)])
}

// folderName is how many characters of a cluster's id name its folder.
const folderName = 10

// planeArgs are the arguments of a dataplane: it says what its kubelets do when
// debugging is asked for.
func (a *Agent) planeArgs(dir string) []string {
	args := []string{"dataplane", "--config", filepath.Join(dir, "config.json")}
	if a.Log.Enabled(context.Background(), slog.LevelDebug) {
		args = append(args, "--verbose")
	}
	return args
}

// planeConfig writes what the dataplane reads.
func (a *Agent) planeConfig(c Cluster, dir string) (dataplane.Config, error) {
	config := dataplane.Config{
		Cluster: c.Name, Socket: filepath.Join(dir, "dataplane.sock"),
		StateDir: filepath.Join(dir, "nodes"), PodLogsDir: filepath.Join(dir, "logs"),
		Runtime: a.Runtime, CgroupParent: a.CgroupParent + "/" + c.Name,
		APIServer: c.APIServer, CAData: c.CA,
		ClusterDNS: []string{c.DNS.String()}, ClusterDomain: "cluster.local",
		ResolverConfig: filepath.Join(dir, "resolv.conf"), HostNetwork: a.Flat,
	}
	if a.Runtime != dataplane.Hollow {
		config.RuntimeEndpoint = "unix://" + a.paths.Socket
	}
	if !a.Flat {
		config.Proxy = &dataplane.Proxy{ClusterCIDRs: c.VPCCIDRs, NodeIP: c.NodeIP, CertData: c.ProxyCert, KeyData: c.ProxyKey}
	}
	for _, d := range []string{dir, config.StateDir, config.PodLogsDir} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return config, err
		}
	}
	resolv := fmt.Sprintf("nameserver %s\nsearch %s\n", c.Resolver, c.SearchDomain)
	if err := os.WriteFile(config.ResolverConfig, []byte(resolv), 0o644); err != nil {
		return config, err
	}
	b, err := json.MarshalIndent(config, "", "  ")
	if err != nil {
		return config, err
	}
	return config, os.WriteFile(filepath.Join(dir, "config.json"), b, 0o600)
}

// streams makes containerd's streaming server, which listens on the host's
// loopback address, answer on the VPC's: the kubelets connect to it there.
func (a *Agent) streams(ctx context.Context, p *plane) error {
	if a.Runtime == dataplane.Hollow || a.Flat {
		return nil
	}
	address := net.JoinHostPort("127.0.0.1", strconv.Itoa(a.streamPort))
	l, err := a.VPCs.Listen(ctx, p.cluster.VPC, "tcp4", address)
	if err != nil {
		return fmt.Errorf("opening the way of streams into %s: %w", p.cluster.VPC, err)
	}
	r := &relay.Relay{Log: p.log, Dial: func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp4", address)
	}}
	p.tasks.Go(func() {
		if err := r.Serve(ctx, l); err != nil {
			p.log.Error("streams of containers no longer reach the VPC", "error", err)
		}
	})
	return nil
}

// restore puts every node again when the dataplane has been restarted.
func (p *plane) restore(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.exited:
		}
		for ctx.Err() == nil {
			if err := p.putAll(ctx); err == nil {
				break
			} else if ctx.Err() == nil {
				p.log.Info("the dataplane does not take its nodes back yet", "error", err)
			}
			timer := time.NewTimer(500 * time.Millisecond)
			select {
			case <-ctx.Done():
				timer.Stop()
			case <-timer.C:
			}
		}
	}
}

func (p *plane) stop() {
	p.cancel()
	p.child.Stop()
	p.tasks.Wait()
	p.client.Close()
}

// ErrNoPlane says that the host runs no dataplane for a cluster.
var ErrNoPlane = errors.New("the host runs no dataplane for the cluster")
