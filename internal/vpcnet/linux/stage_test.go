package linux

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"berth.dev/berth/internal/vpcnet"
)

const instance vpcnet.Instance = "berth-7e57"

// internetAddress is a server beyond the host, which knows a way to the host only.
const internetAddress = "203.0.113.2"

// stage is a host with an internet, a driver and one VPC that is set up.
type stage struct {
	testing.TB
	d *Driver
}

func newStage(t testing.TB) *stage {
	t.Helper()
	if cannotStage != "" {
		t.Skip("skipped: " + cannotStage)
	}
	d, err := New(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{TB: t, d: d}
	s.makeInternet()
	t.Cleanup(func() {
		if err := d.CleanUp(context.Background(), instance); err != nil {
			t.Error(err)
		}
		if err := deleteNamespace("internet"); err != nil {
			t.Error(err)
		}
	})
	return s
}

func (s *stage) makeInternet() {
	s.Helper()
	s.check(createNamespace("internet"))
	ns, err := openNamespace("internet")
	s.check(err)
	defer ns.Close()
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	s.check(err)
	defer h.Close()
	inner, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	s.check(err)
	defer inner.Close()
	outer, err := ensurePair(h, inner, pair{name: "wan", peer: "wan", peerNS: ns, mtu: 1500})
	s.check(err)
	far, err := inner.LinkByName("wan")
	s.check(err)
	for _, end := range []struct {
		h    *netlink.Handle
		l    netlink.Link
		addr string
	}{{h, outer, "203.0.113.1/24"}, {inner, far, internetAddress + "/24"}} {
		s.check(setLink(end.h, end.l, 1500, ""))
		s.check(setAddresses(end.h, end.l, []vpcnet.Address{
			{Link: "wan", Prefix: netip.MustParsePrefix(end.addr), Scope: vpcnet.ScopeGlobal}}))
	}
	s.check(awaitUp(s.Context(), h, "wan"))
	s.check(awaitUp(s.Context(), inner, "wan"))
	lo, err := h.LinkByName("lo")
	s.check(err)
	s.check(setLink(h, lo, 0, ""))
}

func (s *stage) check(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// network is a VPC with two private subnets that have a NAT gateway, and one
// that has nothing.
func (s *stage) network(vpc string) vpcnet.Network {
	s.Helper()
	index, err := s.d.FreeUplink()
	s.check(err)
	uplink, err := instance.Uplink(index, 1400)
	s.check(err)
	return vpcnet.Network{
		ID: vpc, Instance: instance, Namespace: instance.Namespace(vpc), Region: "eu-west-1",
		CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		DNS:   vpcnet.DNS{Support: true, Hostnames: true},
		Subnets: []vpcnet.Subnet{
			{ID: "public", CIDR: netip.MustParsePrefix("10.0.0.0/24"), RouteTable: "rtb-public"},
			{ID: "private-a", CIDR: netip.MustParsePrefix("10.0.1.0/24"), RouteTable: "rtb-private"},
			{ID: "private-b", CIDR: netip.MustParsePrefix("10.0.2.0/24"), RouteTable: "rtb-private"},
			{ID: "isolated", CIDR: netip.MustParsePrefix("10.0.3.0/24"), RouteTable: "rtb-isolated"},
		},
		RouteTables: []vpcnet.RouteTable{
			{ID: "rtb-public", Routes: []vpcnet.Route{{Destination: everywhere, Target: vpcnet.TargetInternetGateway}}},
			{ID: "rtb-private", Routes: []vpcnet.Route{{Destination: everywhere, Target: vpcnet.TargetNATGateway, NATGateway: "nat-1"}}},
			{ID: "rtb-isolated"},
		},
		NATGateways: []vpcnet.NATGateway{{ID: "nat-1", Subnet: "public"}},
		Interfaces: []vpcnet.Interface{
			podInterface("eni-a", "private-a", "10.0.1.10"),
			podInterface("eni-b", "private-b", "10.0.2.20"),
			podInterface("eni-i", "isolated", "10.0.3.30"),
			podInterface("eni-p", "public", "10.0.0.40"),
			{ID: "eni-cluster", Kind: vpcnet.InterfaceLocal, Subnet: "private-a", IP: netip.MustParseAddr("10.0.1.5")},
		},
		KubeletIPs: []netip.Addr{
			netip.MustParseAddr("10.0.1.10"), netip.MustParseAddr("10.0.2.20"),
			netip.MustParseAddr("10.0.3.30"), netip.MustParseAddr("10.0.0.40")},
		ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("172.20.0.0/16")},
		Uplink:       uplink,
	}
}

var everywhere = netip.MustParsePrefix("0.0.0.0/0")

func podInterface(id, subnet, ip string) vpcnet.Interface {
	a := netip.MustParseAddr(ip)
	b := a.As4()
	return vpcnet.Interface{ID: id, Kind: vpcnet.InterfacePod, Subnet: subnet, IP: a,
		MAC: net.HardwareAddr{0x02, 0, b[0], b[1], b[2], b[3]}}
}

// set compiles and sets a network.
func (s *stage) set(n vpcnet.Network) vpcnet.Plan {
	s.Helper()
	p, err := vpcnet.Compile(n)
	s.check(err)
	s.check(s.d.Set(s.Context(), p))
	return p
}

// pod makes a namespace, attaches it to a port and returns its name.
func (s *stage) pod(p vpcnet.Plan, eni string) string {
	s.Helper()
	name := "pod-" + p.Namespace + "-" + eni
	s.check(createNamespace(name))
	s.Cleanup(func() {
		if err := deleteNamespace(name); err != nil {
			s.Error(err)
		}
	})
	s.attach(p, eni, name)
	return name
}

func (s *stage) attach(p vpcnet.Plan, eni, pod string) {
	s.Helper()
	port, ok := p.Port(eni)
	if !ok {
		s.Fatalf("plan has no port %s", eni)
	}
	_, err := s.d.Attach(s.Context(), port, namespacePath(pod), "eth0")
	s.check(err)
}

// serve answers every connection in a namespace with the name and the caller's
// address, until the test ends.
func (s *stage) serve(name, namespace, address string) {
	s.Helper()
	l, err := s.d.Listen(s.Context(), namespace, "tcp", address)
	s.check(err)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
			fmt.Fprintf(c, "%s saw %s", name, host)
			c.Close()
		}
	}()
	s.Cleanup(func() { l.Close(); <-done })
}

const hopeless = 300 * time.Millisecond

// ask connects and returns the answer. A hopeless connection is given up soon.
func (s *stage) ask(namespace, address string, timeout time.Duration) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context(), timeout)
	defer cancel()
	c, err := s.d.Dial(ctx, namespace, "tcp", address)
	if err != nil {
		return "", err
	}
	defer c.Close()
	b, err := io.ReadAll(c)
	return string(b), err
}

func (s *stage) wantAnswer(namespace, address, want string) {
	s.Helper()
	got, err := s.ask(namespace, address, 5*time.Second)
	if err != nil || got != want {
		s.Errorf("from %s to %s: got %q, %v; want %q", namespace, address, got, err, want)
		s.dump(namespace)
	}
}

func (s *stage) wantTimeout(namespace, address string) {
	s.Helper()
	got, err := s.ask(namespace, address, hopeless)
	if !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, os.ErrDeadlineExceeded) {
		s.Errorf("from %s to %s: got %q, %v; want silence", namespace, address, got, err)
	}
}

func (s *stage) wantError(namespace, address string, want error) {
	s.Helper()
	got, err := s.ask(namespace, address, 5*time.Second)
	if !errors.Is(err, want) {
		s.Errorf("from %s to %s: got %q, %v; want %v", namespace, address, got, err, want)
	}
}

func (s *stage) dump(namespace string) {
	s.Helper()
	if _, err := exec.LookPath("ip"); err != nil {
		return
	}
	for _, args := range [][]string{{"-br", "addr"}, {"rule"}, {"route", "show", "table", "all"}} {
		out, _ := exec.Command("ip", append([]string{"-4", "-n", namespace}, args...)...).CombinedOutput()
		s.Logf("%s %v\n%s", namespace, args, out)
	}
}
