package ec2

import (
	"context"
	"slices"

	"berth.dev/berth/internal/store"
)

// RouteTable is the record of a route table. The route to the VPC itself is
// implied: it is in every table and in no record.
type RouteTable struct {
	ID           string            `json:"id"`
	Routes       []Route           `json:"routes,omitempty"`
	Associations []Association     `json:"associations,omitempty"`
	Tags         map[string]string `json:"tags,omitempty"`
	ClientToken  string            `json:"clientToken,omitempty"`
}

// Association binds a subnet to a table, or makes the table the main one of
// its VPC, which all subnets without an association of their own obey.
type Association struct {
	ID       string `json:"id"`
	SubnetID string `json:"subnetId,omitempty"`
	Main     bool   `json:"main,omitempty"`
}

func (t RouteTable) main() bool {
	return slices.ContainsFunc(t.Associations, func(a Association) bool { return a.Main })
}

func (s *Service) forgetRouteTable(tx *store.Tx, t RouteTable) {
	s.owners.DeleteIn(tx, t.ID)
	for _, a := range t.Associations {
		s.owners.DeleteIn(tx, a.ID)
	}
	s.dropToken(tx, "CreateRouteTable", t.ClientToken)
}

// CreateRouteTableInput asks for a route table.
type CreateRouteTableInput struct {
	ClientToken       string
	DryRun            bool
	TagSpecifications []TagSpecification `ec2:"TagSpecification"`
	VpcId             string
}

// CreateRouteTableOutput holds the new table.
type CreateRouteTableOutput struct {
	RouteTable  RouteTableItem
	ClientToken string `ec2:"ClientToken,omitempty"`
}

// CreateRouteTable makes a table that knows only its VPC.
func (s *Service) CreateRouteTable(ctx context.Context, in *CreateRouteTableInput) (*CreateRouteTableOutput, error) {
	if err := requireVPC(in.VpcId); err != nil {
		return nil, err
	}
	tags, err := tagsFor("route-table", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	fresh := RouteTable{ID: s.ids.Resource(kindRouteTable.prefix), Tags: tags, ClientToken: in.ClientToken}
	var item RouteTableItem
	err = s.change(ctx, in.VpcId, in.DryRun, func(tx *store.Tx, n *network) error {
		old, err := s.replay(tx, "CreateRouteTable", in.ClientToken, in)
		if err != nil {
			return err
		}
		if t, err := n.routeTable(old); err == nil {
			item = s.routeTableItem(n, *t)
			return nil
		}
		n.RouteTables = append(n.RouteTables, fresh)
		item = s.routeTableItem(n, fresh)
		if err := s.own(tx, n.VPC.ID, fresh.ID); err != nil {
			return err
		}
		return s.remember(tx, "CreateRouteTable", in.ClientToken, fresh.ID, in)
	})
	if err != nil {
		return nil, err
	}
	return &CreateRouteTableOutput{RouteTable: item, ClientToken: in.ClientToken}, nil
}

// DeleteRouteTableInput names a route table.
type DeleteRouteTableInput struct {
	DryRun       bool
	RouteTableId string
}

// DeleteRouteTable removes a table that is neither main nor associated.
func (s *Service) DeleteRouteTable(ctx context.Context, in *DeleteRouteTableInput) (*ReturnOutput, error) {
	return done(s.changeTable(ctx, in.RouteTableId, in.DryRun, func(tx *store.Tx, n *network, t *RouteTable) error {
		if len(t.Associations) > 0 {
			return hasDependencies("routeTable", t.ID)
		}
		s.forgetRouteTable(tx, *t)
		n.RouteTables = without(n.RouteTables, func(o RouteTable) bool { return o.ID == in.RouteTableId })
		return nil
	}))
}

// changeTable edits one table of a VPC.
func (s *Service) changeTable(ctx context.Context, id string, dryRun bool, f func(*store.Tx, *network, *RouteTable) error) error {
	if err := required("routeTableId", id); err != nil {
		return err
	}
	return s.changePart(ctx, kindRouteTable, id, dryRun, func(tx *store.Tx, n *network) error {
		t, err := n.routeTable(id)
		if err != nil {
			return err
		}
		return f(tx, n, t)
	})
}

// effectiveTable is the table that a subnet obeys: its own, else the main one.
func (n *network) effectiveTable(subnetID string) (RouteTable, bool) {
	var main RouteTable
	var found bool
	for _, t := range n.RouteTables {
		for _, a := range t.Associations {
			if a.SubnetID == subnetID && subnetID != "" {
				return t, true
			}
			if a.Main {
				main, found = t, true
			}
		}
	}
	return main, found
}
