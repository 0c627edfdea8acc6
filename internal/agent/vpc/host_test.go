package vpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/store/storetest"
	"berth.dev/berth/internal/vpcnet"
	"berth.dev/berth/internal/vpcnet/linux"
)

const instance vpcnet.Instance = "berth-a9e7"

// declared is what VPCs declare, as records do.
type declared struct {
	mu   sync.Mutex
	vpcs map[string]vpcnet.Network
}

func (d *declared) describe(_ context.Context, id string) (vpcnet.Network, bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n, ok := d.vpcs[id]
	n.Interfaces = slices.Clone(n.Interfaces)
	return n, ok, nil
}

// change changes what a VPC declares.
func (d *declared) change(id string, f func(*vpcnet.Network)) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.vpcs[id]
	n.Interfaces = slices.Clone(n.Interfaces)
	f(&n)
	d.vpcs[id] = n
}

func (d *declared) remove(id string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.vpcs, id)
}

func network(id string) vpcnet.Network {
	return vpcnet.Network{
		ID: id, Region: "eu-central-1", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		DNS:         vpcnet.DNS{Support: true, Hostnames: true},
		Subnets:     []vpcnet.Subnet{{ID: "subnet-1", CIDR: netip.MustParsePrefix("10.0.1.0/24"), RouteTable: "rtb-1"}},
		RouteTables: []vpcnet.RouteTable{{ID: "rtb-1", Routes: []vpcnet.Route{{Destination: netip.MustParsePrefix("10.0.0.0/16"), Target: vpcnet.TargetLocal}}}},
		Interfaces:  []vpcnet.Interface{local("eni-1", "10.0.1.7")},
	}
}

func local(id, ip string) vpcnet.Interface {
	return vpcnet.Interface{ID: id, Kind: vpcnet.InterfaceLocal, IP: netip.MustParseAddr(ip), Subnet: "subnet-1"}
}

func podInterface(id, ip string) vpcnet.Interface {
	i := local(id, ip)
	i.Kind, i.MAC = vpcnet.InterfacePod, net.HardwareAddr{2, 0, 0, 0, 0, i.IP.AsSlice()[3]}
	return i
}

// stage is a machine of its own with VPCs.
type stage struct {
	*declared
	t      *testing.T
	driver *linux.Driver
	store  *store.Store
}

func newStage(t *testing.T, ids ...string) *stage {
	t.Helper()
	if cannotStage != "" {
		t.Skip("skipped: " + cannotStage)
	}
	driver, err := linux.New(linux.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{declared: &declared{vpcs: map[string]vpcnet.Network{}}, t: t, driver: driver, store: storetest.New(t)}
	for _, id := range ids {
		s.vpcs[id] = network(id)
	}
	t.Cleanup(func() {
		if err := driver.CleanUp(context.Background(), instance); err != nil {
			t.Errorf("cleaning up: %v", err)
		}
	})
	return s
}

// host is a host as a start of the server makes it.
func (s *stage) host() *Host {
	h := NewHost(Config{Describe: s.describe, Driver: s.driver, Instance: instance, Store: s.store, Log: slog.New(slog.DiscardHandler)})
	s.t.Cleanup(h.Stop)
	return h
}

func (s *stage) sync(h *Host, id string) {
	s.t.Helper()
	if err := h.Sync(s.t.Context(), id); err != nil {
		s.t.Fatalf("setting up %s: %v", id, err)
	}
}

// lookup asks the VPC's resolver from inside the VPC.
func lookup(ctx context.Context, h *Host, id, name string) ([]string, error) {
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return h.Dial(ctx, id, "tcp4", "10.0.0.2:53")
	}}
	return r.LookupHost(ctx, name)
}

const privateName = "ip-10-0-1-7.eu-central-1.compute.internal."

func TestHostCarriesVPCs(t *testing.T) {
	// The two have the same addresses, as VPCs may.
	s := newStage(t, "vpc-1", "vpc-2")
	h := s.host()
	s.sync(h, "vpc-1")
	s.sync(h, "vpc-2")
	carried, err := h.Carried(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"vpc-1", "vpc-2"}, carried); diff != "" {
		t.Errorf("carried (-want +got):\n%s", diff)
	}
	for _, id := range []string{"vpc-1", "vpc-2"} {
		l, err := h.Listen(t.Context(), id, "tcp4", "10.0.1.7:443")
		if err != nil {
			t.Fatalf("listening in %s: %v", id, err)
		}
		defer l.Close()
		c, err := h.Dial(t.Context(), id, "tcp4", "10.0.1.7:443")
		if err != nil {
			t.Fatalf("dialling in %s: %v", id, err)
		}
		c.Close()
		if got, err := lookup(t.Context(), h, id, privateName); err != nil || !slices.Equal(got, []string{"10.0.1.7"}) {
			t.Errorf("the resolver of %s answers %v, %v; want 10.0.1.7", id, got, err)
		}
	}
	s.remove("vpc-2")
	s.sync(h, "vpc-2")
	if _, err := h.Dial(t.Context(), "vpc-2", "tcp4", "10.0.0.2:53"); !errors.Is(err, linux.ErrNoNamespace) {
		t.Errorf("dialling in a VPC that is gone: %v, want %v", err, linux.ErrNoNamespace)
	}
	if carried, err = h.Carried(t.Context()); err != nil || !slices.Equal(carried, []string{"vpc-1"}) {
		t.Errorf("carried = %v, %v; want vpc-1", carried, err)
	}
	s.sync(h, "vpc-2")
}

func TestHostIsStartedAgain(t *testing.T) {
	s := newStage(t, "vpc-1")
	first := s.host()
	s.sync(first, "vpc-1")
	before, err := first.uplink(t.Context(), "vpc-1")
	if err != nil {
		t.Fatal(err)
	}
	first.Stop()
	h := s.host()
	if got, err := h.Carried(t.Context()); err != nil || !slices.Equal(got, []string{"vpc-1"}) {
		t.Errorf("carried by a host that was started again: %v, %v; want vpc-1", got, err)
	}
	s.sync(h, "vpc-1")
	if after, err := h.uplink(t.Context(), "vpc-1"); err != nil || after != before {
		t.Errorf("uplink = %+v, %v; want the same as before, %+v", after, err, before)
	}
	if got, err := lookup(t.Context(), h, "vpc-1", privateName); err != nil || !slices.Equal(got, []string{"10.0.1.7"}) {
		t.Errorf("the resolver answers %v, %v; want 10.0.1.7", got, err)
	}
}

func TestResolverIsAsDeclared(t *testing.T) {
	s := newStage(t, "vpc-1")
	h := s.host()
	s.sync(h, "vpc-1")
	s.change("vpc-1", func(n *vpcnet.Network) { n.DNS.Hostnames = false })
	s.sync(h, "vpc-1")
	if got, err := lookup(t.Context(), h, "vpc-1", privateName); err == nil {
		t.Errorf("without DNS hostnames the resolver answers %v", got)
	}
	s.change("vpc-1", func(n *vpcnet.Network) { n.DNS.Support = false })
	s.sync(h, "vpc-1")
	if c, err := h.Dial(t.Context(), "vpc-1", "tcp4", "10.0.0.2:53"); err == nil {
		c.Close()
		t.Error("without DNS support the resolver answers")
	}
	s.change("vpc-1", func(n *vpcnet.Network) { n.DNS = vpcnet.DNS{Support: true, Hostnames: true} })
	s.sync(h, "vpc-1")
	if _, err := lookup(t.Context(), h, "vpc-1", privateName); err != nil {
		t.Errorf("with DNS support again: %v", err)
	}
}

// TestDeclared holds that a pod's interface has its place although nobody has
// synced the VPC since it was made.
func TestDeclared(t *testing.T) {
	s := newStage(t, "vpc-1")
	h := s.host()
	if err := h.Declared(t.Context(), "vpc-1", "eni-2"); !errors.Is(err, ErrNoInterface) {
		t.Errorf("an interface that there is not: %v, want %v", err, ErrNoInterface)
	}
	s.change("vpc-1", func(n *vpcnet.Network) { n.Interfaces = append(n.Interfaces, podInterface("eni-2", "10.0.1.8")) })
	if err := h.Declared(t.Context(), "vpc-1", "eni-2"); err != nil {
		t.Errorf("an interface that was just made: %v", err)
	}
	if err := h.Detach(t.Context(), "vpc-1", "eni-3"); err != nil {
		t.Errorf("detaching what there is not: %v, want nil", err)
	}
	s.remove("vpc-1")
	s.sync(h, "vpc-1")
	if err := h.Declared(t.Context(), "vpc-1", "eni-2"); !errors.Is(err, ErrNoInterface) {
		t.Errorf("an interface of a VPC that is gone: %v, want %v", err, ErrNoInterface)
	}
	if err := h.Detach(t.Context(), "vpc-1", "eni-2"); err != nil {
		t.Errorf("detaching from a VPC that is gone: %v, want nil", err)
	}
}

// TestFailedChangeIsUndone changes a VPC and back, where the change fails half way:
// its addresses are there and its rules are not.
func TestFailedChangeIsUndone(t *testing.T) {
	spoiled := filepath.Join(t.TempDir(), "spoiled")
	spoilNFT(t, spoiled)
	s := newStage(t, "vpc-1")
	h := s.host()
	s.sync(h, "vpc-1")
	s.change("vpc-1", func(n *vpcnet.Network) { n.Interfaces = append(n.Interfaces, local("eni-2", "10.0.1.9")) })
	if err := os.WriteFile(spoiled, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := h.Sync(t.Context(), "vpc-1"); err == nil {
		t.Fatal("a change without rules succeeded")
	}
	if !answers(t, h, "10.0.1.9:443") {
		t.Fatal("the change did not fail half way")
	}
	if err := os.Remove(spoiled); err != nil {
		t.Fatal(err)
	}
	s.change("vpc-1", func(n *vpcnet.Network) { *n = network("vpc-1") })
	s.sync(h, "vpc-1")
	if answers(t, h, "10.0.1.9:443") {
		t.Error("the address of an interface that is no longer declared is still there")
	}
}

// answers says whether an address is one of the VPC's router.
func answers(t *testing.T, h *Host, address string) bool {
	t.Helper()
	l, err := h.Listen(t.Context(), "vpc-1", "tcp4", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	c, err := h.Dial(ctx, "vpc-1", "tcp4", address)
	if err != nil {
		return false
	}
	c.Close()
	return true
}

// spoilNFT puts a program in front of nft that fails while a file is there, once
// the host's own rules are in place.
func spoilNFT(t *testing.T, file string) {
	t.Helper()
	nft, err := exec.LookPath("nft")
	if err != nil {
		t.Skip("skipped: needs nft")
	}
	dir := t.TempDir()
	script := fmt.Sprintf(`#!/bin/sh
if [ -e %[1]s ]; then
	[ -e %[1]s.host ] && exit 1
	: >%[1]s.host
fi
exec %[2]s "$@"
`, file, nft)
	if err := os.WriteFile(filepath.Join(dir, "nft"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", dir+":"+os.Getenv("PATH"))
}
