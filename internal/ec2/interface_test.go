package ec2_test

import (
	"errors"
	"fmt"
	"net/netip"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"berth.dev/berth/internal/ec2"
)

// TestAllocateInterfaceIsUniqueInParallel calls two services on one store, as
// two servers would, so that no lock in a process can be what keeps it right.
func TestAllocateInterfaceIsUniqueInParallel(t *testing.T) {
	c := newCloud(t)
	services := []*ec2.Service{c.Service, c.another()}
	vpc := c.vpc("10.0.0.0/16")
	sn := c.subnet(vpc, "10.0.4.0/24")
	const callers = 100
	var wg sync.WaitGroup
	got := make([]ec2.Interface, callers)
	errs := make([]error, callers)
	for i := range callers {
		wg.Go(func() {
			got[i], errs[i] = services[i%2].AllocateInterface(c.ctx, ec2.InterfaceRequest{SubnetID: sn, ClientToken: fmt.Sprint(i)})
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	ips, macs := map[netip.Addr]bool{}, map[string]bool{}
	for _, i := range got {
		ips[i.IP], macs[i.MAC] = true, true
	}
	if len(ips) != callers || len(macs) != callers {
		t.Errorf("%d callers got %d addresses and %d hardware addresses", callers, len(ips), len(macs))
	}
	if free, err := c.FreeAddresses(c.ctx, sn); err != nil || free != 256-5-callers {
		t.Errorf("FreeAddresses = %d, %v, want %d", free, err, 256-5-callers)
	}
	free := must(c, c.DescribeSubnets, ec2.DescribeSubnetsInput{SubnetIds: []string{sn}}).Subnets[0].AvailableIpAddressCount
	if want := 256 - 5 - callers; free != want {
		t.Errorf("free addresses = %d, want %d", free, want)
	}
}

func TestAllocateInterface(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	sn := c.subnet(vpc, "10.0.0.0/28")
	allocate := func(token string) ec2.Interface {
		t.Helper()
		i, err := c.AllocateInterface(c.ctx, ec2.InterfaceRequest{SubnetID: sn, ClientToken: token})
		if err != nil {
			t.Fatal(err)
		}
		return i
	}
	first := allocate("pod-1")
	if first.IP.String() != "10.0.0.4" {
		t.Errorf("the first address is %s, want 10.0.0.4: four are reserved", first.IP)
	}
	if diff := cmp.Diff(first, allocate("pod-1"), cmpopts.EquateComparable(netip.Addr{})); diff != "" {
		t.Errorf("the same token made another interface (-first +second):\n%s", diff)
	}
	_, err := c.AllocateInterface(c.ctx, ec2.InterfaceRequest{SubnetID: sn, ClientToken: "pod-1", Description: "other"})
	wantFault(t, err, "IdempotentParameterMismatch", "")

	for i := range 10 {
		allocate(fmt.Sprint("more-", i))
	}
	_, err = c.AllocateInterface(c.ctx, ec2.InterfaceRequest{SubnetID: sn})
	wantFault(t, err, "InsufficientFreeAddressesInSubnet", "")
	if !errors.Is(err, ec2.ErrNoFreeAddress) {
		t.Errorf("a full subnet gives %v, want ErrNoFreeAddress", err)
	}
	for range 2 {
		if err := c.ReleaseInterface(c.ctx, first.ID); err != nil {
			t.Fatalf("ReleaseInterface: %v", err)
		}
	}
	if again := allocate("pod-1"); again.ID == first.ID || again.IP != first.IP {
		t.Errorf("after the release the token gives %s %s, want a new interface with the one free address", again.ID, again.IP)
	}
}

func TestAddressesRestAfterUse(t *testing.T) {
	c := newCloud(t)
	sn := c.subnet(c.vpc("10.0.0.0/16"), "10.0.0.0/24")
	var ips []string
	for range 3 {
		i, err := c.AllocateInterface(c.ctx, ec2.InterfaceRequest{SubnetID: sn})
		if err != nil {
			t.Fatal(err)
		}
		ips = append(ips, i.IP.String())
		if err := c.ReleaseInterface(c.ctx, i.ID); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"10.0.0.4", "10.0.0.5", "10.0.0.6"}, ips); diff != "" {
		t.Errorf("addresses of interfaces made one after the other (-want +got):\n%s", diff)
	}
}

func BenchmarkAllocateInterface(b *testing.B) {
	c := newCloud(b)
	sn := c.subnet(c.vpc("10.0.0.0/16"), "10.0.0.0/16")
	for b.Loop() {
		if _, err := c.AllocateInterface(b.Context(), ec2.InterfaceRequest{SubnetID: sn}); err != nil {
			b.Fatal(err)
		}
	}
}
