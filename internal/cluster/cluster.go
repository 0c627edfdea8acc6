// Package cluster runs the control planes: for each EKS cluster a kube-apiserver
// and a controller process, their certificates and flags, the sockets through
// which the API server reaches nodes and webhooks, the objects that a new
// cluster holds, and its endpoint. It does not know the EKS API, nodes or pods.
// The composition root imports it.
//
//	Ensure ─► material ─► files ─► sockets ─► children ─► /readyz ─► objects ─► endpoint ─► Ready
//	   (every step is repeated until it is observed; a crash repeats them all)
package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"sync"

	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"berth.dev/berth/internal/store"
)

// Spec is what a control plane is asked to be.
type Spec struct {
	// Name is the cluster's name, ID its key under /clusters/ in etcd.
	Name, ID string
	// Version is the minor version to serve, for example 1.36.
	Version     string
	Region      string
	ServiceCIDR netip.Prefix
	OIDCIssuer  string
	// Interfaces are the addresses of the cluster's network interfaces in its
	// VPC: the API server's addresses for nodes and pods.
	Interfaces []netip.Addr
	// PublicAccess says whether the endpoint answers outside the VPC, and
	// PublicAccessCIDRs to whom.
	PublicAccess      bool
	PublicAccessCIDRs []netip.Prefix
	// AddOns says whether the networking add-ons are installed at creation.
	AddOns bool
	// CoreDNSImage is the image that the CoreDNS deployment names.
	CoreDNSImage string
}

func (s Spec) serviceIP(n int) netip.Addr { return nth(s.ServiceCIDR, n) }

// DNSAddress is the address of the kube-dns service.
func (s Spec) DNSAddress() netip.Addr { return s.serviceIP(10) }

func (s Spec) endpointHost() string { return s.ID + "." + s.Region + ".eks.internal" }

// Etcd is how an API server reaches etcd. CAFile, CertFile and KeyFile are
// empty where it speaks plain HTTP.
type Etcd struct {
	Endpoints                 []string
	CAFile, CertFile, KeyFile string
}

// Hooks connect a control plane with what surrounds it.
type Hooks struct {
	// DialVPC dials inside the cluster's VPC.
	DialVPC func(spec Spec) DialFunc
	// Webhooks serves the control plane's own webhooks, /authenticate and
	// /mutate, for a cluster.
	Webhooks func(name string) http.Handler
	// ServeVPC makes the addresses of the cluster's interfaces answer on 443
	// with what dial opens, until ctx ends.
	ServeVPC func(ctx context.Context, spec Spec, dial func(context.Context) (Conn, error)) error
}

// Config makes a Manager.
type Config struct {
	Store *store.Store
	// Dir holds a folder per cluster; Binary is the path of berth-kube.
	Dir, Binary string
	Etcd        Etcd
	Hooks       Hooks
	// Listen is the address of the clusters' endpoints, a loopback address by default.
	Listen string
	Clock  clock.PassiveClock
	Log    *slog.Logger
}

// Manager runs the control planes of one server.
type Manager struct {
	Config
	materials store.Table[Material]

	mu     sync.Mutex
	planes map[string]*controlPlane
}

// NewManager makes a manager that runs nothing yet.
func NewManager(c Config) *Manager {
	return &Manager{
		Config: c, materials: store.NewTable[Material](c.Store, "clusters/material"),
		planes: map[string]*controlPlane{},
	}
}

// Observation is what is seen of a control plane.
type Observation struct {
	// Ready means that the API server answers through its endpoint and that the
	// controllers have been seen at work.
	Ready bool
	// Endpoint is the URL of the cluster, CA the PEM that verifies it.
	Endpoint string
	CA       []byte
	// Message says what is waited for.
	Message string
}

// Ensure takes the next steps towards a running control plane and says what it
// observes. It is called again until the control plane is ready, and after every
// start of the server.
func (m *Manager) Ensure(ctx context.Context, spec Spec) (Observation, error) {
	c, err := m.plane(ctx, spec)
	if err != nil {
		return Observation{}, err
	}
	return c.observe(ctx)
}

// plane starts what a control plane consists of, once.
func (m *Manager) plane(ctx context.Context, spec Spec) (*controlPlane, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.planes[spec.ID]; ok {
		return c, nil
	}
	material, err := m.material(ctx, spec.ID)
	if err != nil {
		return nil, err
	}
	c := &controlPlane{
		manager: m, spec: spec, material: material, etcd: m.Etcd,
		dir: m.folder(spec.ID), log: m.Log.With("cluster", spec.Name),
	}
	if err := c.start(); err != nil {
		c.stop()
		return nil, fmt.Errorf("starting the control plane of cluster %s: %w", spec.Name, err)
	}
	m.planes[spec.ID] = c
	return c, nil
}

// folder is a cluster's own. The beginning of its id tells it from the others
// and keeps the paths of sockets short.
func (m *Manager) folder(id string) string { return filepath.Join(m.Dir, id[:min(len(id), 10)]) }

func (m *Manager) material(ctx context.Context, id string) (Material, error) {
	material, err := m.materials.Get(ctx, id)
	if !errors.Is(err, store.ErrNotFound) {
		return material, err
	}
	others, err := m.materials.List(ctx, "")
	if err != nil {
		return Material{}, err
	}
	taken := map[int]bool{}
	for _, o := range others {
		taken[o.Value.APIServerPort], taken[o.Value.EndpointPort] = true, true
	}
	if material, err = newMaterial(m.Clock.Now(), taken); err != nil {
		return Material{}, err
	}
	err = m.materials.Create(ctx, id, material)
	if errors.Is(err, store.ErrExists) {
		return m.materials.Get(ctx, id)
	}
	return material, err
}

// Remove ends a control plane and removes its files and keys. The cluster's
// objects in etcd are the caller's to remove.
func (m *Manager) Remove(ctx context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if c, ok := m.planes[id]; ok {
		c.stop()
		delete(m.planes, id)
	}
	if err := os.RemoveAll(m.folder(id)); err != nil {
		return fmt.Errorf("removing the folder of cluster %s: %w", id, err)
	}
	return m.materials.Delete(ctx, id)
}

// Stop ends every control plane and leaves records and files for the next start.
func (m *Manager) Stop() {
	m.mu.Lock()
	defer m.mu.Unlock()
	var wg sync.WaitGroup
	for _, c := range m.planes {
		wg.Go(c.stop)
	}
	wg.Wait()
	m.planes = map[string]*controlPlane{}
}

// Access is how Berth's own parts reach a running cluster.
type Access struct {
	// Scheduler is the Fargate scheduler's client, Admin the bootstrapper's.
	Scheduler, Admin *rest.Config
	Material         Material
	// KubeProxy identifies kube-proxy.
	KubeProxy Pair
}

// Access gives the clients of a cluster that this manager runs; ok is false
// when it runs none of that id.
func (m *Manager) Access(id string) (Access, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.planes[id]
	if !ok {
		return Access{}, false
	}
	return Access{
		Scheduler: c.client("fargate"), Admin: c.client("admin"),
		Material: c.material, KubeProxy: c.pairs["kube-proxy"],
	}, true
}

// Processes are the children of a cluster, for the leak and kill tests.
func (m *Manager) Processes(id string) map[string]int {
	m.mu.Lock()
	defer m.mu.Unlock()
	c, ok := m.planes[id]
	if !ok {
		return nil
	}
	pids := map[string]int{}
	for name, p := range c.children {
		pids[name] = p.Status().PID
	}
	return pids
}
