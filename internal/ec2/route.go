package ec2

import (
	"context"
	"net/netip"
	"slices"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// Route is a route of a table's record. Exactly one target is set.
type Route struct {
	Destination netip.Prefix `json:"destination"`
	GatewayID   string       `json:"gatewayId,omitempty"`
	NATID       string       `json:"natId,omitempty"`
}

// RouteState says whether a route's target is there.
type RouteState string

const (
	RouteActive    RouteState = "active"
	RouteBlackhole RouteState = "blackhole"
)

// state is whether the target of a route can carry traffic; a gateway that was
// detached or deleted leaves a black hole.
func (n *network) state(r Route) RouteState {
	switch {
	case isInternetGateway(r.GatewayID) && r.GatewayID != n.InternetGateway:
		return RouteBlackhole
	case r.NATID != "" && n.natFor(r.NATID) != nil:
		return RouteBlackhole
	}
	return RouteActive
}

// RouteTarget are the members of a request that name a route and its target.
type RouteTarget struct {
	DestinationCidrBlock     string
	DestinationIpv6CidrBlock string
	DryRun                   bool
	GatewayId                string
	NatGatewayId             string
	RouteTableId             string
	// The targets below are refused: nothing here can carry their traffic.
	CarrierGatewayId            string
	EgressOnlyInternetGatewayId string
	InstanceId                  string
	NetworkInterfaceId          string
	TransitGatewayId            string
	VpcEndpointId               string
	VpcPeeringConnectionId      string
}

// CreateRouteInput asks for a route.
type CreateRouteInput struct{ RouteTarget }

// CreateRoute adds a route for a destination that the table does not know yet.
func (s *Service) CreateRoute(ctx context.Context, in *CreateRouteInput) (*ReturnOutput, error) {
	return done(s.changeRoute(ctx, in.RouteTarget, func(n *network, t *RouteTable, r Route) error {
		if r.Destination == n.VPC.CIDR || t.indexOf(r.Destination) >= 0 {
			return fault.New(400, "RouteAlreadyExists", "The route identified by %s already exists.", r.Destination)
		}
		t.Routes = append(t.Routes, r)
		return nil
	}))
}

// ReplaceRouteInput asks for another target of a route.
type ReplaceRouteInput struct {
	RouteTarget
	LocalTarget bool
}

// ReplaceRoute gives a route that is there another target.
func (s *Service) ReplaceRoute(ctx context.Context, in *ReplaceRouteInput) (*ReturnOutput, error) {
	if in.LocalTarget {
		return nil, unsupported("The local route's target cannot be reset.")
	}
	return done(s.changeRoute(ctx, in.RouteTarget, func(n *network, t *RouteTable, r Route) error {
		i := t.indexOf(r.Destination)
		if i < 0 {
			return noSuchRoute(r.Destination, t.ID)
		}
		t.Routes[i] = r
		return nil
	}))
}

// DeleteRouteInput names a route.
type DeleteRouteInput struct {
	DestinationCidrBlock     string
	DestinationIpv6CidrBlock string
	DryRun                   bool
	RouteTableId             string
}

// DeleteRoute removes a route, but never the one to the VPC itself.
func (s *Service) DeleteRoute(ctx context.Context, in *DeleteRouteInput) (*ReturnOutput, error) {
	destination, err := parseDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock)
	if err != nil {
		return nil, err
	}
	return done(s.changeTable(ctx, in.RouteTableId, in.DryRun, func(_ *store.Tx, n *network, t *RouteTable) error {
		if destination == n.VPC.CIDR {
			return invalidValue("cannot remove local route %s in route table %s", destination, t.ID)
		}
		i := t.indexOf(destination)
		if i < 0 {
			return noSuchRoute(destination, t.ID)
		}
		t.Routes = slices.Delete(t.Routes, i, i+1)
		return nil
	}))
}

func noSuchRoute(destination netip.Prefix, tableID string) error {
	return fault.New(400, "InvalidRoute.NotFound", "no route with destination-cidr-block %s in route table %s", destination, tableID)
}

func (t RouteTable) indexOf(destination netip.Prefix) int {
	return slices.IndexFunc(t.Routes, func(r Route) bool { return r.Destination == destination })
}

func parseDestination(v4, v6 string) (netip.Prefix, error) {
	if v6 != "" {
		return netip.Prefix{}, unsupported("IPv6 CIDR blocks are not supported.")
	}
	if err := required("destinationCidrBlock", v4); err != nil {
		return netip.Prefix{}, err
	}
	return parseBlock("destinationCidrBlock", v4)
}

// changeRoute checks a route and its target and hands both to f.
func (s *Service) changeRoute(ctx context.Context, in RouteTarget, f func(*network, *RouteTable, Route) error) error {
	if err := required("routeTableId", in.RouteTableId); err != nil {
		return err
	}
	destination, err := parseDestination(in.DestinationCidrBlock, in.DestinationIpv6CidrBlock)
	if err != nil {
		return err
	}
	r := Route{Destination: destination, GatewayID: in.GatewayId, NATID: in.NatGatewayId}
	if err := in.check(); err != nil {
		return err
	}
	return s.changeTable(ctx, in.RouteTableId, in.DryRun, func(tx *store.Tx, n *network, t *RouteTable) error {
		if err := s.checkTarget(tx, n, r); err != nil {
			return err
		}
		return f(n, t, r)
	})
}

func (in RouteTarget) check() error {
	for _, id := range []string{in.CarrierGatewayId, in.EgressOnlyInternetGatewayId, in.InstanceId, in.NetworkInterfaceId, in.TransitGatewayId, in.VpcEndpointId, in.VpcPeeringConnectionId} {
		if id != "" {
			return unsupported("A route to %s is not supported: the targets are internet gateways and NAT gateways.", id)
		}
	}
	if (in.GatewayId == "") == (in.NatGatewayId == "") {
		return fault.New(400, "InvalidParameterCombination", "The request must contain exactly one of gatewayId, natGatewayId, networkInterfaceId, vpcPeeringConnectionId, egressOnlyInternetGatewayId, transitGatewayId, localGatewayId, carrierGatewayId, vpcEndpointId")
	}
	return nil
}

// checkTarget refuses a target that is not there, or not in this VPC.
func (s *Service) checkTarget(tx *store.Tx, n *network, r Route) error {
	switch {
	case r.NATID != "":
		if err := kindNATTarget.check(r.NATID); err != nil {
			return err
		}
		return n.natFor(r.NATID)
	default:
		if err := kindGateway.check(r.GatewayID); err != nil {
			return err
		}
		g, err := s.gatewayIn(tx, r.GatewayID)
		if err == nil && g.VPCID != n.VPC.ID {
			return invalidValue("route table and network gateway %s belong to different networks", g.ID)
		}
		return err
	}
}
