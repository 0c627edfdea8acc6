package ec2

import (
	"context"
	"net/netip"
	"time"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// VPC is the record of a VPC itself.
type VPC struct {
	ID        string    `json:"id"`
	CreatedAt time.Time `json:"createdAt"`
	// CIDR is the primary block.
	CIDR              netip.Prefix `json:"cidr"`
	CIDRAssociationID string       `json:"cidrAssociationId"`
	InstanceTenancy   string       `json:"instanceTenancy"`
	// DNSSupport and DNSHostnames are the attributes enableDnsSupport and
	// enableDnsHostnames.
	DNSSupport                bool              `json:"dnsSupport"`
	DNSHostnames              bool              `json:"dnsHostnames"`
	NetworkAddressUsageMetric bool              `json:"networkAddressUsageMetric,omitempty"`
	Tags                      map[string]string `json:"tags,omitempty"`
}

// CreateVpcInput asks for a VPC.
type CreateVpcInput struct {
	AmazonProvidedIpv6CidrBlock bool
	CidrBlock                   string
	DryRun                      bool
	InstanceTenancy             string
	Ipv6CidrBlock               string
	TagSpecifications           []TagSpecification `ec2:"TagSpecification"`
}

// CreateVpcOutput holds the new VPC.
type CreateVpcOutput struct {
	Vpc Vpc
}

// Vpc is a VPC in a response.
type Vpc struct {
	VpcId                   string
	OwnerId                 string
	State                   string
	CidrBlock               string
	CidrBlockAssociationSet []VpcCidrBlockAssociation
	DhcpOptionsId           string
	Tags                    []Tag `ec2:"Tag/tagSet"`
	InstanceTenancy         string
	IsDefault               bool
}

// VpcCidrBlockAssociation is a block of a VPC.
type VpcCidrBlockAssociation struct {
	CidrBlock      string
	AssociationId  string
	CidrBlockState CidrBlockState
}

// CidrBlockState is the state of a block.
type CidrBlockState struct {
	State string
}

// CreateVpc makes a VPC with its main route table and its default group.
func (s *Service) CreateVpc(ctx context.Context, in *CreateVpcInput) (*CreateVpcOutput, error) {
	v, err := s.newVPC(in)
	if err != nil {
		return nil, err
	}
	n := &network{VPC: v}
	n.RouteTables = []RouteTable{{ID: s.ids.Resource(kindRouteTable.prefix)}}
	n.RouteTables[0].Associations = []Association{{ID: s.ids.Resource(kindAssociation.prefix), Main: true}}
	n.SecurityGroups = []SecurityGroup{s.defaultGroup(v.ID)}
	err = s.update(ctx, in.DryRun, func(tx *store.Tx) error {
		if err := s.putNetwork(tx, n); err != nil {
			return err
		}
		if err := s.own(tx, v.ID, v.ID, n.RouteTables[0].ID, n.RouteTables[0].Associations[0].ID); err != nil {
			return err
		}
		return s.ownGroup(tx, v.ID, n.SecurityGroups[0])
	})
	if err != nil {
		return nil, err
	}
	return &CreateVpcOutput{Vpc: s.vpcItem(n)}, nil
}

func (s *Service) newVPC(in *CreateVpcInput) (VPC, error) {
	if in.CidrBlock == "" {
		return VPC{}, fault.New(400, "MissingParameter", "Either 'cidrBlock' or 'ipv4IpamPoolId' should be provided.")
	}
	if in.AmazonProvidedIpv6CidrBlock || in.Ipv6CidrBlock != "" {
		return VPC{}, unsupported("IPv6 CIDR blocks are not supported.")
	}
	block, err := parseBlock("cidrBlock", in.CidrBlock)
	if err != nil {
		return VPC{}, err
	}
	if err := checkBlockSize("InvalidVpc.Range", in.CidrBlock, block); err != nil {
		return VPC{}, err
	}
	tenancy := in.InstanceTenancy
	switch tenancy {
	case "":
		tenancy = "default"
	case "default", "dedicated", "host":
	default:
		return VPC{}, invalidValue("Value (%s) for parameter instanceTenancy is invalid.", tenancy)
	}
	tags, err := tagsFor("vpc", in.TagSpecifications)
	if err != nil {
		return VPC{}, err
	}
	return VPC{
		ID: s.ids.Resource(kindVPC.prefix), CreatedAt: s.now(), CIDR: block,
		CIDRAssociationID: s.ids.Resource("vpc-cidr-assoc"), InstanceTenancy: tenancy,
		DNSSupport: true, Tags: tags,
	}, nil
}

// own remembers that parts belong to a VPC.
func (s *Service) own(tx *store.Tx, vpcID string, ids ...string) error {
	for _, id := range ids {
		if err := s.owners.PutIn(tx, id, vpcID); err != nil {
			return err
		}
	}
	return nil
}

// DeleteVpcInput names a VPC.
type DeleteVpcInput struct {
	DryRun bool
	VpcId  string
}

// DeleteVpc removes a VPC that has nothing left but what it was born with.
func (s *Service) DeleteVpc(ctx context.Context, in *DeleteVpcInput) (*ReturnOutput, error) {
	if err := requireVPC(in.VpcId); err != nil {
		return nil, err
	}
	defer s.locks.lock(in.VpcId)()
	return done(s.update(ctx, in.DryRun, func(tx *store.Tx) error {
		n, err := s.networkIn(tx, in.VpcId)
		if err != nil {
			return err
		}
		if n.inUse() {
			return hasDependencies("vpc", in.VpcId)
		}
		s.owners.DeleteIn(tx, n.VPC.ID)
		for _, t := range n.RouteTables {
			s.forgetRouteTable(tx, t)
		}
		for _, g := range n.SecurityGroups {
			s.forgetGroup(tx, g)
		}
		for _, g := range n.NATGateways {
			s.owners.DeleteIn(tx, g.ID)
			s.dropToken(tx, "CreateNatGateway", g.ClientToken)
		}
		s.records.DeleteIn(tx, documentKey(n.VPC.ID))
		return nil
	}))
}

// inUse says whether anything but the main table and the default group is left.
func (n *network) inUse() bool {
	for _, g := range n.NATGateways {
		if !g.ended() {
			return true
		}
	}
	return len(n.Subnets) > 0 || n.InternetGateway != "" || len(n.RouteTables) > 1 || len(n.SecurityGroups) > 1
}

func requireVPC(id string) error {
	if err := required("vpcId", id); err != nil {
		return err
	}
	return kindVPC.check(id)
}

// DescribeVpcsInput asks for VPCs.
type DescribeVpcsInput struct {
	DryRun     bool
	Filters    []Filter `ec2:"Filter"`
	MaxResults *int32
	NextToken  string
	VpcIds     []string `ec2:"VpcId"`
}

// DescribeVpcsOutput lists VPCs.
type DescribeVpcsOutput struct {
	Vpcs      []Vpc  `ec2:"vpcSet"`
	NextToken string `ec2:"NextToken,omitempty"`
}

var vpcFilters = attributes[Vpc]{
	"vpc-id":          func(v Vpc) []string { return one(v.VpcId) },
	"cidr":            func(v Vpc) []string { return one(v.CidrBlock) },
	"cidr-block":      func(v Vpc) []string { return one(v.CidrBlock) },
	"cidrBlock":       func(v Vpc) []string { return one(v.CidrBlock) },
	"dhcp-options-id": func(v Vpc) []string { return one(v.DhcpOptionsId) },
	"owner-id":        func(v Vpc) []string { return one(v.OwnerId) },
	"state":           func(v Vpc) []string { return one(v.State) },
	"is-default":      func(v Vpc) []string { return truth(v.IsDefault) },
	"isDefault":       func(v Vpc) []string { return truth(v.IsDefault) },
	"cidr-block-association.cidr-block": func(v Vpc) []string {
		return each(v.CidrBlockAssociationSet, func(a VpcCidrBlockAssociation) string { return a.CidrBlock })
	},
	"cidr-block-association.association-id": func(v Vpc) []string {
		return each(v.CidrBlockAssociationSet, func(a VpcCidrBlockAssociation) string { return a.AssociationId })
	},
	"cidr-block-association.state": func(v Vpc) []string {
		return each(v.CidrBlockAssociationSet, func(a VpcCidrBlockAssociation) string { return a.CidrBlockState.State })
	},
}

// DescribeVpcs lists VPCs.
func (s *Service) DescribeVpcs(ctx context.Context, in *DescribeVpcsInput) (*DescribeVpcsOutput, error) {
	views, err := s.views(ctx)
	if err != nil {
		return nil, err
	}
	all := items(views, func(v view) []Vpc { return []Vpc{s.vpcItem(v.network)} })
	q := query{in.DryRun, in.VpcIds, in.Filters, in.MaxResults, in.NextToken}
	page, next, err := describe(all, q, kindVPC, func(v Vpc) string { return v.VpcId }, vpcFilters, func(v Vpc) []Tag { return v.Tags })
	if err != nil {
		return nil, err
	}
	return &DescribeVpcsOutput{Vpcs: page, NextToken: next}, nil
}

func (s *Service) vpcItem(n *network) Vpc {
	v := n.VPC
	return Vpc{
		VpcId: v.ID, OwnerId: s.scope.Account, State: "available", CidrBlock: v.CIDR.String(),
		CidrBlockAssociationSet: []VpcCidrBlockAssociation{{
			CidrBlock: v.CIDR.String(), AssociationId: v.CIDRAssociationID, CidrBlockState: CidrBlockState{State: "associated"},
		}},
		DhcpOptionsId: s.dhcpOptionsID(), Tags: tagSet(v.Tags), InstanceTenancy: v.InstanceTenancy,
	}
}
