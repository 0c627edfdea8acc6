package ec2

import "context"

// RouteTableItem is a route table in a response.
type RouteTableItem struct {
	RouteTableId    string
	VpcId           string
	OwnerId         string
	Routes          []RouteItem       `ec2:"routeSet"`
	Associations    []AssociationItem `ec2:"associationSet"`
	PropagatingVgws []PropagatingVgw  `ec2:"propagatingVgwSet"`
	Tags            []Tag             `ec2:"Tag/tagSet"`
}

// RouteItem is a route in a response.
type RouteItem struct {
	DestinationCidrBlock string
	GatewayId            string `ec2:"GatewayId,omitempty"`
	NatGatewayId         string `ec2:"NatGatewayId,omitempty"`
	State                string
	Origin               string
}

// AssociationItem is an association in a response.
type AssociationItem struct {
	RouteTableAssociationId string
	RouteTableId            string
	SubnetId                string `ec2:"SubnetId,omitempty"`
	Main                    bool
	AssociationState        AssociationState
}

// PropagatingVgw is a gateway that adds routes; there is never one.
type PropagatingVgw struct {
	GatewayId string
}

func (s *Service) routeTableItem(n *network, t RouteTable) RouteTableItem {
	item := RouteTableItem{
		RouteTableId: t.ID, VpcId: n.VPC.ID, OwnerId: s.scope.Account,
		Routes: []RouteItem{{
			DestinationCidrBlock: n.VPC.CIDR.String(), GatewayId: "local",
			State: string(RouteActive), Origin: "CreateRouteTable",
		}},
		Associations: []AssociationItem{}, PropagatingVgws: []PropagatingVgw{}, Tags: tagSet(t.Tags),
	}
	for _, r := range t.Routes {
		item.Routes = append(item.Routes, RouteItem{
			DestinationCidrBlock: r.Destination.String(), GatewayId: r.GatewayID, NatGatewayId: r.NATID,
			State: string(n.state(r)), Origin: "CreateRoute",
		})
	}
	for _, a := range t.Associations {
		item.Associations = append(item.Associations, AssociationItem{
			RouteTableAssociationId: a.ID, RouteTableId: t.ID, SubnetId: a.SubnetID, Main: a.Main, AssociationState: associated,
		})
	}
	return item
}

// DescribeRouteTablesInput asks for route tables.
type DescribeRouteTablesInput struct {
	DryRun        bool
	Filters       []Filter `ec2:"Filter"`
	MaxResults    *int32
	NextToken     string
	RouteTableIds []string `ec2:"RouteTableId"`
}

// DescribeRouteTablesOutput lists route tables.
type DescribeRouteTablesOutput struct {
	RouteTables []RouteTableItem `ec2:"routeTableSet"`
	NextToken   string           `ec2:"NextToken,omitempty"`
}

func ofRoutes(f func(RouteItem) string) func(RouteTableItem) []string {
	return func(t RouteTableItem) []string { return each(t.Routes, f) }
}

func ofAssociations(f func(AssociationItem) string) func(RouteTableItem) []string {
	return func(t RouteTableItem) []string { return each(t.Associations, f) }
}

var routeTableFilters = attributes[RouteTableItem]{
	"route-table-id":                         func(t RouteTableItem) []string { return one(t.RouteTableId) },
	"vpc-id":                                 func(t RouteTableItem) []string { return one(t.VpcId) },
	"owner-id":                               func(t RouteTableItem) []string { return one(t.OwnerId) },
	"association.subnet-id":                  ofAssociations(func(a AssociationItem) string { return a.SubnetId }),
	"association.route-table-id":             ofAssociations(func(a AssociationItem) string { return a.RouteTableId }),
	"association.route-table-association-id": ofAssociations(func(a AssociationItem) string { return a.RouteTableAssociationId }),
	"association.main":                       ofAssociations(func(a AssociationItem) string { return truth(a.Main)[0] }),
	"association.gateway-id":                 func(RouteTableItem) []string { return nil },
	"route.destination-cidr-block":           ofRoutes(func(r RouteItem) string { return r.DestinationCidrBlock }),
	"route.gateway-id":                       ofRoutes(func(r RouteItem) string { return r.GatewayId }),
	"route.nat-gateway-id":                   ofRoutes(func(r RouteItem) string { return r.NatGatewayId }),
	"route.origin":                           ofRoutes(func(r RouteItem) string { return r.Origin }),
	"route.state":                            ofRoutes(func(r RouteItem) string { return r.State }),
}

// DescribeRouteTables lists route tables.
func (s *Service) DescribeRouteTables(ctx context.Context, in *DescribeRouteTablesInput) (*DescribeRouteTablesOutput, error) {
	views, err := s.views(ctx)
	if err != nil {
		return nil, err
	}
	all := items(views, func(v view) []RouteTableItem {
		var out []RouteTableItem
		for _, t := range v.RouteTables {
			out = append(out, s.routeTableItem(v.network, t))
		}
		return out
	})
	q := query{in.DryRun, in.RouteTableIds, in.Filters, in.MaxResults, in.NextToken}
	page, next, err := describe(all, q, kindRouteTable, func(t RouteTableItem) string { return t.RouteTableId },
		routeTableFilters, func(t RouteTableItem) []Tag { return t.Tags })
	if err != nil {
		return nil, err
	}
	return &DescribeRouteTablesOutput{RouteTables: page, NextToken: next}, nil
}
