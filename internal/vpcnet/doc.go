// Package vpcnet decides what the network of a VPC is: from the records of one
// VPC it compiles a Plan, the complete desired state of the Linux network
// namespace that is the VPC's router, and of the host's side of its uplink.
//
// It is pure: it reads no clock, no file and no network, and the same Network
// compiles to the same Plan. It does not touch a host; package
// vpcnet/linux applies plans, and package vpcnet/dns is the resolver that
// answers on the address a plan reserves for it. Anyone may import it.
//
// How a packet finds its way in the namespace (the rules in their order):
//
//	10     tcp to port 10250            → table local   the kubelet of that pod's node
//	20     everything                   → table ports   a pod, behind its veth
//	30     everything                   → table local   the router's own addresses
//	40     everything but the default   → table main    service ranges; nothing else of the VPC exists
//	1000   from a subnet                → its route table (NAT → uplink, else dropped)
//	1001   from the VPC, no subnet      → dropped
//	32766  the router itself            → table main    the uplink
//
// The pods' addresses are in table local although they are not the router's.
// Table ports is asked first, so that nothing but tcp/10250 is delivered to the
// router; being in table local is what lets a kubelet bind to its pod's address
// and answer from it without a special socket.
package vpcnet
