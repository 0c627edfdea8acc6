package vpcnet

import (
	"net"
	"net/netip"
)

// Network is one VPC as its records declare it. All addresses are IPv4.
type Network struct {
	ID string
	// Instance is the tag of the Berth that owns the VPC.
	Instance Instance
	// Namespace names the router's network namespace; Instance.Namespace makes it.
	Namespace string
	// Region is the region in the private DNS names.
	Region string
	// CIDRs are the VPC's blocks, the primary one first.
	CIDRs []netip.Prefix
	DNS   DNS

	Subnets     []Subnet
	RouteTables []RouteTable
	NATGateways []NATGateway
	Interfaces  []Interface

	// KubeletIPs are the addresses, of Pod interfaces, whose tcp/10250 is
	// delivered to the router, where the kubelet of that pod's node listens.
	KubeletIPs []netip.Addr
	// ServiceCIDRs are the service ranges of the clusters in this VPC.
	ServiceCIDRs []netip.Prefix
	Uplink       Uplink
}

// DNS says what the VPC's resolver does.
type DNS struct {
	// Support is the attribute enableDnsSupport: whether there is a resolver.
	Support bool
	// Hostnames is the attribute enableDnsHostnames: whether the resolver knows
	// the private names of the VPC's addresses.
	Hostnames bool
	// Address is where the resolver answers; ResolverAddress of the primary
	// block if it is zero.
	Address netip.Addr
}

// Subnet is a part of the VPC whose outgoing traffic obeys one route table.
type Subnet struct {
	ID         string
	CIDR       netip.Prefix
	RouteTable string
}

// RouteTable decides where the traffic of its subnets goes.
type RouteTable struct {
	ID     string
	Routes []Route
}

// Route sends what goes to Destination to a target.
type Route struct {
	Destination netip.Prefix
	Target      Target
	// NATGateway is the id of the gateway if Target is TargetNATGateway.
	NATGateway string
}

// Target is the kind of thing that a route leads to.
type Target string

const (
	// TargetLocal is the VPC itself. Such routes are implied and may be left out.
	TargetLocal Target = "local"
	// TargetInternetGateway is the internet for those who have a public address.
	// Interfaces have none here, so what takes such a route is dropped, as on AWS.
	TargetInternetGateway Target = "internet-gateway"
	// TargetNATGateway is a NAT gateway, which leads to the internet if the
	// gateway's own subnet routes the destination to an internet gateway.
	TargetNATGateway Target = "nat-gateway"
	// TargetBlackhole is a target that was deleted.
	TargetBlackhole Target = "blackhole"
)

// NATGateway is a NAT gateway in a subnet.
type NATGateway struct {
	ID     string
	Subnet string
}

// InterfaceKind says who answers on an interface's address.
type InterfaceKind string

const (
	// InterfacePod is behind a veth whose other end is in a pod's namespace.
	InterfacePod InterfaceKind = "pod"
	// InterfaceLocal is an address that the router answers itself: the ENI of a
	// cluster or of a NAT gateway.
	InterfaceLocal InterfaceKind = "local"
)

// Interface is an ENI.
type Interface struct {
	ID     string
	Kind   InterfaceKind
	IP     netip.Addr
	Subnet string
	// MAC is the hardware address; a Local interface may be without.
	MAC net.HardwareAddr
}

// Uplink is the point-to-point link between the host and the router.
type Uplink struct {
	// Index numbers the uplink on the host, see Instance.Uplink.
	Index int
	// HostLink is the name of the host's end.
	HostLink string
	// Host and Router are the two addresses of a /31 in TransitRange.
	Host, Router netip.Addr
	// MTU of the uplink and of every pod's link; DefaultMTU if zero.
	MTU int
}

// DefaultMTU is the MTU of a network that declares none.
const DefaultMTU = 1500

// KubeletPort is where kubelets listen.
const KubeletPort = 10250

// Gateway is the router's address on every pod's link.
var Gateway = netip.AddrFrom4([4]byte{169, 254, 1, 1})

// TransitRange holds the uplinks' addresses: the block set aside for
// benchmarking networks, which neither a VPC nor a host's network may use.
var TransitRange = netip.MustParsePrefix("198.18.0.0/15")

// ResolverAddress is where a VPC with this primary block has its resolver: the
// block's base plus two.
func ResolverAddress(primary netip.Prefix) netip.Addr {
	return offset(primary, 2)
}

// RouterAddress is the router's own address in a VPC with this primary block:
// the block's base plus one.
func RouterAddress(primary netip.Prefix) netip.Addr {
	return offset(primary, 1)
}
