package ec2

import (
	"context"
	"slices"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// AssociateRouteTableInput names a table and a subnet.
type AssociateRouteTableInput struct {
	DryRun       bool
	GatewayId    string
	RouteTableId string
	SubnetId     string
}

// AssociateRouteTableOutput names the association.
type AssociateRouteTableOutput struct {
	AssociationId    string
	AssociationState AssociationState
}

// AssociationState is the state of an association.
type AssociationState struct {
	State string
}

var associated = AssociationState{State: "associated"}

// AssociateRouteTable makes a subnet obey a table; doing it twice is one.
func (s *Service) AssociateRouteTable(ctx context.Context, in *AssociateRouteTableInput) (*AssociateRouteTableOutput, error) {
	if in.GatewayId != "" {
		return nil, unsupported("A route table cannot be associated with a gateway.")
	}
	if err := required("routeTableId", in.RouteTableId, "subnetId", in.SubnetId); err != nil {
		return nil, err
	}
	if err := kindSubnet.check(in.SubnetId); err != nil {
		return nil, err
	}
	vpcID, err := s.owner(ctx, kindSubnet, in.SubnetId)
	if err != nil {
		return nil, err
	}
	id := s.ids.Resource(kindAssociation.prefix)
	err = s.changeTable(ctx, in.RouteTableId, in.DryRun, func(tx *store.Tx, n *network, t *RouteTable) error {
		if vpcID != n.VPC.ID {
			return invalidValue("Route table %s and subnet %s belong to different networks", t.ID, in.SubnetId)
		}
		if _, err := n.subnet(in.SubnetId); err != nil {
			return err
		}
		for _, other := range n.RouteTables {
			i := slices.IndexFunc(other.Associations, func(a Association) bool { return a.SubnetID == in.SubnetId })
			switch {
			case i < 0:
			case other.ID == t.ID:
				id = other.Associations[i].ID
				return nil
			default:
				return fault.New(400, "Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", t.ID)
			}
		}
		t.Associations = append(t.Associations, Association{ID: id, SubnetID: in.SubnetId})
		return s.own(tx, n.VPC.ID, id)
	})
	if err != nil {
		return nil, err
	}
	return &AssociateRouteTableOutput{AssociationId: id, AssociationState: associated}, nil
}

// DisassociateRouteTableInput names an association.
type DisassociateRouteTableInput struct {
	AssociationId string
	DryRun        bool
}

// DisassociateRouteTable sends a subnet back to the main table.
func (s *Service) DisassociateRouteTable(ctx context.Context, in *DisassociateRouteTableInput) (*ReturnOutput, error) {
	if err := required("associationId", in.AssociationId); err != nil {
		return nil, err
	}
	return done(s.changePart(ctx, kindAssociation, in.AssociationId, in.DryRun, func(tx *store.Tx, n *network) error {
		t, i, err := n.association(in.AssociationId)
		if err != nil {
			return err
		}
		if t.Associations[i].Main {
			return invalidValue("cannot disassociate the main route table association %s", in.AssociationId)
		}
		t.Associations = slices.Delete(t.Associations, i, i+1)
		s.owners.DeleteIn(tx, in.AssociationId)
		return nil
	}))
}

// ReplaceRouteTableAssociationInput names an association and another table.
type ReplaceRouteTableAssociationInput struct {
	AssociationId string
	DryRun        bool
	RouteTableId  string
}

// ReplaceRouteTableAssociationOutput names the new association.
type ReplaceRouteTableAssociationOutput struct {
	NewAssociationId string
	AssociationState AssociationState
}

// ReplaceRouteTableAssociation moves a subnet, or the place of the main table,
// to another table. The association gets a new identifier.
func (s *Service) ReplaceRouteTableAssociation(ctx context.Context, in *ReplaceRouteTableAssociationInput) (*ReplaceRouteTableAssociationOutput, error) {
	if err := required("associationId", in.AssociationId, "routeTableId", in.RouteTableId); err != nil {
		return nil, err
	}
	if err := kindRouteTable.check(in.RouteTableId); err != nil {
		return nil, err
	}
	id := s.ids.Resource(kindAssociation.prefix)
	err := s.changePart(ctx, kindAssociation, in.AssociationId, in.DryRun, func(tx *store.Tx, n *network) error {
		from, i, err := n.association(in.AssociationId)
		if err != nil {
			return err
		}
		to, err := n.routeTable(in.RouteTableId)
		if err != nil {
			return err
		}
		a := from.Associations[i]
		a.ID = id
		from.Associations = slices.Delete(from.Associations, i, i+1)
		to.Associations = append(to.Associations, a)
		s.owners.DeleteIn(tx, in.AssociationId)
		return s.own(tx, n.VPC.ID, id)
	})
	if err != nil {
		return nil, err
	}
	return &ReplaceRouteTableAssociationOutput{NewAssociationId: id, AssociationState: associated}, nil
}

func (n *network) association(id string) (*RouteTable, int, error) {
	for i := range n.RouteTables {
		t := &n.RouteTables[i]
		if j := slices.IndexFunc(t.Associations, func(a Association) bool { return a.ID == id }); j >= 0 {
			return t, j, nil
		}
	}
	return nil, 0, kindAssociation.notFound(id)
}
