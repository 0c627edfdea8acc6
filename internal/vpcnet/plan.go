package vpcnet

import (
	"fmt"
	"net"
	"net/netip"
	"strings"
)

// Plan is the whole desired state of one VPC's router. Its slices are in the
// order in which they are to be applied, and are sorted where that is free.
type Plan struct {
	Instance  Instance
	Namespace string
	Host      Host

	Sysctls   []Sysctl
	MTU       int
	Addresses []Address
	Ports     []Port
	Routes    []RouteEntry
	Rules     []Rule
	// Ruleset is the one nftables table of the namespace, TableName, in the
	// words in which nft lists it.
	Ruleset string
}

// Host is the host's side of a Plan.
type Host struct {
	// Link is the host's end of the uplink; its peer is UplinkLink in the namespace.
	Link string
	// Address is the address of Link.
	Address netip.Prefix
	Sysctls []Sysctl
	// Table and Ruleset are the nftables table of the instance. It is the same
	// for all its VPCs.
	Table   string
	Ruleset string
}

// UplinkLink is the name of the uplink's end in the namespace, and TableName of
// the nftables table there: not "kube-proxy", which is kube-proxy's.
const (
	UplinkLink = "uplink"
	TableName  = "berth"
)

// Sysctl is a kernel setting by its dotted name.
type Sysctl struct{ Name, Value string }

// Scope is the reach of an address or route.
type Scope string

const (
	ScopeGlobal Scope = "global"
	ScopeLink   Scope = "link"
	ScopeHost   Scope = "host"
)

// Address is an address of a link. One of link scope is answered but never
// chosen as the source of the router's own traffic.
type Address struct {
	Link   string
	Prefix netip.Prefix
	Scope  Scope
}

// Port is the place of a pod's interface on the router, whether or not a pod is
// attached to it.
type Port struct {
	Namespace string
	Interface string
	// Link is the name of the router's end.
	Link string
	IP   netip.Addr
	MAC  net.HardwareAddr
	MTU  int
	// Router is the source address of what the router itself sends to the pod.
	Router netip.Addr
}

// Table is a routing table's number.
type Table uint32

const (
	// TablePorts has a route for every pod.
	TablePorts Table = 100
	// TableDrop drops everything.
	TableDrop  Table = 101
	TableMain  Table = 254
	TableLocal Table = 255
	// tableRoutes is the first number for the VPC's own route tables.
	tableRoutes Table = 0x10000
)

func (t Table) String() string {
	switch t {
	case TablePorts:
		return "ports"
	case TableDrop:
		return "drop"
	case TableMain:
		return "main"
	case TableLocal:
		return "local"
	}
	return fmt.Sprint(uint32(t))
}

// RouteType says what becomes of a packet.
type RouteType string

const (
	RouteUnicast     RouteType = "unicast"
	RouteLocal       RouteType = "local"
	RouteUnreachable RouteType = "unreachable"
	RouteBlackhole   RouteType = "blackhole"
)

// RouteEntry is a route of the kernel. Link, Via and Source may be empty.
type RouteEntry struct {
	Table       Table
	Type        RouteType
	Destination netip.Prefix
	Link        string
	Via         netip.Addr
	Source      netip.Addr
	Scope       Scope
	Metric      int
}

func (r RouteEntry) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Type, r.Destination)
	if r.Via.IsValid() {
		fmt.Fprintf(&b, " via %s", r.Via)
	}
	if r.Link != "" {
		fmt.Fprintf(&b, " dev %s", r.Link)
	}
	if r.Source.IsValid() {
		fmt.Fprintf(&b, " src %s", r.Source)
	}
	if r.Metric != 0 {
		fmt.Fprintf(&b, " metric %d", r.Metric)
	}
	fmt.Fprintf(&b, " scope %s table %s", r.Scope, r.Table)
	return b.String()
}

// Rule chooses a table. A zero From is everything; TCPPort 0 is any packet.
type Rule struct {
	Priority int
	From     netip.Prefix
	TCPPort  uint16
	Table    Table
	// NoDefault ignores the table's default route.
	NoDefault bool
}

func (r Rule) String() string {
	var b strings.Builder
	from := "all"
	if r.From.IsValid() {
		from = r.From.String()
	}
	fmt.Fprintf(&b, "%d: from %s", r.Priority, from)
	if r.TCPPort != 0 {
		fmt.Fprintf(&b, " ipproto tcp dport %d", r.TCPPort)
	}
	fmt.Fprintf(&b, " lookup %s", r.Table)
	if r.NoDefault {
		b.WriteString(" suppress_prefixlength 0")
	}
	return b.String()
}

// Port finds the port of an interface.
func (p Plan) Port(interfaceID string) (Port, bool) {
	for _, port := range p.Ports {
		if port.Interface == interfaceID {
			return port, true
		}
	}
	return Port{}, false
}

// PortRoute is the route to the pod while its link exists. It wins over the
// plan's route of the same destination, which says that the pod is not there.
func (p Port) PortRoute() RouteEntry {
	return RouteEntry{
		Table: TablePorts, Type: RouteUnicast, Destination: netip.PrefixFrom(p.IP, 32),
		Link: p.Link, Source: p.Router, Scope: ScopeLink,
	}
}

// Sysctls are the settings of the port's link in the namespace. Reverse path
// filtering is the source check of an ENI: a pod sends from its address only.
func (p Port) Sysctls() []Sysctl {
	return []Sysctl{{"net.ipv4.conf." + p.Link + ".rp_filter", "1"}}
}

// String is the plan as text, one line a fact, for people and goldens.
func (p Plan) String() string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("namespace %s", p.Namespace)
	for _, s := range p.Host.Sysctls {
		line("host sysctl %s=%s", s.Name, s.Value)
	}
	line("host link %s peer %s mtu %d", p.Host.Link, UplinkLink, p.MTU)
	line("host address %s dev %s", p.Host.Address, p.Host.Link)
	for _, s := range p.Sysctls {
		line("sysctl %s=%s", s.Name, s.Value)
	}
	for _, a := range p.Addresses {
		line("address %s dev %s scope %s", a.Prefix, a.Link, a.Scope)
	}
	for _, port := range p.Ports {
		line("port %s dev %s address %s mac %s", port.Interface, port.Link, port.IP, port.MAC)
	}
	for _, r := range p.Routes {
		line("route %s", r)
	}
	for _, r := range p.Rules {
		line("rule %s", r)
	}
	line("host nft\n%s", indent(p.Host.Ruleset))
	line("nft\n%s", indent(p.Ruleset))
	return b.String()
}

func indent(s string) string {
	return "  " + strings.ReplaceAll(strings.TrimSuffix(s, "\n"), "\n", "\n  ")
}
