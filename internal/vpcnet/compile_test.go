package vpcnet

import (
	"errors"
	"flag"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the goldens")

// demo is a VPC with a public and a private subnet in two zones, two NAT
// gateways, a cluster's two ENIs and two pods.
func demo(t *testing.T) Network {
	t.Helper()
	uplink, err := Instance("berth-1f3a").Uplink(3, 0)
	if err != nil {
		t.Fatal(err)
	}
	all := netip.MustParsePrefix("0.0.0.0/0")
	private := func(nat string) []Route {
		return []Route{
			{Destination: netip.MustParsePrefix("192.168.0.0/16"), Target: TargetLocal},
			{Destination: all, Target: TargetNATGateway, NATGateway: nat},
		}
	}
	return Network{
		ID: "vpc-0a1b2c3d", Instance: "berth-1f3a", Namespace: "berth-1f3a-vpc-0a1b2c3d", Region: "eu-west-1",
		CIDRs: []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16")},
		DNS:   DNS{Support: true, Hostnames: true},
		Subnets: []Subnet{
			{"subnet-pub-a", netip.MustParsePrefix("192.168.0.0/19"), "rtb-pub"},
			{"subnet-pub-b", netip.MustParsePrefix("192.168.32.0/19"), "rtb-pub"},
			{"subnet-priv-a", netip.MustParsePrefix("192.168.96.0/19"), "rtb-priv-a"},
			{"subnet-priv-b", netip.MustParsePrefix("192.168.128.0/19"), "rtb-priv-b"},
		},
		RouteTables: []RouteTable{
			{"rtb-pub", []Route{{Destination: all, Target: TargetInternetGateway}}},
			{"rtb-priv-a", private("nat-a")},
			{"rtb-priv-b", private("nat-b")},
		},
		NATGateways: []NATGateway{{"nat-a", "subnet-pub-a"}, {"nat-b", "subnet-pub-b"}},
		Interfaces: []Interface{
			{"eni-nat-a", InterfaceLocal, netip.MustParseAddr("192.168.0.9"), "subnet-pub-a", nil},
			{"eni-cluster-1", InterfaceLocal, netip.MustParseAddr("192.168.96.10"), "subnet-priv-a", nil},
			{"eni-cluster-2", InterfaceLocal, netip.MustParseAddr("192.168.128.10"), "subnet-priv-b", nil},
			{"eni-pod-1", InterfacePod, netip.MustParseAddr("192.168.100.7"), "subnet-priv-a", net.HardwareAddr{2, 0, 0, 0, 0, 1}},
			{"eni-pod-2", InterfacePod, netip.MustParseAddr("192.168.130.9"), "subnet-priv-b", net.HardwareAddr{2, 0, 0, 0, 0, 2}},
		},
		KubeletIPs:   []netip.Addr{netip.MustParseAddr("192.168.130.9"), netip.MustParseAddr("192.168.100.7")},
		ServiceCIDRs: []netip.Prefix{netip.MustParsePrefix("10.100.0.0/16")},
		Uplink:       uplink,
	}
}

func TestCompileGoldens(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Network)
	}{
		{"demo", func(*Network) {}},
		{"empty", func(n *Network) {
			n.Subnets, n.RouteTables, n.NATGateways, n.Interfaces = nil, nil, nil, nil
			n.KubeletIPs, n.ServiceCIDRs, n.DNS = nil, nil, DNS{}
		}},
		{"secondary-block", func(n *Network) {
			n.ServiceCIDRs = append(n.ServiceCIDRs, n.ServiceCIDRs[0]) // of another cluster
			n.CIDRs = append(n.CIDRs, netip.MustParsePrefix("100.64.0.0/16"))
			n.Subnets = append(n.Subnets, Subnet{"subnet-cg", netip.MustParsePrefix("100.64.0.0/18"), "rtb-priv-a"})
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := demo(t)
			tt.change(&n)
			p, err := Compile(n)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, tt.name, p.String())
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name+".txt")
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("plan %s (-want +got):\n%s", name, diff)
	}
}

func TestOrderDoesNotMatter(t *testing.T) {
	a := demo(t)
	b := demo(t)
	slices.Reverse(b.Subnets)
	slices.Reverse(b.RouteTables)
	slices.Reverse(b.Interfaces)
	slices.Reverse(b.KubeletIPs)
	slices.Reverse(b.NATGateways)
	pa, errA := Compile(a)
	pb, errB := Compile(b)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	if diff := cmp.Diff(pa.String(), pb.String()); diff != "" {
		t.Errorf("the reversed network has another plan:\n%s", diff)
	}
}

// TestWayOut says where a subnet's route table leads.
func TestWayOut(t *testing.T) {
	all := netip.MustParsePrefix("0.0.0.0/0")
	part := netip.MustParsePrefix("203.0.113.0/24")
	for _, tt := range []struct {
		name   string
		routes []Route
		public []Route // of the NAT gateway's subnet
		want   []string
	}{
		{"nat", []Route{{all, TargetNATGateway, "nat-a"}}, []Route{{all, TargetInternetGateway, ""}},
			[]string{"unicast 0.0.0.0/0 via 198.18.0.6 dev uplink"}},
		{"nat for a part", []Route{{part, TargetNATGateway, "nat-a"}}, []Route{{all, TargetInternetGateway, ""}},
			[]string{"blackhole 0.0.0.0/0", "unicast 203.0.113.0/24 via 198.18.0.6 dev uplink"}},
		{"part is a blackhole", []Route{{all, TargetNATGateway, "nat-a"}, {part, TargetBlackhole, ""}}, []Route{{all, TargetInternetGateway, ""}},
			[]string{"unicast 0.0.0.0/0 via 198.18.0.6 dev uplink", "blackhole 203.0.113.0/24"}},
		{"nat in a private subnet", []Route{{all, TargetNATGateway, "nat-a"}}, nil, []string{"blackhole 0.0.0.0/0"}},
		{"nat behind nat", []Route{{all, TargetNATGateway, "nat-a"}}, []Route{{all, TargetNATGateway, "nat-b"}}, []string{"blackhole 0.0.0.0/0"}},
		{"the gateway's subnet knows a part", []Route{{all, TargetNATGateway, "nat-a"}, {part, TargetNATGateway, "nat-a"}}, []Route{{part, TargetInternetGateway, ""}},
			[]string{"blackhole 0.0.0.0/0", "unicast 203.0.113.0/24 via 198.18.0.6 dev uplink"}},
		{"internet gateway", []Route{{all, TargetInternetGateway, ""}}, nil, []string{"blackhole 0.0.0.0/0"}},
		{"nothing", nil, nil, []string{"blackhole 0.0.0.0/0"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := demo(t)
			n.RouteTables[0].Routes, n.RouteTables[1].Routes = tt.public, tt.routes
			p, err := Compile(n)
			if err != nil {
				t.Fatal(err)
			}
			var got []string
			number := tableNumbers(n.RouteTables)["rtb-priv-a"]
			for _, r := range p.Routes {
				if r.Table == number {
					text, _, _ := strings.Cut(r.String(), " scope")
					got = append(got, text)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("routes (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCompileRefuses(t *testing.T) {
	prefix, addr := netip.MustParsePrefix, netip.MustParseAddr
	for _, tt := range []struct {
		name   string
		change func(*Network)
		want   string
	}{
		{"no id", func(n *Network) { n.ID = "" }, `network "" has no id`},
		{"instance", func(n *Network) { n.Instance = "berth-1F" }, `instance "berth-1F" is not`},
		{"foreign namespace", func(n *Network) { n.Namespace = "berth-1f3ab-vpc" }, `namespace "berth-1f3ab-vpc" is not`},
		{"path in namespace", func(n *Network) { n.Namespace = "berth-1f3a-../x" }, `namespace "berth-1f3a-../x" is not`},
		{"foreign uplink", func(n *Network) { n.Uplink.HostLink = "eth0" }, `uplink "eth0" is not the one of index 3`},
		{"uplink index", func(n *Network) { n.Uplink.Index = MaxUplinks }, `uplink "65536" is not in`},
		{"mtu", func(n *Network) { n.Uplink.MTU = 9 }, "has the mtu 9"},
		{"no block", func(n *Network) { n.CIDRs = nil }, "has no block"},
		{"zero block", func(n *Network) { n.CIDRs = []netip.Prefix{{}} }, "is not an IPv4 prefix"},
		{"IPv6 block", func(n *Network) { n.CIDRs = []netip.Prefix{prefix("fd00::/64")} }, "is not an IPv4 prefix"},
		{"unmasked block", func(n *Network) { n.CIDRs = []netip.Prefix{prefix("10.0.0.1/16")} }, "bits outside its mask"},
		{"tiny block", func(n *Network) { n.CIDRs = append(n.CIDRs, prefix("10.0.0.0/29")) }, "smaller than /28"},
		{"transit block", func(n *Network) { n.CIDRs = []netip.Prefix{prefix("198.19.0.0/16")} }, "overlaps 198.18.0.0/15"},
		{"service range in the VPC", func(n *Network) { n.ServiceCIDRs = []netip.Prefix{prefix("192.168.4.0/24")} }, "overlaps 192.168.0.0/16"},
		{"resolver elsewhere", func(n *Network) { n.DNS.Address = addr("10.0.0.2") }, `resolver "10.0.0.2" is not in`},
		{"route table twice", func(n *Network) { n.RouteTables = append(n.RouteTables, RouteTable{ID: "rtb-pub"}) }, `route table "rtb-pub" has no id of its own`},
		{"subnet twice", func(n *Network) { n.Subnets = append(n.Subnets, n.Subnets[0]) }, `subnet "subnet-pub-a" has no id`},
		{"subnet outside", func(n *Network) { n.Subnets[0].CIDR = prefix("10.0.0.0/24") }, "which is not in the VPC"},
		{"subnet overlaps", func(n *Network) { n.Subnets[0].CIDR = prefix("192.168.32.0/24") }, "which overlaps 192.168.32.0/24"},
		{"subnet without table", func(n *Network) { n.Subnets[0].RouteTable = "rtb-x" }, `unknown route table "rtb-x"`},
		{"nat nowhere", func(n *Network) { n.NATGateways[0].Subnet = "subnet-x" }, `unknown subnet "subnet-x"`},
		{"route to no nat", func(n *Network) { n.RouteTables[1].Routes[1].NATGateway = "nat-x" }, `unknown NAT gateway "nat-x"`},
		{"route to nothing", func(n *Network) { n.RouteTables[0].Routes[0].Target = "" }, `unknown target ""`},
		{"two defaults", func(n *Network) {
			n.RouteTables[0].Routes = append(n.RouteTables[0].Routes, n.RouteTables[0].Routes[0])
		}, "two routes to 0.0.0.0/0"},
		{"interface twice", func(n *Network) { n.Interfaces[0].ID = "eni-pod-1" }, `interface "eni-pod-1" has no id of its own`},
		{"address twice", func(n *Network) { n.Interfaces[1].IP = addr("192.168.100.7") }, "has the address 192.168.100.7 of another"},
		{"mac twice", func(n *Network) { n.Interfaces[4].MAC = n.Interfaces[3].MAC }, "has the hardware address"},
		{"no mac", func(n *Network) { n.Interfaces[4].MAC = nil }, "has no unicast hardware address"},
		{"address of another subnet", func(n *Network) { n.Interfaces[3].IP = addr("192.168.130.8") }, "which is not in 192.168.96.0/19"},
		{"reserved address", func(n *Network) { n.Interfaces[3].IP = addr("192.168.96.3") }, "which AWS reserves"},
		{"broadcast address", func(n *Network) { n.Interfaces[3].IP = addr("192.168.127.255") }, "which AWS reserves"},
		{"no address", func(n *Network) { n.Interfaces[3].IP = netip.Addr{} }, "which is not in"},
		{"kind", func(n *Network) { n.Interfaces[3].Kind = "vm" }, `unknown kind "vm"`},
		{"kubelet of nobody", func(n *Network) { n.KubeletIPs = append(n.KubeletIPs, addr("192.168.96.10")) }, `kubelet "192.168.96.10" is not`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := demo(t)
			tt.change(&n)
			_, err := Compile(n)
			var invalid *InvalidError
			if !errors.As(err, &invalid) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got error %v; want an InvalidError with %q", err, tt.want)
			}
		})
	}
}

func TestNames(t *testing.T) {
	last, err := Instance("berth-1f3a5b7c").Uplink(MaxUplinks-1, 9001)
	if err != nil {
		t.Fatal(err)
	}
	want := Uplink{MaxUplinks - 1, "b1f3a5b7c-65535", netip.MustParseAddr("198.19.255.254"), netip.MustParseAddr("198.19.255.255"), 9001}
	if last != want || len(last.HostLink) > 15 {
		t.Errorf("last uplink is %v, want %v", last, want)
	}
	port := PortLink("eni-0123456789abcdef0")
	if len(port) > 15 || !IsPortLink(port) || port == PortLink("eni-0123456789abcdef1") {
		t.Errorf("port link %q is no good", port)
	}
	if IsPortLink(UplinkLink) || IsPortLink("eth0") {
		t.Error("IsPortLink takes the uplink or eth0 for a port")
	}
	if a := ResolverAddress(netip.MustParsePrefix("192.168.0.0/16")); a.String() != "192.168.0.2" {
		t.Errorf("the resolver is at %s", a)
	}
}

func FuzzParseInstance(f *testing.F) {
	f.Add("berth-1f3a")
	f.Add("berth-")
	f.Fuzz(func(t *testing.T, s string) {
		i, err := ParseInstance(s)
		if err == nil && (len(i.LinkPrefix()) > 10 || strings.ContainsAny(i.NamespacePrefix(), "/. \n")) {
			t.Errorf("%q is an instance with the link prefix %q", s, i.LinkPrefix())
		}
	})
}
