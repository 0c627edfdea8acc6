package ec2

import "context"

// Reach is how far a subnet reaches.
type Reach string

const (
	// Public subnets have a default route to an internet gateway.
	Public Reach = "public"
	// Private subnets have a default route to something else, a NAT gateway.
	Private Reach = "private"
	// Isolated subnets have no default route.
	Isolated Reach = "isolated"
)

// SubnetRouting is a subnet's reach and the reason for it.
type SubnetRouting struct {
	Subnet Subnet
	Reach  Reach
	// RouteTableID is the table that the subnet obeys; Main says that it does so
	// because it has no association of its own.
	RouteTableID string
	Main         bool
	// Default is the route that decides; nil in an isolated subnet.
	Default *Route
	// State is whether that route's target is there.
	State RouteState
}

// SubnetRouting says whether a subnet is public, private or isolated. A default
// route to an internet gateway counts even while the gateway is detached.
func (s *Service) SubnetRouting(ctx context.Context, subnetID string) (SubnetRouting, error) {
	v, err := s.viewOf(ctx, kindSubnet, subnetID)
	if err != nil {
		return SubnetRouting{}, err
	}
	sn, err := v.subnet(subnetID)
	if err != nil {
		return SubnetRouting{}, err
	}
	return v.routing(*sn), nil
}

func (n *network) routing(sn Subnet) SubnetRouting {
	t, _ := n.effectiveTable(sn.ID)
	r := SubnetRouting{Subnet: sn, Reach: Isolated, RouteTableID: t.ID, Main: true}
	for _, a := range t.Associations {
		if a.SubnetID == sn.ID {
			r.Main = false
		}
	}
	if i := t.indexOf(everywhere); i >= 0 {
		route := t.Routes[i]
		r.Reach, r.Default, r.State = Private, &route, n.state(route)
		if isInternetGateway(route.GatewayID) {
			r.Reach = Public
		}
	}
	return r
}

// Subnet reads one subnet.
func (s *Service) Subnet(ctx context.Context, id string) (Subnet, error) {
	v, err := s.viewOf(ctx, kindSubnet, id)
	if err != nil {
		return Subnet{}, err
	}
	sn, err := v.subnet(id)
	if err != nil {
		return Subnet{}, err
	}
	return *sn, nil
}

// VPC reads one VPC.
func (s *Service) VPC(ctx context.Context, id string) (VPC, error) {
	v, err := s.viewOf(ctx, kindVPC, id)
	if err != nil {
		return VPC{}, err
	}
	return v.VPC, nil
}

// SecurityGroup reads one security group.
func (s *Service) SecurityGroup(ctx context.Context, id string) (SecurityGroup, error) {
	v, err := s.viewOf(ctx, kindGroup, id)
	if err != nil {
		return SecurityGroup{}, err
	}
	g, err := v.group(id)
	if err != nil {
		return SecurityGroup{}, err
	}
	return *g, nil
}

// FreeAddresses is how many addresses of a subnet can be taken at this moment.
func (s *Service) FreeAddresses(ctx context.Context, subnetID string) (int, error) {
	v, err := s.viewOf(ctx, kindSubnet, subnetID)
	if err != nil {
		return 0, err
	}
	sn, err := v.subnet(subnetID)
	if err != nil {
		return 0, err
	}
	return v.pool(subnetID).free(sn.CIDR), nil
}
