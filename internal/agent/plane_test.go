package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/agent/cni"
	"berth.dev/berth/internal/vpcnet/linux"
)

// diary is what was done, in order.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, fmt.Sprintf(format, args...))
}

func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.entries
	d.entries = nil
	return out
}

// vpcs is a fake of the host's network.
type vpcs struct {
	*diary
	declared, detached error
}

func (v *vpcs) Sync(context.Context, string) error        { return nil }
func (v *vpcs) Carried(context.Context) ([]string, error) { return nil, nil }
func (v *vpcs) Start(_ string, cmd *exec.Cmd) error       { return cmd.Start() }
func (v *vpcs) Stop()                                     {}
func (v *vpcs) Declared(_ context.Context, vpc, i string) error {
	v.add("declared %s %s", vpc, i)
	return v.declared
}

func (v *vpcs) Attach(_ context.Context, vpc, i, namespace, link string) (linux.Attachment, error) {
	v.add("attach %s %s to %s as %s", vpc, i, namespace, link)
	return linux.Attachment{
		PodLink: link, MAC: net.HardwareAddr{2, 0, 0, 0, 0, 1}, Address: netip.MustParsePrefix("10.0.1.5/32"),
		Gateway: netip.MustParseAddr("169.254.1.1"),
	}, nil
}

func (v *vpcs) Detach(_ context.Context, vpc, i string) error {
	v.add("detach %s %s", vpc, i)
	return v.detached
}

func (v *vpcs) Dial(context.Context, string, string, string) (net.Conn, error) {
	return nil, errors.New("nothing is dialled")
}

func (v *vpcs) Listen(context.Context, string, string, string) (net.Listener, error) {
	return nil, errors.New("nothing is listened on")
}

// kubelets is a fake of a dataplane, on a Unix socket.
type kubelets struct {
	*diary
	mu sync.Mutex
	// refusals is how many of the next calls are answered with 503.
	refusals int
	nodes    map[string]dataplane.Node
	// listen is where every kubelet says that it listens.
	listen string
}

func (k *kubelets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	name := filepath.Base(r.URL.Path)
	k.add("%s %s %s", r.Method, name, r.URL.RawQuery)
	if k.refusals > 0 {
		k.refusals--
		http.Error(w, "not up yet", http.StatusServiceUnavailable)
		return
	}
	switch r.Method {
	case http.MethodPut:
		var n dataplane.Node
		if err := json.NewDecoder(r.Body).Decode(&n); err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		k.nodes[name] = n
		_ = json.NewEncoder(w).Encode(dataplane.NodeStatus{Name: name, Phase: dataplane.Starting, KubeletAddress: k.listen})
	case http.MethodDelete:
		delete(k.nodes, name)
	}
}

func (k *kubelets) refuse(n int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.refusals = n
}

// crash is what the end of the process does to what it knows.
func (k *kubelets) crash() {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.nodes)
}

func (k *kubelets) runs() []string {
	k.mu.Lock()
	defer k.mu.Unlock()
	var names []string
	for name := range k.nodes {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// host is an agent with one cluster, whose dataplane and network are fakes.
type host struct {
	*Agent
	*diary
	vpcs     *vpcs
	kubelets *kubelets
	plane    *plane
}

const clusterID = "0A1B"

func newHost(t *testing.T) *host {
	t.Helper()
	d := &diary{}
	h := &host{diary: d, vpcs: &vpcs{diary: d}, kubelets: &kubelets{diary: d, nodes: map[string]dataplane.Node{}}}
	socket := filepath.Join(t.TempDir(), "d.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: h.kubelets}
	served := make(chan struct{})
	go func() { defer close(served); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-served })
	h.Agent = New(Config{Dir: t.TempDir(), VPCs: h.vpcs, CgroupParent: "/berth-1f3a", Log: slog.New(slog.DiscardHandler)})
	h.plane = &plane{
		cluster: Cluster{Name: "demo", ID: clusterID, VPC: "vpc-1"}, client: dataplane.NewClient(socket), log: h.Log,
		exited: make(chan struct{}, 1), nodes: map[string]*node{},
	}
	h.planes[clusterID] = h.plane
	return h
}

func launch(name string) Launch {
	return Launch{ClusterID: clusterID, Node: dataplane.Node{Name: name, IP: "10.0.1.5"}, PodUID: "uid-" + name, Interface: "eni-" + name}
}

func (h *host) did(t *testing.T, what string, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, h.diary.take()); diff != "" {
		t.Errorf("%s: what was done (-want +got):\n%s", what, diff)
	}
}

func TestNodeLife(t *testing.T) {
	h := newHost(t)
	if _, err := h.Launch(t.Context(), launch("a")); err != nil {
		t.Fatal(err)
	}
	h.did(t, "a launch", "declared vpc-1 eni-a", "PUT a ")
	again := launch("a")
	again.Node.ClientCert = []byte("issued anew")
	if _, err := h.Launch(t.Context(), again); err != nil {
		t.Fatal(err)
	}
	if got := h.kubelets.nodes["a"]; got.ClientCert != nil {
		t.Errorf("a second launch put another description, which a dataplane refuses: %+v", got)
	}
	h.diary.take()
	if err := h.Terminate(t.Context(), launch("a")); err != nil {
		t.Fatal(err)
	}
	h.did(t, "the end of a node", "DELETE a force=true", "detach vpc-1 eni-a")
	if _, ok := h.pod("uid-a"); ok || h.Launched(clusterID, "a") {
		t.Error("the agent remembers what it ended")
	}
}

func TestTerminateForgetsNothing(t *testing.T) {
	busy := errors.New("the link is busy")
	for _, tt := range []struct {
		name       string
		spoil      func(h *host)
		want       error
		remembered bool
	}{
		{"the dataplane is away", func(h *host) { h.kubelets.refuse(1) }, nil, true},
		{"the link stays", func(h *host) { h.vpcs.detached = busy }, busy, true},
		{"the link went with its namespace", func(h *host) { h.vpcs.detached = fs.ErrNotExist }, nil, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			if _, err := h.Launch(t.Context(), launch("a")); err != nil {
				t.Fatal(err)
			}
			tt.spoil(h)
			err := h.Terminate(t.Context(), launch("a"))
			if (err != nil) != tt.remembered || tt.want != nil && !errors.Is(err, tt.want) {
				t.Errorf("Terminate = %v, want an error: %v", err, tt.remembered)
			}
			if _, ok := h.pod("uid-a"); ok != tt.remembered {
				t.Errorf("the pod's interface is remembered: %v, want %v", ok, tt.remembered)
			}
		})
	}
}

// TestTerminateWhatRanBefore ends a node of which the agent has not heard since
// its start: what the dataplane does not know it does not remove.
func TestTerminateWhatRanBefore(t *testing.T) {
	h := newHost(t)
	if err := h.Terminate(t.Context(), launch("a")); err != nil {
		t.Fatal(err)
	}
	h.did(t, "the end of a node from before", "PUT a ", "DELETE a force=true", "detach vpc-1 eni-a")
}

func TestNoPlane(t *testing.T) {
	h := newHost(t)
	l := launch("a")
	l.ClusterID = "other"
	if _, err := h.Launch(t.Context(), l); !errors.Is(err, ErrNoPlane) {
		t.Errorf("Launch = %v, want %v", err, ErrNoPlane)
	}
	if err := h.Terminate(t.Context(), l); !errors.Is(err, ErrNoPlane) {
		t.Errorf("Terminate = %v, want %v: the node may run", err, ErrNoPlane)
	}
	if h.Launched("other", "a") {
		t.Error("a node of a cluster without a dataplane is launched")
	}
}

func TestUndeclaredInterface(t *testing.T) {
	h := newHost(t)
	h.vpcs.declared = errors.New("no such interface")
	if _, err := h.Launch(t.Context(), launch("a")); !errors.Is(err, h.vpcs.declared) {
		t.Errorf("Launch = %v, want %v", err, h.vpcs.declared)
	}
	h.did(t, "a launch without an interface", "declared vpc-1 eni-a")
}

// TestRestore crashes the dataplane, which is then away for a moment.
func TestRestore(t *testing.T) {
	h := newHost(t)
	for _, name := range []string{"a", "b", "c"} {
		if _, err := h.Launch(t.Context(), launch(name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := h.Terminate(t.Context(), launch("b")); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); h.plane.restore(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	h.kubelets.crash()
	h.kubelets.refuse(1)
	h.plane.exited <- struct{}{}
	until(t, "the nodes are back", func() bool { return len(h.kubelets.runs()) == 2 })
	if diff := cmp.Diff([]string{"a", "c"}, h.kubelets.runs()); diff != "" {
		t.Errorf("nodes after a crash (-want +got):\n%s", diff)
	}
}

func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

func TestCNI(t *testing.T) {
	h := newHost(t)
	ask := cni.Request{Command: "ADD", Namespace: "/run/ns", Link: "eth0", PodNamespace: "default", PodName: "web", PodUID: "uid-a"}
	if _, err := h.Attach(t.Context(), ask); err == nil || err.Error() != "no network interface is allocated for pod default/web" {
		t.Errorf("attaching a pod that was not launched: %v", err)
	}
	if err := h.Detach(t.Context(), ask); err != nil {
		t.Errorf("detaching a pod that was not launched: %v, want nil: containerd removes sandboxes in any order", err)
	}
	h.did(t, "a pod that was not launched")
	if _, err := h.Launch(t.Context(), launch("a")); err != nil {
		t.Fatal(err)
	}
	h.diary.take()
	got, err := h.Attach(t.Context(), ask)
	if err != nil {
		t.Fatal(err)
	}
	want := cni.Result{
		Interfaces: []cni.Interface{{Name: "eth0", MAC: "02:00:00:00:00:01", Sandbox: "/run/ns"}},
		IPs:        []cni.IP{{Address: "10.0.1.5/32", Gateway: "169.254.1.1"}},
		Routes:     []cni.Route{{Destination: "0.0.0.0/0", Gateway: "169.254.1.1"}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if err := h.Detach(t.Context(), ask); err != nil {
		t.Fatal(err)
	}
	h.did(t, "a pod that was launched", "attach vpc-1 eni-a to /run/ns as eth0", "detach vpc-1 eni-a")
}

func TestPlaneConfig(t *testing.T) {
	c := Cluster{
		Name: "demo", ID: clusterID, VPC: "vpc-1", APIServer: "https://10.0.1.7", CA: []byte("CA"), DNS: netip.MustParseAddr("10.100.0.10"),
		Resolver: netip.MustParseAddr("10.0.0.2"), SearchDomain: "ec2.internal", VPCCIDRs: []string{"10.0.0.0/16"}, NodeIP: "10.0.0.1",
		ProxyCert: []byte("CERT"), ProxyKey: []byte("KEY"),
	}
	for _, tt := range []struct {
		name    string
		runtime dataplane.Runtime
		flat    bool
	}{
		{"gvisor", dataplane.GVisor, false},
		{"hollow", dataplane.Hollow, false},
		{"hollow on a host without namespaces", dataplane.Hollow, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := newHost(t)
			h.Runtime, h.Flat = tt.runtime, tt.flat
			dir := h.planeDir(clusterID)
			got, err := h.planeConfig(c, dir)
			if err != nil {
				t.Fatal(err)
			}
			if (got.RuntimeEndpoint == "") != (tt.runtime == dataplane.Hollow) {
				t.Errorf("runtime endpoint = %q", got.RuntimeEndpoint)
			}
			if got.HostNetwork != tt.flat || (got.Proxy == nil) != tt.flat {
				t.Errorf("host network %v, kube-proxy %v; want the first without namespaces, the second with them", got.HostNetwork, got.Proxy != nil)
			}
			if got.CgroupParent != "/berth-1f3a/demo" {
				t.Errorf("cgroup = %s, want the cluster's below the host's", got.CgroupParent)
			}
			b, err := os.ReadFile(filepath.Join(dir, "config.json"))
			if err != nil {
				t.Fatal(err)
			}
			var read dataplane.Config
			if err := json.Unmarshal(b, &read); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(got, read); diff != "" {
				t.Errorf("what the dataplane reads (-want +got):\n%s", diff)
			}
			resolv, err := os.ReadFile(got.ResolverConfig)
			if err != nil || string(resolv) != "nameserver 10.0.0.2\nsearch ec2.internal\n" {
				t.Errorf("resolv.conf = %q, %v", resolv, err)
			}
		})
	}
}

func TestBuiltImages(t *testing.T) {
	bin := t.TempDir()
	if _, err := BuiltImages(bin); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a build: %v, want that there is none", err)
	}
	if err := os.MkdirAll(filepath.Join(bin, "images"), 0o755); err != nil {
		t.Fatal(err)
	}
	index := `{"images":[{"name":"eks/pause","tag":"1","reference":"r","file":"f","digest":"sha256:0"}]}`
	if err := os.WriteFile(filepath.Join(bin, "images", "index.json"), []byte(index), 0o600); err != nil {
		t.Fatal(err)
	}
	a := New(Config{Bin: bin})
	if got, err := a.builtImage("eks/pause"); err != nil || got.Tag != "1" {
		t.Errorf("pause = %+v, %v", got, err)
	}
	if _, err := a.builtImage("eks/other"); err == nil {
		t.Error("an image that was not built is found")
	}
}
