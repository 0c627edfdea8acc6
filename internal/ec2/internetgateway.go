package ec2

import (
	"context"
	"errors"
	"strings"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// internetGateway is the record of an internet gateway. VPCID is empty while
// it is attached to none; the VPC's document names the gateway as well, and
// both are written in one transaction.
type internetGateway struct {
	ID    string            `json:"id"`
	VPCID string            `json:"vpcId,omitempty"`
	Tags  map[string]string `json:"tags,omitempty"`
}

// CreateInternetGatewayInput asks for an internet gateway.
type CreateInternetGatewayInput struct {
	DryRun            bool
	TagSpecifications []TagSpecification `ec2:"TagSpecification"`
}

// CreateInternetGatewayOutput holds the new gateway.
type CreateInternetGatewayOutput struct {
	InternetGateway InternetGateway
}

// InternetGateway is an internet gateway in a response.
type InternetGateway struct {
	InternetGatewayId string
	OwnerId           string
	Attachments       []InternetGatewayAttachment `ec2:"attachmentSet"`
	Tags              []Tag                       `ec2:"Tag/tagSet"`
}

// InternetGatewayAttachment is the VPC that a gateway serves.
type InternetGatewayAttachment struct {
	State string
	VpcId string
}

// CreateInternetGateway makes a gateway that is attached to nothing.
func (s *Service) CreateInternetGateway(ctx context.Context, in *CreateInternetGatewayInput) (*CreateInternetGatewayOutput, error) {
	tags, err := tagsFor("internet-gateway", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	g := internetGateway{ID: s.ids.Resource(kindGateway.prefix), Tags: tags}
	if err := s.update(ctx, in.DryRun, func(tx *store.Tx) error { return s.gateways.PutIn(tx, g.ID, g) }); err != nil {
		return nil, err
	}
	return &CreateInternetGatewayOutput{InternetGateway: s.gatewayItem(g)}, nil
}

func (s *Service) gatewayIn(tx *store.Tx, id string) (internetGateway, error) {
	g, err := s.gateways.GetIn(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return g, kindGateway.notFound(id)
	}
	return g, err
}

// AttachInternetGatewayInput names a gateway and a VPC.
type AttachInternetGatewayInput struct {
	DryRun            bool
	InternetGatewayId string
	VpcId             string
}

// AttachInternetGateway gives a VPC its one internet gateway.
func (s *Service) AttachInternetGateway(ctx context.Context, in *AttachInternetGatewayInput) (*ReturnOutput, error) {
	if err := requireGatewayAndVPC(in.InternetGatewayId, in.VpcId); err != nil {
		return nil, err
	}
	return done(s.change(ctx, in.VpcId, in.DryRun, func(tx *store.Tx, n *network) error {
		g, err := s.gatewayIn(tx, in.InternetGatewayId)
		switch {
		case err != nil:
			return err
		case g.VPCID != "":
			return fault.New(400, "Resource.AlreadyAssociated", "resource %s is already attached to network %s", g.ID, g.VPCID)
		case n.InternetGateway != "":
			return invalidValue("Network %s already has an internet gateway attached", n.VPC.ID)
		}
		g.VPCID, n.InternetGateway = n.VPC.ID, g.ID
		return s.gateways.PutIn(tx, g.ID, g)
	}))
}

func requireGatewayAndVPC(gatewayID, vpcID string) error {
	if err := required("internetGatewayId", gatewayID); err != nil {
		return err
	}
	if err := kindGateway.check(gatewayID); err != nil {
		return err
	}
	return requireVPC(vpcID)
}

// DetachInternetGatewayInput names a gateway and its VPC.
type DetachInternetGatewayInput struct {
	DryRun            bool
	InternetGatewayId string
	VpcId             string
}

// DetachInternetGateway takes a VPC's gateway away, unless an elastic address
// is in use there. Routes to the gateway become black holes.
func (s *Service) DetachInternetGateway(ctx context.Context, in *DetachInternetGatewayInput) (*ReturnOutput, error) {
	if err := requireGatewayAndVPC(in.InternetGatewayId, in.VpcId); err != nil {
		return nil, err
	}
	return done(s.change(ctx, in.VpcId, in.DryRun, func(tx *store.Tx, n *network) error {
		g, err := s.gatewayIn(tx, in.InternetGatewayId)
		switch {
		case err != nil:
			return err
		case g.VPCID != n.VPC.ID:
			return fault.New(400, "Gateway.NotAttached", "resource %s is not attached to network %s", g.ID, n.VPC.ID)
		case n.mapsAddresses():
			return dependency("Network %s has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.", n.VPC.ID)
		}
		g.VPCID, n.InternetGateway = "", ""
		return s.gateways.PutIn(tx, g.ID, g)
	}))
}

// mapsAddresses says whether a NAT gateway holds an elastic address.
func (n *network) mapsAddresses() bool {
	for _, g := range n.NATGateways {
		if !g.ended() {
			return true
		}
	}
	return false
}

// DeleteInternetGatewayInput names a gateway.
type DeleteInternetGatewayInput struct {
	DryRun            bool
	InternetGatewayId string
}

// DeleteInternetGateway removes a gateway that is attached to nothing.
func (s *Service) DeleteInternetGateway(ctx context.Context, in *DeleteInternetGatewayInput) (*ReturnOutput, error) {
	if err := required("internetGatewayId", in.InternetGatewayId); err != nil {
		return nil, err
	}
	if err := kindGateway.check(in.InternetGatewayId); err != nil {
		return nil, err
	}
	return done(s.update(ctx, in.DryRun, func(tx *store.Tx) error {
		g, err := s.gatewayIn(tx, in.InternetGatewayId)
		if err != nil {
			return err
		}
		if g.VPCID != "" {
			return hasDependencies("internetGateway", g.ID)
		}
		s.gateways.DeleteIn(tx, g.ID)
		return nil
	}))
}

// DescribeInternetGatewaysInput asks for internet gateways.
type DescribeInternetGatewaysInput struct {
	DryRun             bool
	Filters            []Filter `ec2:"Filter"`
	InternetGatewayIds []string `ec2:"InternetGatewayId"`
	MaxResults         *int32
	NextToken          string
}

// DescribeInternetGatewaysOutput lists internet gateways.
type DescribeInternetGatewaysOutput struct {
	InternetGateways []InternetGateway `ec2:"internetGatewaySet"`
	NextToken        string            `ec2:"NextToken,omitempty"`
}

var gatewayFilters = attributes[InternetGateway]{
	"internet-gateway-id": func(g InternetGateway) []string { return one(g.InternetGatewayId) },
	"owner-id":            func(g InternetGateway) []string { return one(g.OwnerId) },
	"attachment.vpc-id": func(g InternetGateway) []string {
		return each(g.Attachments, func(a InternetGatewayAttachment) string { return a.VpcId })
	},
	"attachment.state": func(g InternetGateway) []string {
		return each(g.Attachments, func(a InternetGatewayAttachment) string { return a.State })
	},
}

// DescribeInternetGateways lists internet gateways.
func (s *Service) DescribeInternetGateways(ctx context.Context, in *DescribeInternetGatewaysInput) (*DescribeInternetGatewaysOutput, error) {
	records, err := s.gateways.List(ctx, "")
	if err != nil {
		return nil, err
	}
	all := []InternetGateway{}
	for _, r := range records {
		all = append(all, s.gatewayItem(r.Value))
	}
	q := query{in.DryRun, in.InternetGatewayIds, in.Filters, in.MaxResults, in.NextToken}
	page, next, err := describe(all, q, kindGateway, func(g InternetGateway) string { return g.InternetGatewayId },
		gatewayFilters, func(g InternetGateway) []Tag { return g.Tags })
	if err != nil {
		return nil, err
	}
	return &DescribeInternetGatewaysOutput{InternetGateways: page, NextToken: next}, nil
}

func (s *Service) gatewayItem(g internetGateway) InternetGateway {
	item := InternetGateway{
		InternetGatewayId: g.ID, OwnerId: s.scope.Account,
		Attachments: []InternetGatewayAttachment{}, Tags: tagSet(g.Tags),
	}
	if g.VPCID != "" {
		item.Attachments = append(item.Attachments, InternetGatewayAttachment{State: "available", VpcId: g.VPCID})
	}
	return item
}

func isInternetGateway(id string) bool { return strings.HasPrefix(id, kindGateway.prefix+"-") }
