// Package vpc is the VPCs as a host carries them: it keeps each VPC's namespace
// as its records declare it, runs its resolver, and opens the ways into it. What
// a VPC declares comes from whoever made it; how a namespace is set up is
// package vpcnet's. Only the agent and the composition root import it.
//
//	records change ─► Sync ─► describe ─► compile ─► set ─► resolver
package vpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os/exec"
	"reflect"
	"sync"

	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/vpcnet"
	"berth.dev/berth/internal/vpcnet/dns"
	"berth.dev/berth/internal/vpcnet/linux"
)

// Describe reads what a VPC declares; ok is false when there is no such VPC.
// Instance, Namespace and Uplink are the host's and left empty.
type Describe func(ctx context.Context, vpcID string) (n vpcnet.Network, ok bool, err error)

// ErrNoInterface says that a VPC declares no such interface.
var ErrNoInterface = errors.New("no such network interface in the VPC")

// Config makes a Host.
type Config struct {
	Describe Describe
	Driver   *linux.Driver
	Instance vpcnet.Instance
	Store    *store.Store
	Log      *slog.Logger
}

// uplink is the record of a VPC's way out of a host.
type uplink struct{ Index int }

// Host carries VPCs as network namespaces.
type Host struct {
	Config
	uplinks store.Table[uplink]

	mu   sync.Mutex
	vpcs map[string]*router
	// allocating serialises the choice of an uplink, which looks at the host.
	allocating sync.Mutex
}

// router is one VPC on this host.
type router struct {
	mu       sync.Mutex
	plan     vpcnet.Plan
	set      bool
	resolver *resolver
}

// NewHost makes a host that carries no VPC yet.
func NewHost(c Config) *Host {
	return &Host{Config: c, uplinks: store.NewTable[uplink](c.Store, "agent/uplinks"), vpcs: map[string]*router{}}
}

func (h *Host) router(vpcID string) *router {
	h.mu.Lock()
	defer h.mu.Unlock()
	r := h.vpcs[vpcID]
	if r == nil {
		r = &router{}
		h.vpcs[vpcID] = r
	}
	return r
}

// Sync makes the host what the VPC's records declare now; when it returns nil,
// every record that was written before the call is in effect.
func (h *Host) Sync(ctx context.Context, vpcID string) error {
	r := h.router(vpcID)
	r.mu.Lock()
	defer r.mu.Unlock()
	return h.sync(ctx, vpcID, r)
}

func (h *Host) sync(ctx context.Context, vpcID string, r *router) error {
	n, ok, err := h.Describe(ctx, vpcID)
	if err != nil {
		return fmt.Errorf("describing %s: %w", vpcID, err)
	}
	if !ok {
		return h.remove(ctx, vpcID, r)
	}
	n.Instance, n.Namespace = h.Instance, h.Instance.Namespace(vpcID)
	if n.Uplink, err = h.uplink(ctx, vpcID); err != nil {
		return err
	}
	plan, err := vpcnet.Compile(n)
	if err != nil {
		return fmt.Errorf("planning %s: %w", vpcID, err)
	}
	if !r.set || !reflect.DeepEqual(plan, r.plan) {
		// What fails half way leaves neither the old state nor the new.
		r.set = false
		if err := h.Driver.Set(ctx, plan); err != nil {
			return fmt.Errorf("setting up %s: %w", vpcID, err)
		}
		r.plan, r.set = plan, true
	}
	return h.resolve(ctx, vpcID, n, r)
}

// Carried are the VPCs that the host carries, or has carried and not been told to
// remove: whoever starts a host compares them with the VPCs that there are.
func (h *Host) Carried(ctx context.Context) ([]string, error) {
	all, err := h.uplinks.List(ctx, "")
	if err != nil {
		return nil, err
	}
	ids := make([]string, len(all))
	for i, e := range all {
		ids[i] = e.Key
	}
	return ids, nil
}

// remove takes a VPC that is gone off the host.
func (h *Host) remove(ctx context.Context, vpcID string, r *router) error {
	r.resolver.stop()
	r.resolver, r.set, r.plan = nil, false, vpcnet.Plan{}
	if err := h.Driver.Delete(ctx, h.Instance.Namespace(vpcID)); err != nil {
		return fmt.Errorf("removing %s: %w", vpcID, err)
	}
	return h.uplinks.Delete(ctx, vpcID)
}

// uplink finds or chooses the VPC's uplink.
func (h *Host) uplink(ctx context.Context, vpcID string) (vpcnet.Uplink, error) {
	h.allocating.Lock()
	defer h.allocating.Unlock()
	u, err := h.uplinks.Get(ctx, vpcID)
	if errors.Is(err, store.ErrNotFound) {
		if u.Index, err = h.freeUplink(ctx); err == nil {
			err = h.uplinks.Create(ctx, vpcID, u)
		}
	}
	if err != nil {
		return vpcnet.Uplink{}, fmt.Errorf("choosing an uplink for %s: %w", vpcID, err)
	}
	return h.Instance.Uplink(u.Index, 0)
}

// freeUplink finds an index that is free on the host and in the records.
func (h *Host) freeUplink(ctx context.Context) (int, error) {
	taken := map[int]bool{}
	all, err := h.uplinks.List(ctx, "")
	if err != nil {
		return 0, err
	}
	for _, e := range all {
		taken[e.Value.Index] = true
	}
	i, err := h.Driver.FreeUplink()
	for err == nil && taken[i] {
		if i++; i >= vpcnet.MaxUplinks {
			err = errors.New("every uplink of the host is taken")
		}
	}
	return i, err
}

// Declared makes sure that a pod's interface has its place
// on the router, setting the VPC up again when the interface is newer.
func (h *Host) Declared(ctx context.Context, vpcID, interfaceID string) error {
	_, err := h.port(ctx, vpcID, interfaceID)
	return err
}

// port finds the place of a pod's interface.
func (h *Host) port(ctx context.Context, vpcID, interfaceID string) (vpcnet.Port, error) {
	r := h.router(vpcID)
	r.mu.Lock()
	defer r.mu.Unlock()
	if p, ok := r.plan.Port(interfaceID); ok && r.set {
		return p, nil
	}
	if err := h.sync(ctx, vpcID, r); err != nil {
		return vpcnet.Port{}, err
	}
	if p, ok := r.plan.Port(interfaceID); ok {
		return p, nil
	}
	return vpcnet.Port{}, fmt.Errorf("finding %s in %s: %w", interfaceID, vpcID, ErrNoInterface)
}

// Attach connects a pod's network namespace, given by its path, to the pod's
// interface by a link of the given name.
func (h *Host) Attach(ctx context.Context, vpcID, interfaceID, namespace, link string) (linux.Attachment, error) {
	p, err := h.port(ctx, vpcID, interfaceID)
	if err != nil {
		return linux.Attachment{}, err
	}
	return h.Driver.Attach(ctx, p, namespace, link)
}

// Detach takes the link of a pod's interface away; what is not attached is not
// an error.
func (h *Host) Detach(ctx context.Context, vpcID, interfaceID string) error {
	p, err := h.port(ctx, vpcID, interfaceID)
	if errors.Is(err, ErrNoInterface) {
		return nil
	}
	if err != nil {
		return err
	}
	return h.Driver.Detach(ctx, p)
}

// Start starts a command inside a VPC.
func (h *Host) Start(vpcID string, cmd *exec.Cmd) error {
	return h.Driver.Start(h.Instance.Namespace(vpcID), cmd)
}

// Dial connects from inside a VPC.
func (h *Host) Dial(ctx context.Context, vpcID, network, address string) (net.Conn, error) {
	return h.Driver.Dial(ctx, h.Instance.Namespace(vpcID), network, address)
}

// Listen listens inside a VPC.
func (h *Host) Listen(ctx context.Context, vpcID, network, address string) (net.Listener, error) {
	return h.Driver.Listen(ctx, h.Instance.Namespace(vpcID), network, address)
}

// Stop ends the resolvers. The namespaces stay, with the pods in them.
func (h *Host) Stop() {
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, r := range h.vpcs {
		r.mu.Lock()
		r.resolver.stop()
		r.resolver = nil
		r.mu.Unlock()
	}
}

// resolver is the running resolver of a VPC.
type resolver struct {
	config resolverConfig
	cancel context.CancelFunc
	done   chan struct{}
}

// resolverConfig is what a resolver depends on.
type resolverConfig struct {
	address   string
	region    string
	hostnames bool
	cidrs     string
}

func (r *resolver) stop() {
	if r != nil {
		r.cancel()
		<-r.done
	}
}

// resolve keeps the VPC's resolver as the VPC declares it.
func (h *Host) resolve(ctx context.Context, vpcID string, n vpcnet.Network, r *router) error {
	address := n.DNS.Address
	if !address.IsValid() {
		address = vpcnet.ResolverAddress(n.CIDRs[0])
	}
	want := resolverConfig{
		address: net.JoinHostPort(address.String(), "53"), region: n.Region,
		hostnames: n.DNS.Hostnames, cidrs: fmt.Sprint(n.CIDRs),
	}
	if !n.DNS.Support {
		want.address = ""
	}
	if r.resolver != nil && r.resolver.config == want {
		return nil
	}
	r.resolver.stop()
	r.resolver = nil
	if want.address == "" {
		return nil
	}
	ns := h.Instance.Namespace(vpcID)
	packets, err := h.Driver.ListenPacket(ctx, ns, "udp4", want.address)
	if err != nil {
		return fmt.Errorf("starting the resolver of %s: %w", vpcID, err)
	}
	streams, err := h.Driver.Listen(ctx, ns, "tcp4", want.address)
	if err != nil {
		packets.Close()
		return fmt.Errorf("starting the resolver of %s: %w", vpcID, err)
	}
	server := dns.New(dns.Config{Region: n.Region, CIDRs: n.CIDRs, Hostnames: n.DNS.Hostnames, Log: h.Log})
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	r.resolver = &resolver{config: want, cancel: cancel, done: make(chan struct{})}
	go func(done chan struct{}) {
		defer close(done)
		if err := server.Serve(run, packets, streams); err != nil && run.Err() == nil {
			h.Log.Error("the resolver of a VPC stopped answering", "vpc", vpcID, "error", err)
		}
	}(r.resolver.done)
	return nil
}
