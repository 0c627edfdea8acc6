package ec2

import (
	"context"
	"strconv"
)

// SubnetItem is a subnet in a response.
type SubnetItem struct {
	SubnetId                      string
	SubnetArn                     string
	State                         string
	OwnerId                       string
	VpcId                         string
	CidrBlock                     string
	Ipv6CidrBlockAssociationSet   []SubnetIpv6Association
	AvailableIpAddressCount       int
	AvailabilityZone              string
	AvailabilityZoneId            string
	DefaultForAz                  bool
	MapPublicIpOnLaunch           bool
	MapCustomerOwnedIpOnLaunch    bool
	AssignIpv6AddressOnCreation   bool
	EnableDns64                   bool
	Ipv6Native                    bool
	PrivateDnsNameOptionsOnLaunch PrivateDnsNameOptions
	Tags                          []Tag `ec2:"Tag/tagSet"`
}

// SubnetIpv6Association is an IPv6 block of a subnet; there is never one.
type SubnetIpv6Association struct {
	Ipv6CidrBlock string
}

// PrivateDnsNameOptions says how names are made from addresses.
type PrivateDnsNameOptions struct {
	HostnameType                    string
	EnableResourceNameDnsARecord    bool
	EnableResourceNameDnsAAAARecord bool
}

func (s *Service) subnetItem(sn Subnet, p *pool) SubnetItem {
	return SubnetItem{
		SubnetId: sn.ID, SubnetArn: s.scope.Regional("ec2", "subnet/"+sn.ID).String(),
		State: "available", OwnerId: s.scope.Account, VpcId: sn.VPCID, CidrBlock: sn.CIDR.String(),
		Ipv6CidrBlockAssociationSet: []SubnetIpv6Association{},
		AvailableIpAddressCount:     p.free(sn.CIDR),
		AvailabilityZone:            sn.Zone.Name, AvailabilityZoneId: sn.Zone.ID,
		MapPublicIpOnLaunch:           sn.MapPublicIPOnLaunch,
		PrivateDnsNameOptionsOnLaunch: PrivateDnsNameOptions{HostnameType: "ip-name"},
		Tags:                          tagSet(sn.Tags),
	}
}

// DescribeSubnetsInput asks for subnets.
type DescribeSubnetsInput struct {
	DryRun     bool
	Filters    []Filter `ec2:"Filter"`
	MaxResults *int32
	NextToken  string
	SubnetIds  []string `ec2:"SubnetId"`
}

// DescribeSubnetsOutput lists subnets.
type DescribeSubnetsOutput struct {
	Subnets   []SubnetItem `ec2:"subnetSet"`
	NextToken string       `ec2:"NextToken,omitempty"`
}

var subnetFilters = attributes[SubnetItem]{
	"subnet-id":                  func(i SubnetItem) []string { return one(i.SubnetId) },
	"subnet-arn":                 func(i SubnetItem) []string { return one(i.SubnetArn) },
	"vpc-id":                     func(i SubnetItem) []string { return one(i.VpcId) },
	"availability-zone":          func(i SubnetItem) []string { return one(i.AvailabilityZone) },
	"availabilityZone":           func(i SubnetItem) []string { return one(i.AvailabilityZone) },
	"availability-zone-id":       func(i SubnetItem) []string { return one(i.AvailabilityZoneId) },
	"availabilityZoneId":         func(i SubnetItem) []string { return one(i.AvailabilityZoneId) },
	"available-ip-address-count": func(i SubnetItem) []string { return one(strconv.Itoa(i.AvailableIpAddressCount)) },
	"cidr":                       func(i SubnetItem) []string { return one(i.CidrBlock) },
	"cidr-block":                 func(i SubnetItem) []string { return one(i.CidrBlock) },
	"cidrBlock":                  func(i SubnetItem) []string { return one(i.CidrBlock) },
	"default-for-az":             func(i SubnetItem) []string { return truth(i.DefaultForAz) },
	"defaultForAz":               func(i SubnetItem) []string { return truth(i.DefaultForAz) },
	"map-public-ip-on-launch":    func(i SubnetItem) []string { return truth(i.MapPublicIpOnLaunch) },
	"owner-id":                   func(i SubnetItem) []string { return one(i.OwnerId) },
	"state":                      func(i SubnetItem) []string { return one(i.State) },
}

// DescribeSubnets lists subnets.
func (s *Service) DescribeSubnets(ctx context.Context, in *DescribeSubnetsInput) (*DescribeSubnetsOutput, error) {
	views, err := s.views(ctx)
	if err != nil {
		return nil, err
	}
	all := items(views, func(v view) []SubnetItem {
		out := make([]SubnetItem, 0, len(v.Subnets))
		for _, sn := range v.Subnets {
			out = append(out, s.subnetItem(sn, v.pool(sn.ID)))
		}
		return out
	})
	q := query{in.DryRun, in.SubnetIds, in.Filters, in.MaxResults, in.NextToken}
	page, next, err := describe(all, q, kindSubnet, func(i SubnetItem) string { return i.SubnetId }, subnetFilters, func(i SubnetItem) []Tag { return i.Tags })
	if err != nil {
		return nil, err
	}
	return &DescribeSubnetsOutput{Subnets: page, NextToken: next}, nil
}

// pool is the pool of a subnet, an empty one when it is not there.
func (v view) pool(subnetID string) *pool {
	if p := v.pools[subnetID]; p != nil {
		return p
	}
	return &pool{}
}
