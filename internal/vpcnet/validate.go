package vpcnet

import (
	"fmt"
	"net/netip"
	"strings"
)

// InvalidError says which part of a Network cannot be compiled, and why.
type InvalidError struct {
	// Noun and ID name the part: "subnet" and its id.
	Noun, ID string
	Reason   string
}

func (e *InvalidError) Error() string { return fmt.Sprintf("%s %q %s", e.Noun, e.ID, e.Reason) }

func invalid(noun, id, format string, args ...any) error {
	return &InvalidError{Noun: noun, ID: id, Reason: fmt.Sprintf(format, args...)}
}

// notForVPC are the ranges that the router needs for itself.
var notForVPC = []netip.Prefix{
	TransitRange,
	netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"),
	netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("0.0.0.0/8"),
}

// index finds the parts of a Network by id.
type index struct {
	subnets map[string]Subnet
	tables  map[string]RouteTable
	nats    map[string]NATGateway
}

func validate(n Network) (*index, error) {
	if err := validateNames(n); err != nil {
		return nil, err
	}
	if err := validateBlocks(n); err != nil {
		return nil, err
	}
	ix := &index{map[string]Subnet{}, map[string]RouteTable{}, map[string]NATGateway{}}
	for _, check := range []func(Network) error{ix.routeTables, ix.addSubnets, ix.natGateways, ix.routes, ix.interfaces} {
		if err := check(n); err != nil {
			return nil, err
		}
	}
	return ix, nil
}

func validateNames(n Network) error {
	if n.ID == "" {
		return invalid("network", n.ID, "has no id")
	}
	if _, err := ParseInstance(string(n.Instance)); err != nil {
		return err
	}
	if !strings.HasPrefix(n.Namespace, n.Instance.NamespacePrefix()) || !namespacePattern.MatchString(n.Namespace) {
		return invalid("namespace", n.Namespace, "is not %s and lower-case letters, digits or dashes", n.Instance.NamespacePrefix())
	}
	want, err := n.Instance.Uplink(n.Uplink.Index, n.Uplink.MTU)
	if err != nil {
		return err
	}
	if n.Uplink != want {
		return invalid("uplink", n.Uplink.HostLink, "is not the one of index %d", n.Uplink.Index)
	}
	if n.Uplink.MTU != 0 && (n.Uplink.MTU < 576 || n.Uplink.MTU > 65535) {
		return invalid("uplink", n.Uplink.HostLink, "has the mtu %d, not 576 to 65535", n.Uplink.MTU)
	}
	return nil
}

func validateBlocks(n Network) error {
	if len(n.CIDRs) == 0 {
		return invalid("network", n.ID, "has no block")
	}
	taken := append([]netip.Prefix(nil), notForVPC...)
	for _, p := range n.CIDRs {
		if err := validateBlock(p, taken); err != nil {
			return err
		}
		if p.Bits() > 28 {
			return invalid("block", p.String(), "is smaller than /28")
		}
		taken = append(taken, p)
	}
	// Service ranges may overlap each other: clusters choose without asking.
	for _, p := range n.ServiceCIDRs {
		if err := validateBlock(p, taken); err != nil {
			return err
		}
	}
	if a := n.DNS.Address; a.IsValid() && !n.CIDRs[0].Contains(a) {
		return invalid("resolver", a.String(), "is not in %s", n.CIDRs[0])
	}
	return nil
}

func validateBlock(p netip.Prefix, taken []netip.Prefix) error {
	if err := validatePrefix("block", p); err != nil {
		return err
	}
	if other, ok := overlap(p, taken); ok {
		return invalid("block", p.String(), "overlaps %s", other)
	}
	return nil
}

func validatePrefix(noun string, p netip.Prefix) error {
	switch {
	case !p.IsValid() || !p.Addr().Is4():
		return invalid(noun, p.String(), "is not an IPv4 prefix")
	case p.Masked() != p:
		return invalid(noun, p.String(), "has bits outside its mask")
	}
	return nil
}

func overlap(p netip.Prefix, others []netip.Prefix) (netip.Prefix, bool) {
	for _, o := range others {
		if o.Overlaps(p) {
			return o, true
		}
	}
	return netip.Prefix{}, false
}

func (ix *index) routeTables(n Network) error {
	for _, t := range n.RouteTables {
		if _, ok := ix.tables[t.ID]; ok || t.ID == "" {
			return invalid("route table", t.ID, "has no id of its own")
		}
		ix.tables[t.ID] = t
	}
	return nil
}

func (ix *index) addSubnets(n Network) error {
	var taken []netip.Prefix
	for _, s := range n.Subnets {
		if _, ok := ix.subnets[s.ID]; ok || s.ID == "" {
			return invalid("subnet", s.ID, "has no id of its own")
		}
		if err := validatePrefix("subnet", s.CIDR); err != nil {
			return err
		}
		if !within(s.CIDR, n.CIDRs) {
			return invalid("subnet", s.ID, "has the block %s, which is not in the VPC", s.CIDR)
		}
		if other, ok := overlap(s.CIDR, taken); ok {
			return invalid("subnet", s.ID, "has the block %s, which overlaps %s", s.CIDR, other)
		}
		if _, ok := ix.tables[s.RouteTable]; !ok {
			return invalid("subnet", s.ID, "uses the unknown route table %q", s.RouteTable)
		}
		taken = append(taken, s.CIDR)
		ix.subnets[s.ID] = s
	}
	return nil
}

func within(p netip.Prefix, blocks []netip.Prefix) bool {
	for _, b := range blocks {
		if b.Bits() <= p.Bits() && b.Contains(p.Addr()) {
			return true
		}
	}
	return false
}

func (ix *index) natGateways(n Network) error {
	for _, g := range n.NATGateways {
		if _, ok := ix.nats[g.ID]; ok || g.ID == "" {
			return invalid("NAT gateway", g.ID, "has no id of its own")
		}
		if _, ok := ix.subnets[g.Subnet]; !ok {
			return invalid("NAT gateway", g.ID, "is in the unknown subnet %q", g.Subnet)
		}
		ix.nats[g.ID] = g
	}
	return nil
}

func (ix *index) routes(n Network) error {
	for _, t := range n.RouteTables {
		seen := map[netip.Prefix]bool{}
		for _, r := range t.Routes {
			if err := validatePrefix("route", r.Destination); err != nil {
				return fmt.Errorf("reading route table %s: %w", t.ID, err)
			}
			if seen[r.Destination] {
				return invalid("route table", t.ID, "has two routes to %s", r.Destination)
			}
			seen[r.Destination] = true
			if err := ix.target(t, r); err != nil {
				return err
			}
		}
	}
	return nil
}

func (ix *index) target(t RouteTable, r Route) error {
	switch r.Target {
	case TargetLocal, TargetInternetGateway, TargetBlackhole:
		return nil
	case TargetNATGateway:
		if _, ok := ix.nats[r.NATGateway]; !ok {
			return invalid("route table", t.ID, "routes %s to the unknown NAT gateway %q", r.Destination, r.NATGateway)
		}
		return nil
	}
	return invalid("route table", t.ID, "routes %s to the unknown target %q", r.Destination, r.Target)
}

func (ix *index) interfaces(n Network) error {
	ids, macs := map[string]bool{}, map[string]bool{}
	ips := map[netip.Addr]InterfaceKind{}
	for _, i := range n.Interfaces {
		if ids[i.ID] || i.ID == "" {
			return invalid("interface", i.ID, "has no id of its own")
		}
		if _, ok := ips[i.IP]; ok {
			return invalid("interface", i.ID, "has the address %s of another", i.IP)
		}
		if err := ix.checkInterface(n, i); err != nil {
			return err
		}
		if len(i.MAC) > 0 && macs[i.MAC.String()] {
			return invalid("interface", i.ID, "has the hardware address %s of another", i.MAC)
		}
		ids[i.ID], ips[i.IP], macs[i.MAC.String()] = true, i.Kind, true
	}
	for _, ip := range n.KubeletIPs {
		if ips[ip] != InterfacePod {
			return invalid("kubelet", ip.String(), "is not the address of a pod's interface")
		}
	}
	return nil
}

func (ix *index) checkInterface(n Network, i Interface) error {
	s, ok := ix.subnets[i.Subnet]
	switch {
	case !ok:
		return invalid("interface", i.ID, "is in the unknown subnet %q", i.Subnet)
	case !s.CIDR.Contains(i.IP):
		return invalid("interface", i.ID, "has the address %s, which is not in %s", i.IP, s.CIDR)
	case i.IP.Compare(offset(s.CIDR, 4)) < 0 || i.IP == lastAddr(s.CIDR):
		return invalid("interface", i.ID, "has the address %s, which AWS reserves", i.IP)
	case i.IP == n.DNS.Address:
		return invalid("interface", i.ID, "has the resolver's address %s", i.IP)
	case i.Kind != InterfacePod && i.Kind != InterfaceLocal:
		return invalid("interface", i.ID, "is of the unknown kind %q", i.Kind)
	case i.Kind == InterfacePod && (len(i.MAC) != 6 || i.MAC[0]&1 == 1):
		return invalid("interface", i.ID, "has no unicast hardware address")
	}
	return nil
}
