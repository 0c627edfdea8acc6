package ec2_test

import (
	"testing"

	"berth.dev/berth/internal/ec2"
)

func TestReads(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	sn := c.subnet(vpc, "10.0.0.0/24")
	g := must(c, c.DescribeSecurityGroups, ec2.DescribeSecurityGroupsInput{}).SecurityGroups[0].GroupId
	if got, err := c.VPC(c.ctx, vpc); err != nil || got.ID != vpc || !got.DNSSupport || got.DNSHostnames {
		t.Errorf("VPC = %+v, %v", got, err)
	}
	if got, err := c.Subnet(c.ctx, sn); err != nil || got.VPCID != vpc || got.Zone.ID != "euc1-az1" {
		t.Errorf("Subnet = %+v, %v", got, err)
	}
	if got, err := c.SecurityGroup(c.ctx, g); err != nil || got.VPCID != vpc || got.Name != "default" {
		t.Errorf("SecurityGroup = %+v, %v", got, err)
	}
	options := must(c, c.DescribeVpcs, ec2.DescribeVpcsInput{}).Vpcs[0].DhcpOptionsId
	if got := must(c, c.DescribeDhcpOptions, ec2.DescribeDhcpOptionsInput{DhcpOptionsIds: []string{options}}).DhcpOptions; len(got) != 1 {
		t.Errorf("the VPC's DHCP options %s are %v", options, got)
	}
	if got := must(c, c.DescribeAccountAttributes, ec2.DescribeAccountAttributesInput{AttributeNames: []string{"default-vpc"}}).AccountAttributes; len(got) != 1 || got[0].AttributeValues[0].AttributeValue != "none" {
		t.Errorf("default-vpc is %+v, want none", got)
	}

	absent := "-0123456789abcdef0"
	tests := []struct {
		name, code string
		read       func() error
	}{
		{"vpc", "InvalidVpcID.NotFound", func() error { _, err := c.VPC(c.ctx, "vpc"+absent); return err }},
		{"subnet", "InvalidSubnetID.NotFound", func() error { _, err := c.Subnet(c.ctx, "subnet"+absent); return err }},
		{"routing", "InvalidSubnetID.NotFound", func() error { _, err := c.SubnetRouting(c.ctx, "subnet"+absent); return err }},
		{"free addresses", "InvalidSubnetID.NotFound", func() error { _, err := c.FreeAddresses(c.ctx, "subnet"+absent); return err }},
		{"group", "InvalidGroup.NotFound", func() error { _, err := c.SecurityGroup(c.ctx, "sg"+absent); return err }},
		{"interface", "InvalidNetworkInterfaceID.NotFound", func() error { _, err := c.Interface(c.ctx, "eni"+absent); return err }},
		{"network", "InvalidVpcID.NotFound", func() error { _, err := c.Network(c.ctx, "vpc"+absent); return err }},
		{"a text", "InvalidSubnetID.Malformed", func() error { _, err := c.Subnet(c.ctx, "x"); return err }},
		{"allocation", "InvalidSubnetID.NotFound", func() error {
			_, err := c.AllocateInterface(c.ctx, ec2.InterfaceRequest{SubnetID: "subnet" + absent})
			return err
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { wantFault(t, test.read(), test.code, "") })
	}
}
