package ec2client

import (
	"context"
	"slices"
	"strconv"
)

// Zone is an availability zone.
type Zone struct {
	Name string `xml:"zoneName"`
	ID   string `xml:"zoneId"`
}

// AvailabilityZones lists the zones of the region that can be used, by name.
func (c *Client) AvailabilityZones(ctx context.Context) ([]Zone, error) {
	var out struct {
		Zones []Zone `xml:"availabilityZoneInfo>item"`
	}
	p := params{}.filters([]Filter{
		{Name: "region-name", Values: []string{c.Region}},
		{Name: "state", Values: []string{"available"}},
		{Name: "zone-type", Values: []string{"availability-zone"}},
	})
	err := c.call(ctx, "DescribeAvailabilityZones", p, &out)
	slices.SortFunc(out.Zones, func(a, b Zone) int { return compare(a.Name, b.Name) })
	return out.Zones, err
}

func compare(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// VPC is a VPC.
type VPC struct {
	ID   string `xml:"vpcId"`
	CIDR string `xml:"cidrBlock"`
	Tags []Tag  `xml:"tagSet>item"`
}

// CreateVPC makes a VPC.
func (c *Client) CreateVPC(ctx context.Context, cidr string, tags []Tag) (VPC, error) {
	var out struct {
		VPC VPC `xml:"vpc"`
	}
	err := c.call(ctx, "CreateVpc", params{}.set("CidrBlock", cidr).tags("vpc", tags), &out)
	return out.VPC, err
}

// VPCs lists VPCs.
func (c *Client) VPCs(ctx context.Context, filters ...Filter) ([]VPC, error) {
	return list[VPC](ctx, c, "DescribeVpcs", params{}.filters(filters))
}

// SetVPCAttribute sets enableDnsSupport or enableDnsHostnames.
func (c *Client) SetVPCAttribute(ctx context.Context, id, attribute string, value bool) error {
	return c.call(ctx, "ModifyVpcAttribute", params{}.set("VpcId", id).set(attribute+".Value", strconv.FormatBool(value)), nil)
}

// DeleteVPC removes a VPC.
func (c *Client) DeleteVPC(ctx context.Context, id string) error {
	return c.call(ctx, "DeleteVpc", params{}.set("VpcId", id), nil)
}

// Subnet is a subnet.
type Subnet struct {
	ID        string `xml:"subnetId"`
	VPCID     string `xml:"vpcId"`
	CIDR      string `xml:"cidrBlock"`
	Zone      string `xml:"availabilityZone"`
	PublicIPs bool   `xml:"mapPublicIpOnLaunch"`
	Tags      []Tag  `xml:"tagSet>item"`
}

// CreateSubnet makes a subnet.
func (c *Client) CreateSubnet(ctx context.Context, s Subnet) (Subnet, error) {
	var out struct {
		Subnet Subnet `xml:"subnet"`
	}
	p := params{}.set("VpcId", s.VPCID).set("CidrBlock", s.CIDR).set("AvailabilityZone", s.Zone).tags("subnet", s.Tags)
	err := c.call(ctx, "CreateSubnet", p, &out)
	return out.Subnet, err
}

// Subnets lists subnets.
func (c *Client) Subnets(ctx context.Context, filters ...Filter) ([]Subnet, error) {
	return list[Subnet](ctx, c, "DescribeSubnets", params{}.filters(filters))
}

// SubnetsByID lists the named subnets; an unknown one is an error.
func (c *Client) SubnetsByID(ctx context.Context, ids []string) ([]Subnet, error) {
	p := params{}
	for i, id := range ids {
		p.set("SubnetId."+strconv.Itoa(i+1), id)
	}
	return list[Subnet](ctx, c, "DescribeSubnets", p)
}

// MapPublicIPs makes a subnet give public addresses.
func (c *Client) MapPublicIPs(ctx context.Context, id string) error {
	return c.call(ctx, "ModifySubnetAttribute", params{}.set("SubnetId", id).set("MapPublicIpOnLaunch.Value", "true"), nil)
}

// DeleteSubnet removes a subnet.
func (c *Client) DeleteSubnet(ctx context.Context, id string) error {
	return c.call(ctx, "DeleteSubnet", params{}.set("SubnetId", id), nil)
}

// InternetGateway is an internet gateway and the VPCs that it is attached to.
type InternetGateway struct {
	ID   string   `xml:"internetGatewayId"`
	VPCs []string `xml:"attachmentSet>item>vpcId"`
}

// CreateInternetGateway makes an internet gateway.
func (c *Client) CreateInternetGateway(ctx context.Context, tags []Tag) (InternetGateway, error) {
	var out struct {
		Gateway InternetGateway `xml:"internetGateway"`
	}
	err := c.call(ctx, "CreateInternetGateway", params{}.tags("internet-gateway", tags), &out)
	return out.Gateway, err
}

// InternetGateways lists internet gateways.
func (c *Client) InternetGateways(ctx context.Context, filters ...Filter) ([]InternetGateway, error) {
	return list[InternetGateway](ctx, c, "DescribeInternetGateways", params{}.filters(filters))
}

// AttachInternetGateway attaches a gateway to a VPC.
func (c *Client) AttachInternetGateway(ctx context.Context, id, vpcID string) error {
	return c.call(ctx, "AttachInternetGateway", params{}.set("InternetGatewayId", id).set("VpcId", vpcID), nil)
}

// DetachInternetGateway detaches a gateway from a VPC.
func (c *Client) DetachInternetGateway(ctx context.Context, id, vpcID string) error {
	return c.call(ctx, "DetachInternetGateway", params{}.set("InternetGatewayId", id).set("VpcId", vpcID), nil)
}

// DeleteInternetGateway removes a gateway.
func (c *Client) DeleteInternetGateway(ctx context.Context, id string) error {
	return c.call(ctx, "DeleteInternetGateway", params{}.set("InternetGatewayId", id), nil)
}

// Address is an elastic address.
type Address struct {
	ID       string `xml:"allocationId"`
	PublicIP string `xml:"publicIp"`
	Tags     []Tag  `xml:"tagSet>item"`
}

// AllocateAddress takes an elastic address.
func (c *Client) AllocateAddress(ctx context.Context, tags []Tag) (Address, error) {
	var out Address
	err := c.call(ctx, "AllocateAddress", params{}.set("Domain", "vpc").tags("elastic-ip", tags), &out)
	return out, err
}

// Addresses lists elastic addresses.
func (c *Client) Addresses(ctx context.Context, filters ...Filter) ([]Address, error) {
	return list[Address](ctx, c, "DescribeAddresses", params{}.filters(filters))
}

// ReleaseAddress gives an elastic address back.
func (c *Client) ReleaseAddress(ctx context.Context, id string) error {
	return c.call(ctx, "ReleaseAddress", params{}.set("AllocationId", id), nil)
}
