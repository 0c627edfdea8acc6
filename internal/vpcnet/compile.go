package vpcnet

import (
	"cmp"
	"fmt"
	"hash/fnv"
	"net/netip"
	"slices"
)

// Priorities of the rules; package documentation says what each is for.
const (
	prioKubelet = 10
	prioPorts   = 20
	prioLocal   = 30
	prioMain    = 40
	prioSubnet  = 1000
	prioDrop    = 1001
	prioRouter  = 32766
	prioDefault = 32767

	tableDefault Table = 253
	// metricAbsent lets a route that exists win over the one that says it does not.
	metricAbsent = 4000
)

var everywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)

// Compile checks a network and plans its router. An error is, or wraps, an
// *InvalidError. The network is not changed, and the order of its parts does not
// matter, save that of the blocks.
func Compile(n Network) (Plan, error) {
	ix, err := validate(n)
	if err != nil {
		return Plan{}, fmt.Errorf("compiling network %s: %w", n.ID, err)
	}
	if !n.DNS.Address.IsValid() {
		n.DNS.Address = ResolverAddress(n.CIDRs[0])
	}
	c := compiler{network: n, index: ix, router: RouterAddress(n.CIDRs[0]), tables: tableNumbers(n.RouteTables)}
	p := Plan{
		Instance:  n.Instance,
		Namespace: n.Namespace,
		MTU:       cmp.Or(n.Uplink.MTU, DefaultMTU),
		Host: Host{
			Link:    n.Uplink.HostLink,
			Address: netip.PrefixFrom(n.Uplink.Host, 31),
			Sysctls: []Sysctl{{"net.ipv4.ip_forward", "1"}},
			Table:   n.Instance.Table(),
			Ruleset: hostRuleset(n.Instance),
		},
		Sysctls:   routerSysctls(),
		Addresses: c.addresses(),
		Routes:    c.routes(),
		Rules:     c.rules(),
		Ruleset:   routerRuleset(),
	}
	p.Ports = c.ports(p.MTU)
	return p, nil
}

type compiler struct {
	network Network
	index   *index
	router  netip.Addr
	tables  map[string]Table
}

// tableNumbers gives each route table a number made from its id, so that it
// keeps the number while others come and go.
func tableNumbers(tables []RouteTable) map[string]Table {
	ids := make([]string, 0, len(tables))
	for _, t := range tables {
		ids = append(ids, t.ID)
	}
	slices.Sort(ids)
	numbers, used := map[string]Table{}, map[Table]bool{}
	for _, id := range ids {
		h := fnv.New32a()
		h.Write([]byte(id))
		t := tableRoutes + Table(h.Sum32()&0xffffff)
		for used[t] {
			t++
		}
		numbers[id], used[t] = t, true
	}
	return numbers
}

// routerSysctls begin with ip_forward, because writing it resets others.
func routerSysctls() []Sysctl {
	return []Sysctl{
		{"net.ipv4.ip_forward", "1"},
		{"net.ipv4.ip_nonlocal_bind", "1"},
		{"net.ipv4.conf.all.rp_filter", "0"},
		{"net.ipv4.conf.default.rp_filter", "0"},
		{"net.ipv4.conf.all.send_redirects", "0"},
		{"net.ipv4.conf.default.send_redirects", "0"},
		{"net.ipv4.conf.all.accept_redirects", "0"},
		{"net.ipv4.conf.default.accept_redirects", "0"},
		{"net.ipv6.conf.default.disable_ipv6", "1"},
	}
}

// addresses are the router's own. All but the router's main one are of link
// scope, so that the kernel never takes one as a source by itself.
func (c *compiler) addresses() []Address {
	local := func(a netip.Addr) Address {
		return Address{Link: "lo", Prefix: netip.PrefixFrom(a, 32), Scope: ScopeLink}
	}
	main := local(c.router)
	main.Scope = ScopeGlobal
	out := []Address{main}
	if c.network.DNS.Support {
		out = append(out, local(c.network.DNS.Address))
	}
	for _, i := range c.interfaces(InterfaceLocal) {
		out = append(out, local(i.IP))
	}
	return append(out, Address{Link: UplinkLink, Prefix: netip.PrefixFrom(c.network.Uplink.Router, 31), Scope: ScopeGlobal})
}

func (c *compiler) interfaces(kind InterfaceKind) []Interface {
	var out []Interface
	for _, i := range c.network.Interfaces {
		if i.Kind == kind {
			out = append(out, i)
		}
	}
	slices.SortFunc(out, func(a, b Interface) int { return a.IP.Compare(b.IP) })
	return out
}

func (c *compiler) ports(mtu int) []Port {
	var out []Port
	for _, i := range c.interfaces(InterfacePod) {
		out = append(out, Port{
			Namespace: c.network.Namespace, Interface: i.ID, Link: PortLink(i.ID),
			IP: i.IP, MAC: i.MAC, MTU: mtu, Router: c.router,
		})
	}
	return out
}

func (c *compiler) routes() []RouteEntry {
	n := c.network
	uplink := RouteEntry{Table: TableMain, Type: RouteUnicast, Destination: everywhere,
		Link: UplinkLink, Via: n.Uplink.Host, Scope: ScopeGlobal}
	out := []RouteEntry{uplink}
	for _, p := range n.ServiceCIDRs {
		// Any route will do: kube-proxy translates before the packet leaves. The
		// source is what a service's pod sees when the router itself calls it.
		out = append(out, RouteEntry{Table: TableMain, Type: RouteUnicast, Destination: p,
			Link: "lo", Source: c.router, Scope: ScopeLink})
	}
	for _, p := range n.CIDRs {
		out = append(out, RouteEntry{Table: TableMain, Type: RouteUnreachable, Destination: p, Scope: ScopeGlobal})
	}
	for _, i := range c.interfaces(InterfacePod) {
		out = append(out, RouteEntry{Table: TablePorts, Type: RouteUnreachable,
			Destination: netip.PrefixFrom(i.IP, 32), Scope: ScopeGlobal, Metric: metricAbsent})
	}
	for _, ip := range n.KubeletIPs {
		out = append(out, RouteEntry{Table: TableLocal, Type: RouteLocal,
			Destination: netip.PrefixFrom(ip, 32), Link: "lo", Source: c.router, Scope: ScopeHost})
	}
	out = append(out, RouteEntry{Table: TableDrop, Type: RouteBlackhole, Destination: everywhere, Scope: ScopeGlobal})
	for _, t := range n.RouteTables {
		out = append(out, c.tableRoutes(t)...)
	}
	slices.SortFunc(out, compareRoutes)
	return slices.CompactFunc(out, func(a, b RouteEntry) bool { return a == b })
}

func compareRoutes(a, b RouteEntry) int {
	return cmp.Or(
		cmp.Compare(a.Table, b.Table),
		a.Destination.Addr().Compare(b.Destination.Addr()),
		cmp.Compare(a.Destination.Bits(), b.Destination.Bits()),
		cmp.Compare(a.Metric, b.Metric),
	)
}

// tableRoutes are the routes of a route table out of the VPC. A table without a
// default route drops the rest in silence, as a VPC's router does.
func (c *compiler) tableRoutes(t RouteTable) []RouteEntry {
	number := c.tables[t.ID]
	out := []RouteEntry{}
	hasDefault := false
	for _, r := range t.Routes {
		if r.Target == TargetLocal {
			continue
		}
		hasDefault = hasDefault || r.Destination == everywhere
		e := RouteEntry{Table: number, Type: RouteBlackhole, Destination: r.Destination, Scope: ScopeGlobal}
		if r.Target == TargetNATGateway && c.natReaches(r.NATGateway, r.Destination) {
			e.Type, e.Link, e.Via = RouteUnicast, UplinkLink, c.network.Uplink.Host
		}
		out = append(out, e)
	}
	if !hasDefault {
		out = append(out, RouteEntry{Table: number, Type: RouteBlackhole, Destination: everywhere, Scope: ScopeGlobal})
	}
	return out
}

// natReaches says whether a NAT gateway has a way to a destination: its own
// subnet must route it to an internet gateway.
func (c *compiler) natReaches(gateway string, to netip.Prefix) bool {
	subnet := c.index.subnets[c.index.nats[gateway].Subnet]
	best := Route{Destination: everywhere, Target: TargetBlackhole}
	for _, r := range c.index.tables[subnet.RouteTable].Routes {
		covers := r.Destination.Bits() <= to.Bits() && r.Destination.Contains(to.Addr())
		if covers && r.Destination.Bits() >= best.Destination.Bits() {
			best = r
		}
	}
	return best.Target == TargetInternetGateway
}

func (c *compiler) rules() []Rule {
	out := []Rule{
		{Priority: prioKubelet, TCPPort: KubeletPort, Table: TableLocal},
		{Priority: prioPorts, Table: TablePorts},
		{Priority: prioLocal, Table: TableLocal},
		{Priority: prioMain, Table: TableMain, NoDefault: true},
	}
	subnets := slices.Clone(c.network.Subnets)
	slices.SortFunc(subnets, func(a, b Subnet) int { return a.CIDR.Addr().Compare(b.CIDR.Addr()) })
	for _, s := range subnets {
		out = append(out, Rule{Priority: prioSubnet, From: s.CIDR, Table: c.tables[s.RouteTable]})
	}
	for _, p := range c.network.CIDRs {
		out = append(out, Rule{Priority: prioDrop, From: p, Table: TableDrop})
	}
	return append(out,
		Rule{Priority: prioRouter, Table: TableMain},
		Rule{Priority: prioDefault, Table: tableDefault},
	)
}
