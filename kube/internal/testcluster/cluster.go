// Package testcluster starts a control plane and a dataplane out of a built
// berth-kube, with a certificate authority of its own, for the integration
// tests of this module. Nothing but tests may import it.
package testcluster

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"berth.dev/berth/dataplane"
)

// Cluster is a running cluster.
type Cluster struct {
	Dir       string
	PKI       *PKI
	APIServer string
	Client    *kubernetes.Clientset
	Dataplane *dataplane.Client
	binary    string
	processes []*process
}

// Binaries are the programs that a cluster needs.
type Binaries struct{ Etcd, Kube string }

// Start starts etcd, the API server and the controllers under dir, and waits
// until the API answers. Everything dies with this process.
func Start(ctx context.Context, dir string, binaries Binaries) (*Cluster, error) {
	pki, err := newPKI()
	if err != nil {
		return nil, err
	}
	c := &Cluster{Dir: dir, PKI: pki, binary: binaries.Kube}
	if err := c.writePKI(); err != nil {
		return nil, err
	}
	ports, err := freePorts(5)
	if err != nil {
		return nil, err
	}
	etcd := "http://127.0.0.1:" + ports[0]
	if err := c.spawn("etcd", binaries.Etcd, "--data-dir", c.path("etcd"), "--unsafe-no-fsync",
		"--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", "http://127.0.0.1:"+ports[1], "--log-level", "error"); err != nil {
		return nil, err
	}
	c.APIServer = "https://127.0.0.1:" + ports[2]
	if err := c.spawn("apiserver", c.binary, append([]string{"apiserver"}, c.apiserverFlags(etcd, ports[2])...)...); err != nil {
		return nil, err
	}
	if err := c.connect(ctx); err != nil {
		return nil, errors.Join(err, c.Stop())
	}
	if err := c.spawn("controllers", c.binary, append([]string{"controllers"}, c.controllerFlags(ports[3], ports[4])...)...); err != nil {
		return nil, err
	}
	return c, nil
}

func (c *Cluster) path(name string) string { return filepath.Join(c.Dir, name) }

func (c *Cluster) apiserverFlags(etcd, port string) []string {
	return []string{
		"--etcd-servers=" + etcd, "--etcd-prefix=/clusters/test",
		"--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--secure-port=" + port,
		"--tls-cert-file=" + c.path("apiserver.crt"), "--tls-private-key-file=" + c.path("apiserver.key"),
		"--client-ca-file=" + c.path("ca.crt"),
		"--kubelet-certificate-authority=" + c.path("ca.crt"),
		"--kubelet-client-certificate=" + c.path("kubelet-client.crt"),
		"--kubelet-client-key=" + c.path("kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--service-account-key-file=" + c.path("sa.key"), "--service-account-signing-key-file=" + c.path("sa.key"),
		"--service-account-issuer=https://test", "--service-cluster-ip-range=172.20.0.0/16",
		"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
		"--anonymous-auth=false", "--endpoint-reconciler-type=none", "--profiling=false",
	}
}

func (c *Cluster) controllerFlags(managerPort, schedulerPort string) []string {
	return []string{
		"--kubeconfig=" + c.path("kcm.kubeconfig"), "--bind-address=127.0.0.1", "--secure-port=" + managerPort,
		"--service-account-private-key-file=" + c.path("sa.key"), "--root-ca-file=" + c.path("ca.crt"),
		"--use-service-account-credentials", "--leader-elect=false", "--allocate-node-cidrs=false",
		"--authentication-kubeconfig=", "--authorization-kubeconfig=",
		"--",
		"--kubeconfig=" + c.path("scheduler.kubeconfig"), "--bind-address=127.0.0.1", "--secure-port=" + schedulerPort,
		"--leader-elect=false", "--authentication-kubeconfig=", "--authorization-kubeconfig=",
	}
}

func (c *Cluster) writePKI() error {
	users := map[string]struct {
		user   string
		groups []string
		hosts  []string
	}{
		"apiserver":      {user: "apiserver", hosts: []string{"127.0.0.1", "kubernetes", "172.20.0.1"}},
		"kubelet-client": {user: "kube-apiserver", groups: []string{"system:masters"}},
		"admin":          {user: "admin", groups: []string{"system:masters"}},
		"kcm":            {user: "system:kube-controller-manager"},
		"scheduler":      {user: "system:kube-scheduler"},
		"sa":             {user: "sa"},
	}
	if err := os.WriteFile(c.path("ca.crt"), c.PKI.CA, 0o600); err != nil {
		return err
	}
	for name, user := range users {
		pair, err := c.PKI.Issue(user.user, user.groups, user.hosts)
		if err != nil {
			return err
		}
		err = errors.Join(os.WriteFile(c.path(name+".crt"), pair.Cert, 0o600), os.WriteFile(c.path(name+".key"), pair.Key, 0o600))
		if err != nil {
			return err
		}
	}
	return nil
}

// Kubeconfig writes a kubeconfig for one of the users and returns its path.
func (c *Cluster) Kubeconfig(name string) (string, error) {
	read := func(file string) string {
		data, err := os.ReadFile(c.path(file))
		if err != nil {
			return ""
		}
		return base64.StdEncoding.EncodeToString(data)
	}
	named := func(kind string, value map[string]any) []any {
		return []any{map[string]any{"name": "test", kind: value}}
	}
	config := map[string]any{
		"apiVersion": "v1", "kind": "Config", "current-context": "test",
		"clusters": named("cluster", map[string]any{"server": c.APIServer, "certificate-authority-data": read("ca.crt")}),
		"users":    named("user", map[string]any{"client-certificate-data": read(name + ".crt"), "client-key-data": read(name + ".key")}),
		"contexts": named("context", map[string]any{"cluster": "test", "user": "test"}),
	}
	data, err := json.Marshal(config)
	if err != nil {
		return "", err
	}
	path := c.path(name + ".kubeconfig")
	return path, os.WriteFile(path, data, 0o600)
}

func (c *Cluster) connect(ctx context.Context) error {
	for _, user := range []string{"admin", "kcm", "scheduler"} {
		if _, err := c.Kubeconfig(user); err != nil {
			return err
		}
	}
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: c.APIServer, QPS: -1,
		TLSClientConfig: rest.TLSClientConfig{
			CAFile: c.path("ca.crt"), CertFile: c.path("admin.crt"), KeyFile: c.path("admin.key"),
		},
	})
	if err != nil {
		return err
	}
	c.Client = client
	return Until(ctx, func() (bool, error) {
		return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() == nil, nil
	})
}

// StartDataplane starts a dataplane; what is empty in config is filled in.
func (c *Cluster) StartDataplane(ctx context.Context, config dataplane.Config) error {
	config.Cluster, config.APIServer, config.CAData = "test", c.APIServer, c.PKI.CA
	config.Socket, config.StateDir, config.PodLogsDir = c.path("dataplane.sock"), c.path("nodes"), c.path("logs")
	config.ClusterDNS, config.ClusterDomain = []string{"172.20.0.10"}, "cluster.local"
	config.ResolverConfig = "/etc/resolv.conf"
	if config.CgroupParent == "" {
		config.CgroupParent = "/berth-test"
	}
	data, err := json.Marshal(config)
	if err != nil {
		return err
	}
	if err := os.WriteFile(c.path("dataplane.json"), data, 0o600); err != nil {
		return err
	}
	if err := c.spawn("dataplane", c.binary, "dataplane", "--config", c.path("dataplane.json")); err != nil {
		return err
	}
	c.Dataplane = dataplane.NewClient(config.Socket)
	return Until(ctx, func() (bool, error) { return c.Dataplane.Healthz(ctx) == nil, nil })
}

// Node describes a Fargate-like node with fresh certificates.
func (c *Cluster) Node(ip string) (dataplane.Node, error) {
	host := "ip-" + ip + ".eu-west-1.compute.internal"
	name := "fargate-" + host
	client, err := c.PKI.Issue("system:node:"+name, []string{"system:nodes"}, nil)
	if err != nil {
		return dataplane.Node{}, err
	}
	serving, err := c.PKI.Issue(name, nil, []string{ip, "127.0.0.1"})
	if err != nil {
		return dataplane.Node{}, err
	}
	size := dataplane.Size{MilliCPU: 250, MemoryBytes: 512 << 20, EphemeralBytes: 20 << 30}
	return dataplane.Node{
		Name: name, Hostname: host, IP: ip, MaxPods: 1, Size: size,
		ProviderID: "aws:///eu-west-1a/7b1974769e-0d7cb3f0582c4079908372a2c1d80b16/" + name,
		Capacity:   dataplane.Size{MilliCPU: 2000, MemoryBytes: 4 << 30, EphemeralBytes: 30 << 30},
		Labels:     map[string]string{"eks.amazonaws.com/compute-type": "fargate", "topology.kubernetes.io/zone": "eu-west-1a"},
		Taints:     []dataplane.Taint{{Key: "eks.amazonaws.com/compute-type", Value: "fargate", Effect: "NoSchedule"}},
		ClientCert: client.Cert, ClientKey: client.Key, ServingCert: serving.Cert, ServingKey: serving.Key,
	}, nil
}

// spawn starts a process with its output in <name>.log and a lifeline to us.
func (c *Cluster) spawn(name, program string, args ...string) error {
	log, err := os.Create(c.path(name + ".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	read, write, err := os.Pipe()
	if err != nil {
		return err
	}
	defer read.Close()
	command := exec.Command(program, args...)
	command.Stdout, command.Stderr = log, log
	command.ExtraFiles = []*os.File{read}
	command.Env = append(os.Environ(), "BERTH_LIFELINE_FD=3")
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	p := &process{command: command, lifeline: write, ended: make(chan struct{})}
	if err := p.start(); err != nil {
		return errors.Join(err, write.Close())
	}
	c.processes = append(c.processes, p)
	return nil
}

// process is a child; its lifeline stays open for as long as we live.
type process struct {
	command  *exec.Cmd
	lifeline *os.File
	ended    chan struct{}
}

// start starts the child from a thread that lives as long as the child does: it
// is the thread's death, not the process's, that Pdeathsig is about.
func (p *process) start() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		err := p.command.Start()
		started <- err
		if err == nil {
			_ = p.command.Wait() // how a stopped process ended does not matter
			close(p.ended)
		}
	}()
	return <-started
}

func (p *process) stop() error {
	defer p.lifeline.Close()
	if err := p.command.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	timer := time.AfterFunc(20*time.Second, func() { p.command.Process.Kill() })
	defer timer.Stop()
	<-p.ended
	return nil
}

// PID is the process that was started as the nth: 0 etcd, 1 apiserver,
// 2 controllers, 3 dataplane.
func (c *Cluster) PID(n int) int { return c.processes[n].command.Process.Pid }

// Stop stops every process, the last one first.
func (c *Cluster) Stop() error {
	var errs []error
	for i := len(c.processes) - 1; i >= 0; i-- {
		errs = append(errs, c.processes[i].stop())
	}
	c.processes = nil
	return errors.Join(errs...)
}

// Until calls condition until it holds, fails, or ctx ends.
func Until(ctx context.Context, condition func() (bool, error)) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		done, err := condition()
		if err != nil || done {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting: %w", ctx.Err())
		case <-ticker.C:
		}
	}
}

func freePorts(n int) ([]string, error) {
	var ports []string
	var open []io.Closer
	defer func() {
		for _, listener := range open {
			listener.Close()
		}
	}()
	for range n {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		open = append(open, listener)
		_, port, err := net.SplitHostPort(listener.Addr().String())
		if err != nil {
			return nil, err
		}
		ports = append(ports, port)
	}
	return ports, nil
}
