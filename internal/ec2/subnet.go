package ec2

import (
	"context"
	"errors"
	"net/netip"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// Subnet is the record of a subnet.
type Subnet struct {
	ID                  string            `json:"id"`
	VPCID               string            `json:"vpcId"`
	Zone                Zone              `json:"zone"`
	CIDR                netip.Prefix      `json:"cidr"`
	MapPublicIPOnLaunch bool              `json:"mapPublicIpOnLaunch,omitempty"`
	Tags                map[string]string `json:"tags,omitempty"`
}

// CreateSubnetInput asks for a subnet.
type CreateSubnetInput struct {
	AvailabilityZone   string
	AvailabilityZoneId string
	CidrBlock          string
	DryRun             bool
	Ipv6CidrBlock      string
	Ipv6Native         bool
	TagSpecifications  []TagSpecification `ec2:"TagSpecification"`
	VpcId              string
}

// CreateSubnetOutput holds the new subnet.
type CreateSubnetOutput struct {
	Subnet SubnetItem
}

// CreateSubnet makes a subnet in a free part of its VPC.
func (s *Service) CreateSubnet(ctx context.Context, in *CreateSubnetInput) (*CreateSubnetOutput, error) {
	sn, err := s.newSubnet(in)
	if err != nil {
		return nil, err
	}
	err = s.change(ctx, sn.VPCID, in.DryRun, func(tx *store.Tx, n *network) error {
		if err := n.place(sn.CIDR, in.CidrBlock); err != nil {
			return err
		}
		n.Subnets = append(n.Subnets, sn)
		if err := s.records.PutIn(tx, poolKey(sn.VPCID, sn.ID), record{Pool: &pool{}}); err != nil {
			return err
		}
		return s.own(tx, sn.VPCID, sn.ID)
	})
	if err != nil {
		return nil, err
	}
	return &CreateSubnetOutput{Subnet: s.subnetItem(sn, &pool{})}, nil
}

func (s *Service) newSubnet(in *CreateSubnetInput) (Subnet, error) {
	if err := requireVPC(in.VpcId); err != nil {
		return Subnet{}, err
	}
	if in.Ipv6CidrBlock != "" || in.Ipv6Native {
		return Subnet{}, unsupported("IPv6 CIDR blocks are not supported.")
	}
	if err := required("cidrBlock", in.CidrBlock); err != nil {
		return Subnet{}, err
	}
	block, err := parseBlock("cidrBlock", in.CidrBlock)
	if err != nil {
		return Subnet{}, err
	}
	if err := checkBlockSize("InvalidSubnet.Range", in.CidrBlock, block); err != nil {
		return Subnet{}, err
	}
	zone := Zones(s.scope.Region)[0]
	switch {
	case in.AvailabilityZone != "":
		zone, err = s.zone(in.AvailabilityZone)
	case in.AvailabilityZoneId != "":
		zone, err = s.zoneByID(in.AvailabilityZoneId)
	}
	if err != nil {
		return Subnet{}, err
	}
	tags, err := tagsFor("subnet", in.TagSpecifications)
	if err != nil {
		return Subnet{}, err
	}
	return Subnet{ID: s.ids.Resource(kindSubnet.prefix), VPCID: in.VpcId, Zone: zone, CIDR: block, Tags: tags}, nil
}

// place refuses a block that is not a free part of the VPC.
func (n *network) place(block netip.Prefix, text string) error {
	if !contains(n.VPC.CIDR, block) {
		return fault.New(400, "InvalidSubnet.Range", "The CIDR '%s' is invalid.", text)
	}
	for _, other := range n.Subnets {
		if other.CIDR.Overlaps(block) {
			return fault.New(400, "InvalidSubnet.Conflict", "The CIDR '%s' conflicts with another subnet", text)
		}
	}
	return nil
}

// DeleteSubnetInput names a subnet.
type DeleteSubnetInput struct {
	DryRun   bool
	SubnetId string
}

// DeleteSubnet removes a subnet in which no address is taken.
func (s *Service) DeleteSubnet(ctx context.Context, in *DeleteSubnetInput) (*ReturnOutput, error) {
	if err := required("subnetId", in.SubnetId); err != nil {
		return nil, err
	}
	return done(s.changePart(ctx, kindSubnet, in.SubnetId, in.DryRun, func(tx *store.Tx, n *network) error {
		if _, err := n.subnet(in.SubnetId); err != nil {
			return err
		}
		p, err := s.poolIn(tx, n.VPC.ID, in.SubnetId)
		if err != nil {
			return err
		}
		if p.count() > 0 {
			return hasDependencies("subnet", in.SubnetId)
		}
		n.Subnets = without(n.Subnets, func(sn Subnet) bool { return sn.ID == in.SubnetId })
		for i := range n.RouteTables {
			t := &n.RouteTables[i]
			for _, a := range t.Associations {
				if a.SubnetID == in.SubnetId {
					s.owners.DeleteIn(tx, a.ID)
				}
			}
			t.Associations = without(t.Associations, func(a Association) bool { return a.SubnetID == in.SubnetId })
		}
		s.records.DeleteIn(tx, poolKey(n.VPC.ID, in.SubnetId))
		s.owners.DeleteIn(tx, in.SubnetId)
		return nil
	}))
}

func (s *Service) poolIn(tx *store.Tx, vpcID, subnetID string) (*pool, error) {
	r, err := s.records.GetIn(tx, poolKey(vpcID, subnetID))
	if errors.Is(err, store.ErrNotFound) {
		return nil, kindSubnet.notFound(subnetID)
	}
	if err != nil {
		return nil, err
	}
	return r.Pool, nil
}

// ModifySubnetAttributeInput sets one attribute of a subnet.
type ModifySubnetAttributeInput struct {
	AssignIpv6AddressOnCreation *BooleanValue
	EnableDns64                 *BooleanValue
	MapPublicIpOnLaunch         *BooleanValue
	SubnetId                    string
}

// ModifySubnetAttribute sets one attribute of a subnet.
func (s *Service) ModifySubnetAttribute(ctx context.Context, in *ModifySubnetAttributeInput) (*ReturnOutput, error) {
	if err := required("subnetId", in.SubnetId); err != nil {
		return nil, err
	}
	for _, v := range []*BooleanValue{in.AssignIpv6AddressOnCreation, in.EnableDns64} {
		if v != nil && v.Value {
			return nil, unsupported("IPv6 CIDR blocks are not supported.")
		}
	}
	if in.MapPublicIpOnLaunch == nil && in.AssignIpv6AddressOnCreation == nil && in.EnableDns64 == nil {
		return nil, fault.New(400, "InvalidParameterCombination", "No attributes specified.")
	}
	return done(s.changePart(ctx, kindSubnet, in.SubnetId, false, func(_ *store.Tx, n *network) error {
		sn, err := n.subnet(in.SubnetId)
		if err != nil {
			return err
		}
		set(&sn.MapPublicIPOnLaunch, in.MapPublicIpOnLaunch)
		return nil
	}))
}

// without is the items for which drop is false, in a new slice.
func without[T any](items []T, drop func(T) bool) []T {
	var kept []T
	for _, item := range items {
		if !drop(item) {
			kept = append(kept, item)
		}
	}
	return kept
}
