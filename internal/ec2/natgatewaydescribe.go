package ec2

import (
	"context"
	"time"
)

// NatGateway is a NAT gateway in a response.
type NatGateway struct {
	NatGatewayId        string
	VpcId               string
	SubnetId            string
	State               string
	FailureCode         string `ec2:"FailureCode,omitempty"`
	FailureMessage      string `ec2:"FailureMessage,omitempty"`
	ConnectivityType    string
	CreateTime          time.Time
	DeleteTime          *time.Time
	NatGatewayAddresses []NatGatewayAddress `ec2:"natGatewayAddressSet"`
	Tags                []Tag               `ec2:"Tag/tagSet"`
}

// NatGatewayAddress is an address of a NAT gateway.
type NatGatewayAddress struct {
	AllocationId       string
	AssociationId      string
	IsPrimary          bool
	NetworkInterfaceId string
	PrivateIp          string
	PublicIp           string
	Status             string
}

// natAddressStatus is the status of a gateway's address in each state.
var natAddressStatus = map[NATState]string{
	NATPending: "associating", NATAvailable: "succeeded", NATFailed: "failed",
	NATDeleting: "disassociating", NATDeleted: "disassociating",
}

func natItem(vpcID string, g NATGateway) NatGateway {
	item := NatGateway{
		NatGatewayId: g.ID, VpcId: vpcID, SubnetId: g.SubnetID, State: string(g.State),
		FailureCode: g.FailureCode, FailureMessage: g.FailureMessage,
		ConnectivityType: "public", CreateTime: g.CreatedAt, Tags: tagSet(g.Tags),
		NatGatewayAddresses: []NatGatewayAddress{{
			AllocationId: g.AllocationID, AssociationId: g.AssociationID, IsPrimary: true,
			NetworkInterfaceId: g.InterfaceID, PrivateIp: g.PrivateIP.String(), PublicIp: g.PublicIP.String(),
			Status: natAddressStatus[g.State],
		}},
	}
	if g.State == NATDeleted {
		item.DeleteTime = &g.EndedAt
	}
	return item
}

// DescribeNatGatewaysInput asks for NAT gateways.
type DescribeNatGatewaysInput struct {
	DryRun        bool
	Filters       []Filter `ec2:"Filter"`
	MaxResults    *int32
	NatGatewayIds []string `ec2:"NatGatewayId"`
	NextToken     string
}

// DescribeNatGatewaysOutput lists NAT gateways.
type DescribeNatGatewaysOutput struct {
	NatGateways []NatGateway `ec2:"natGatewaySet"`
	NextToken   string       `ec2:"NextToken,omitempty"`
}

var natFilters = attributes[NatGateway]{
	"nat-gateway-id":    func(g NatGateway) []string { return one(g.NatGatewayId) },
	"state":             func(g NatGateway) []string { return one(g.State) },
	"subnet-id":         func(g NatGateway) []string { return one(g.SubnetId) },
	"vpc-id":            func(g NatGateway) []string { return one(g.VpcId) },
	"connectivity-type": func(g NatGateway) []string { return one(g.ConnectivityType) },
}

// DescribeNatGateways lists NAT gateways, those that ended within the hour too.
func (s *Service) DescribeNatGateways(ctx context.Context, in *DescribeNatGatewaysInput) (*DescribeNatGatewaysOutput, error) {
	views, err := s.views(ctx)
	if err != nil {
		return nil, err
	}
	now := s.now()
	all := items(views, func(v view) []NatGateway {
		var out []NatGateway
		for _, g := range v.NATGateways {
			if !g.forgotten(now) {
				out = append(out, natItem(v.VPC.ID, g))
			}
		}
		return out
	})
	q := query{in.DryRun, in.NatGatewayIds, in.Filters, in.MaxResults, in.NextToken}
	page, next, err := describe(all, q, kindNATGateway, func(g NatGateway) string { return g.NatGatewayId }, natFilters, func(g NatGateway) []Tag { return g.Tags })
	if err != nil {
		return nil, err
	}
	return &DescribeNatGatewaysOutput{NatGateways: page, NextToken: next}, nil
}
