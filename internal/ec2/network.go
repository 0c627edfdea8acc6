package ec2

import (
	"context"

	"berth.dev/berth/internal/store"
)

// Network is everything in a VPC at one revision, as plain records.
type Network struct {
	// Generation grows with every change but those of interfaces; it is what
	// Realizer.Realized is asked for.
	Generation int64
	VPC        VPC
	// InternetGateway is the attached gateway, or empty.
	InternetGateway string
	Subnets         []NetworkSubnet
	RouteTables     []NetworkRouteTable
	// NATGateways are those that should carry traffic: pending and available.
	NATGateways    []NATGateway
	SecurityGroups []SecurityGroup
	Interfaces     []Interface
}

// NetworkSubnet is a subnet and the table that it obeys, be it through an
// association or because the table is the main one.
type NetworkSubnet struct {
	Subnet
	RouteTableID string
}

// NetworkRouteTable is a table with the state of each of its routes.
type NetworkRouteTable struct {
	ID     string
	Main   bool
	Routes []NetworkRoute
}

// NetworkRoute is a route and whether its target is there.
type NetworkRoute struct {
	Route
	State RouteState
}

// Network reads all of a VPC in one consistent read; InvalidVpcID.NotFound when
// there is no such VPC.
func (s *Service) Network(ctx context.Context, vpcID string) (Network, error) {
	if err := kindVPC.check(vpcID); err != nil {
		return Network{}, err
	}
	records, err := s.records.List(ctx, vpcID+"/")
	if err != nil {
		return Network{}, err
	}
	var n *network
	var interfaces []Interface
	for _, r := range records {
		switch {
		case r.Value.Network != nil:
			n = r.Value.Network
		case r.Value.Interface != nil:
			interfaces = append(interfaces, *r.Value.Interface)
		}
	}
	if n == nil {
		return Network{}, kindVPC.notFound(vpcID)
	}
	return n.describe(interfaces), nil
}

func (n *network) describe(interfaces []Interface) Network {
	out := Network{
		Generation: n.Generation, VPC: n.VPC, InternetGateway: n.InternetGateway,
		SecurityGroups: n.SecurityGroups, Interfaces: interfaces,
	}
	for _, sn := range n.Subnets {
		t, _ := n.effectiveTable(sn.ID)
		out.Subnets = append(out.Subnets, NetworkSubnet{Subnet: sn, RouteTableID: t.ID})
	}
	for _, t := range n.RouteTables {
		table := NetworkRouteTable{ID: t.ID, Main: t.main()}
		for _, r := range t.Routes {
			table.Routes = append(table.Routes, NetworkRoute{Route: r, State: n.state(r)})
		}
		out.RouteTables = append(out.RouteTables, table)
	}
	for _, g := range n.NATGateways {
		if g.State == NATPending || g.State == NATAvailable {
			out.NATGateways = append(out.NATGateways, g)
		}
	}
	return out
}

// VPCs are the identifiers of all VPCs. Whoever follows VPCsChanged compares
// them with what it has built when it starts: a removal that happened while
// nobody followed is not told.
func (s *Service) VPCs(ctx context.Context) ([]string, error) {
	entries, err := s.owners.List(ctx, kindVPC.prefix+"-")
	if err != nil {
		return nil, err
	}
	return each(entries, func(e store.Entry[string]) string { return e.Key }), nil
}

// VPCsChanged calls f with the id of every VPC, then with the id of any VPC of
// which a record is written or removed, until ctx ends or the store fails. It
// tells of levels, not edges: ids repeat, and states in between may be skipped.
func (s *Service) VPCsChanged(ctx context.Context, f func(vpcID string)) error {
	return s.records.Keys(ctx, "", func(key string) {
		if !isPoolKey(key) {
			f(vpcOfKey(key))
		}
	})
}
