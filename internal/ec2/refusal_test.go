package ec2_test

import (
	"context"
	"strings"
	"testing"

	"berth.dev/berth/internal/ec2"
)

// TestRefusals asks for what AWS refuses, one request a case, and looks that no
// record was changed by it.
func TestRefusals(t *testing.T) {
	c := newCloud(t)
	vpc, other := c.vpc("10.0.0.0/16"), c.vpc("10.0.0.0/16")
	sn := c.subnet(vpc, "10.0.0.0/24")
	second := c.subnet(vpc, "10.0.1.0/24")
	foreign := c.subnet(other, "10.0.0.0/24")
	igw := c.gateway(vpc)
	idle := must(c, c.CreateInternetGateway, ec2.CreateInternetGatewayInput{}).InternetGateway.InternetGatewayId
	table := must(c, c.CreateRouteTable, ec2.CreateRouteTableInput{VpcId: vpc}).RouteTable.RouteTableId
	association := must(c, c.AssociateRouteTable, ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: sn}).AssociationId
	must(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: ec2.RouteTarget{RouteTableId: table, DestinationCidrBlock: "0.0.0.0/0", GatewayId: igw}})
	mainTable := must(c, c.DescribeRouteTables, ec2.DescribeRouteTablesInput{Filters: []ec2.Filter{
		{Name: "vpc-id", Values: []string{vpc}}, {Name: "association.main", Values: []string{"true"}},
	}}).RouteTables[0]
	nat, taken := c.nat(sn)
	free := must(c, c.AllocateAddress, ec2.AllocateAddressInput{}).AllocationId
	group := must(c, c.CreateSecurityGroup, ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: "web", Description: "web"}).GroupId
	must(c, c.AuthorizeSecurityGroupIngress, ec2.AuthorizeSecurityGroupIngressInput{RuleRequest: tcp(group, 443)})
	client := must(c, c.CreateSecurityGroup, ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: "client", Description: "client"}).GroupId
	must(c, c.AuthorizeSecurityGroupEgress, ec2.AuthorizeSecurityGroupEgressInput{RuleRequest: ec2.RuleRequest{GroupId: client, IpPermissions: []ec2.IpPermission{
		{IpProtocol: "-1", Groups: []ec2.UserIdGroupPair{{GroupId: group}}},
	}}})
	eni := must(c, c.CreateNetworkInterface, ec2.CreateNetworkInterfaceInput{SubnetId: sn, Groups: []string{client}}).NetworkInterface
	defaultGroup := must(c, c.DescribeSecurityGroups, ec2.DescribeSecurityGroupsInput{Filters: []ec2.Filter{
		{Name: "vpc-id", Values: []string{vpc}}, {Name: "group-name", Values: []string{"default"}},
	}}).SecurityGroups[0].GroupId

	route := func(destination, gateway, nat string) ec2.RouteTarget {
		return ec2.RouteTarget{RouteTableId: table, DestinationCidrBlock: destination, GatewayId: gateway, NatGatewayId: nat}
	}
	tag := func(key string) []ec2.TagSpecification {
		return []ec2.TagSpecification{{ResourceType: "vpc", Tags: []ec2.Tag{{Key: key}}}}
	}
	missing := func(prefix string) string { return prefix + "-0123456789abcdef0" }
	tests := []struct {
		name, code, message string
		call                func() error
	}{
		{"vpc without a block", "MissingParameter", "", try(c, c.CreateVpc, ec2.CreateVpcInput{})},
		{"vpc of a text", "InvalidParameterValue", "Value (foo) for parameter cidrBlock is invalid. This is not a valid CIDR block.", try(c, c.CreateVpc, ec2.CreateVpcInput{CidrBlock: "foo"})},
		{"vpc too large", "InvalidVpc.Range", "The CIDR '10.0.0.0/8' is invalid.", try(c, c.CreateVpc, ec2.CreateVpcInput{CidrBlock: "10.0.0.0/8"})},
		{"vpc too small", "InvalidVpc.Range", "", try(c, c.CreateVpc, ec2.CreateVpcInput{CidrBlock: "10.0.0.0/29"})},
		{"vpc with IPv6", "UnsupportedOperation", "", try(c, c.CreateVpc, ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16", AmazonProvidedIpv6CidrBlock: true})},
		{"vpc with a reserved tag", "InvalidParameterValue", "Tag keys starting with 'aws:' are reserved for internal use", try(c, c.CreateVpc, ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16", TagSpecifications: tag("aws:x")})},
		{"subnet with a vpc's tags", "InvalidParameterValue", "'vpc' is not a valid taggable resource type for this operation.", try(c, c.CreateSubnet, ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: "10.0.9.0/24", TagSpecifications: tag("a")})},
		{"malformed vpc", "InvalidVpcID.Malformed", `Invalid id: "x" (expecting "vpc-...")`, try(c, c.DeleteVpc, ec2.DeleteVpcInput{VpcId: "x"})},
		{"no vpc named", "MissingParameter", "The request must contain the parameter vpcId", try(c, c.DeleteVpc, ec2.DeleteVpcInput{})},
		{"unknown vpc", "InvalidVpcID.NotFound", "The vpc ID '" + missing("vpc") + "' does not exist", try(c, c.DeleteVpc, ec2.DeleteVpcInput{VpcId: missing("vpc")})},
		{"vpc in use", "DependencyViolation", "The vpc '" + vpc + "' has dependencies and cannot be deleted.", try(c, c.DeleteVpc, ec2.DeleteVpcInput{VpcId: vpc})},
		{"two attributes", "InvalidParameterCombination", "", try(c, c.ModifyVpcAttribute, ec2.ModifyVpcAttributeInput{VpcId: vpc, EnableDnsSupport: &ec2.BooleanValue{}, EnableDnsHostnames: &ec2.BooleanValue{}})},
		{"unknown attribute", "InvalidParameterValue", "", try(c, c.DescribeVpcAttribute, ec2.DescribeVpcAttributeInput{VpcId: vpc, Attribute: "x"})},
		{"subnet overlaps", "InvalidSubnet.Conflict", "The CIDR '10.0.0.128/25' conflicts with another subnet", try(c, c.CreateSubnet, ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: "10.0.0.128/25"})},
		{"subnet outside", "InvalidSubnet.Range", "The CIDR '10.1.0.0/24' is invalid.", try(c, c.CreateSubnet, ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: "10.1.0.0/24"})},
		{"subnet too small", "InvalidSubnet.Range", "", try(c, c.CreateSubnet, ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: "10.0.9.0/29"})},
		{"subnet nowhere", "InvalidVpcID.NotFound", "", try(c, c.CreateSubnet, ec2.CreateSubnetInput{VpcId: missing("vpc"), CidrBlock: "10.0.9.0/24"})},
		{"subnet in no zone", "InvalidParameterValue", "Value (eu-central-1z) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: eu-central-1a, eu-central-1b, eu-central-1c.", try(c, c.CreateSubnet, ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: "10.0.9.0/24", AvailabilityZone: "eu-central-1z"})},
		{"subnet in use", "DependencyViolation", "", try(c, c.DeleteSubnet, ec2.DeleteSubnetInput{SubnetId: sn})},
		{"unknown subnet", "InvalidSubnetID.NotFound", "The subnet ID '" + missing("subnet") + "' does not exist", try(c, c.DescribeSubnets, ec2.DescribeSubnetsInput{SubnetIds: []string{missing("subnet")}})},
		{"gateway twice", "Resource.AlreadyAssociated", "resource " + igw + " is already attached to network " + vpc, try(c, c.AttachInternetGateway, ec2.AttachInternetGatewayInput{InternetGatewayId: igw, VpcId: other})},
		{"second gateway", "InvalidParameterValue", "Network " + vpc + " already has an internet gateway attached", try(c, c.AttachInternetGateway, ec2.AttachInternetGatewayInput{InternetGatewayId: idle, VpcId: vpc})},
		{"gateway not attached", "Gateway.NotAttached", "resource " + idle + " is not attached to network " + vpc, try(c, c.DetachInternetGateway, ec2.DetachInternetGatewayInput{InternetGatewayId: idle, VpcId: vpc})},
		{"gateway with mapped addresses", "DependencyViolation", "", try(c, c.DetachInternetGateway, ec2.DetachInternetGatewayInput{InternetGatewayId: igw, VpcId: vpc})},
		{"attached gateway", "DependencyViolation", "The internetGateway '" + igw + "' has dependencies and cannot be deleted.", try(c, c.DeleteInternetGateway, ec2.DeleteInternetGatewayInput{InternetGatewayId: igw})},
		{"unknown gateway", "InvalidInternetGatewayID.NotFound", "", try(c, c.DeleteInternetGateway, ec2.DeleteInternetGatewayInput{InternetGatewayId: missing("igw")})},
		{"unknown address", "InvalidAllocationID.NotFound", "The allocation ID '" + missing("eipalloc") + "' does not exist", try(c, c.ReleaseAddress, ec2.ReleaseAddressInput{AllocationId: missing("eipalloc")})},
		{"address in use", "InvalidIPAddress.InUse", "", try(c, c.ReleaseAddress, ec2.ReleaseAddressInput{AllocationId: taken})},
		{"nat with a used address", "Resource.AlreadyAssociated", "", try(c, c.CreateNatGateway, ec2.CreateNatGatewayInput{SubnetId: sn, AllocationId: taken})},
		{"nat without an address", "MissingParameter", "The request must contain the parameter allocationId", try(c, c.CreateNatGateway, ec2.CreateNatGatewayInput{SubnetId: sn})},
		{"nat in no subnet", "InvalidSubnetID.NotFound", "", try(c, c.CreateNatGateway, ec2.CreateNatGatewayInput{SubnetId: missing("subnet"), AllocationId: free})},
		{"private nat", "UnsupportedOperation", "", try(c, c.CreateNatGateway, ec2.CreateNatGatewayInput{SubnetId: sn, ConnectivityType: "private"})},
		{"unknown nat", "NatGatewayNotFound", "The Nat Gateway " + missing("nat") + " was not found", try(c, c.DeleteNatGateway, ec2.DeleteNatGatewayInput{NatGatewayId: missing("nat")})},
		{"malformed nat", "NatGatewayMalformed", "", try(c, c.DescribeNatGateways, ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{"x"}})},
		{"table in use", "DependencyViolation", "The routeTable '" + table + "' has dependencies and cannot be deleted.", try(c, c.DeleteRouteTable, ec2.DeleteRouteTableInput{RouteTableId: table})},
		{"main table", "DependencyViolation", "", try(c, c.DeleteRouteTable, ec2.DeleteRouteTableInput{RouteTableId: mainTable.RouteTableId})},
		{"unknown table", "InvalidRouteTableID.NotFound", "The routeTable ID '" + missing("rtb") + "' does not exist", try(c, c.DeleteRouteTable, ec2.DeleteRouteTableInput{RouteTableId: missing("rtb")})},
		{"route twice", "RouteAlreadyExists", "The route identified by 0.0.0.0/0 already exists.", try(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: route("0.0.0.0/0", "", nat)})},
		{"local route again", "RouteAlreadyExists", "", try(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: route("10.0.0.0/16", igw, "")})},
		{"route to no gateway", "InvalidInternetGatewayID.NotFound", "", try(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: route("1.0.0.0/8", missing("igw"), "")})},
		{"route to a detached gateway", "InvalidParameterValue", "", try(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: route("1.0.0.0/8", idle, "")})},
		{"route to no nat", "InvalidNatGatewayID.NotFound", "The natGateway ID '" + missing("nat") + "' does not exist", try(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: route("1.0.0.0/8", "", missing("nat"))})},
		{"route to two", "InvalidParameterCombination", "", try(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: route("1.0.0.0/8", igw, nat)})},
		{"route to an instance", "UnsupportedOperation", "", try(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: ec2.RouteTarget{RouteTableId: table, DestinationCidrBlock: "1.0.0.0/8", InstanceId: "i-0123456789abcdef0"}})},
		{"replacing no route", "InvalidRoute.NotFound", "no route with destination-cidr-block 1.0.0.0/8 in route table " + table, try(c, c.ReplaceRoute, ec2.ReplaceRouteInput{RouteTarget: route("1.0.0.0/8", igw, "")})},
		{"deleting no route", "InvalidRoute.NotFound", "", try(c, c.DeleteRoute, ec2.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: "1.0.0.0/8"})},
		{"deleting the local route", "InvalidParameterValue", "cannot remove local route 10.0.0.0/16 in route table " + table, try(c, c.DeleteRoute, ec2.DeleteRouteInput{RouteTableId: table, DestinationCidrBlock: "10.0.0.0/16"})},
		{"two tables for a subnet", "Resource.AlreadyAssociated", "", try(c, c.AssociateRouteTable, ec2.AssociateRouteTableInput{RouteTableId: mainTable.RouteTableId, SubnetId: sn})},
		{"table of another vpc", "InvalidParameterValue", "", try(c, c.AssociateRouteTable, ec2.AssociateRouteTableInput{RouteTableId: table, SubnetId: foreign})},
		{"unknown association", "InvalidAssociationID.NotFound", "The association ID '" + missing("rtbassoc") + "' does not exist", try(c, c.DisassociateRouteTable, ec2.DisassociateRouteTableInput{AssociationId: missing("rtbassoc")})},
		{"main association", "InvalidParameterValue", "", try(c, c.DisassociateRouteTable, ec2.DisassociateRouteTableInput{AssociationId: mainTable.Associations[0].RouteTableAssociationId})},
		{"replacing with no table", "InvalidRouteTableID.NotFound", "", try(c, c.ReplaceRouteTableAssociation, ec2.ReplaceRouteTableAssociationInput{AssociationId: association, RouteTableId: missing("rtb")})},
		{"group twice", "InvalidGroup.Duplicate", "The security group 'web' already exists for VPC '" + vpc + "'", try(c, c.CreateSecurityGroup, ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: "web", Description: "x"})},
		{"group in no vpc", "VPCIdNotSpecified", "", try(c, c.CreateSecurityGroup, ec2.CreateSecurityGroupInput{GroupName: "x", Description: "x"})},
		{"group named sg-", "InvalidParameterValue", "", try(c, c.CreateSecurityGroup, ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: "sg-x", Description: "x"})},
		{"default group", "CannotDelete", "", try(c, c.DeleteSecurityGroup, ec2.DeleteSecurityGroupInput{GroupId: defaultGroup})},
		{"group that a rule names", "DependencyViolation", "resource " + group + " has a dependent object", try(c, c.DeleteSecurityGroup, ec2.DeleteSecurityGroupInput{GroupId: group})},
		{"group that an interface carries", "DependencyViolation", "resource " + client + " has a dependent object", try(c, c.DeleteSecurityGroup, ec2.DeleteSecurityGroupInput{GroupId: client})},
		{"unknown group", "InvalidGroup.NotFound", "The security group '" + missing("sg") + "' does not exist", try(c, c.DeleteSecurityGroup, ec2.DeleteSecurityGroupInput{GroupId: missing("sg")})},
		{"malformed group", "InvalidGroupId.Malformed", "", try(c, c.DeleteSecurityGroup, ec2.DeleteSecurityGroupInput{GroupId: "web"})},
		{"rule twice", "InvalidPermission.Duplicate", `the specified rule "peer: 0.0.0.0/0, TCP, from port: 443, to port: 443, ALLOW" already exists`, try(c, c.AuthorizeSecurityGroupIngress, ec2.AuthorizeSecurityGroupIngressInput{RuleRequest: tcp(group, 443)})},
		{"all out twice", "InvalidPermission.Duplicate", `the specified rule "peer: 0.0.0.0/0, ALL, ALLOW" already exists`, try(c, c.AuthorizeSecurityGroupEgress, ec2.AuthorizeSecurityGroupEgressInput{RuleRequest: ec2.RuleRequest{GroupId: group, IpProtocol: "-1", CidrIp: "0.0.0.0/0"}})},
		{"rule from no group", "InvalidGroup.NotFound", "", try(c, c.AuthorizeSecurityGroupIngress, ec2.AuthorizeSecurityGroupIngressInput{RuleRequest: ec2.RuleRequest{GroupId: group, IpPermissions: []ec2.IpPermission{{IpProtocol: "-1", Groups: []ec2.UserIdGroupPair{{GroupId: missing("sg")}}}}}})},
		{"rule without ports", "InvalidParameterValue", "", try(c, c.AuthorizeSecurityGroupIngress, ec2.AuthorizeSecurityGroupIngressInput{RuleRequest: ec2.RuleRequest{GroupId: group, IpProtocol: "tcp", CidrIp: "0.0.0.0/0"}})},
		{"rule with a bad block", "InvalidParameterValue", "CIDR block x is malformed", try(c, c.AuthorizeSecurityGroupIngress, ec2.AuthorizeSecurityGroupIngressInput{RuleRequest: ec2.RuleRequest{GroupId: group, IpProtocol: "-1", CidrIp: "x"}})},
		{"port out of range", "InvalidParameterValue", "", try(c, c.AuthorizeSecurityGroupIngress, ec2.AuthorizeSecurityGroupIngressInput{RuleRequest: tcp(group, 70000)})},
		{"revoking no rule", "InvalidPermission.NotFound", "The specified rule does not exist in this security group.", try(c, c.RevokeSecurityGroupIngress, ec2.RevokeSecurityGroupIngressInput{RuleRequest: tcp(group, 80)})},
		{"revoking an unknown rule", "InvalidSecurityGroupRuleId.NotFound", "", try(c, c.RevokeSecurityGroupIngress, ec2.RevokeSecurityGroupIngressInput{RuleRequest: ec2.RuleRequest{GroupId: group}, SecurityGroupRuleIds: []string{missing("sgr")}})},
		{"interface in no group", "InvalidGroup.NotFound", "", try(c, c.CreateNetworkInterface, ec2.CreateNetworkInterfaceInput{SubnetId: sn, Groups: []string{missing("sg")}})},
		{"interface at a taken address", "InvalidIPAddress.InUse", "", try(c, c.CreateNetworkInterface, ec2.CreateNetworkInterfaceInput{SubnetId: sn, PrivateIpAddress: addr(eni.PrivateIpAddress)})},
		{"interface at a reserved address", "InvalidParameterValue", "", try(c, c.CreateNetworkInterface, ec2.CreateNetworkInterfaceInput{SubnetId: sn, PrivateIpAddress: addr("10.0.0.2")})},
		{"interface outside", "InvalidParameterValue", "", try(c, c.CreateNetworkInterface, ec2.CreateNetworkInterfaceInput{SubnetId: second, PrivateIpAddress: addr("10.0.0.200")})},
		{"unknown interface", "InvalidNetworkInterfaceID.NotFound", "The networkInterface ID '" + missing("eni") + "' does not exist", try(c, c.DeleteNetworkInterface, ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: missing("eni")})},
		{"tagging nothing", "MissingParameter", "", try(c, c.CreateTags, ec2.CreateTagsInput{Tags: []ec2.Tag{{Key: "a"}}})},
		{"tagging a stranger", "InvalidID", "The ID 'foo-1' is not valid", try(c, c.CreateTags, ec2.CreateTagsInput{Resources: []string{vpc, "foo-1"}, Tags: []ec2.Tag{{Key: "a"}}})},
		{"tagging what is gone", "InvalidSubnetID.NotFound", "", try(c, c.CreateTags, ec2.CreateTagsInput{Resources: []string{vpc, missing("subnet")}, Tags: []ec2.Tag{{Key: "a"}}})},
		{"unknown filter", "InvalidParameterValue", "The filter 'colour' is invalid", try(c, c.DescribeVpcs, ec2.DescribeVpcsInput{Filters: []ec2.Filter{{Name: "colour", Values: []string{"red"}}}})},
		{"page too small", "InvalidParameterValue", "", try(c, c.DescribeVpcs, ec2.DescribeVpcsInput{MaxResults: ptr(int32(1))})},
		{"bad page token", "InvalidNextToken", "", try(c, c.DescribeVpcs, ec2.DescribeVpcsInput{NextToken: "!"})},
		{"unknown zone", "InvalidParameterValue", "Invalid availability zone: [eu-central-1z]", try(c, c.DescribeAvailabilityZones, ec2.DescribeAvailabilityZonesInput{ZoneNames: []string{"eu-central-1z"}})},
		{"dry run", "DryRunOperation", "Request would have succeeded, but DryRun flag is set.", try(c, c.CreateVpc, ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16", DryRun: true})},
		{"dry run of a delete", "DryRunOperation", "", try(c, c.DeleteSubnet, ec2.DeleteSubnetInput{SubnetId: second, DryRun: true})},
		{"dry run of a group's delete", "DryRunOperation", "", try(c, c.DeleteSecurityGroup, ec2.DeleteSecurityGroupInput{GroupId: idleGroup(c, vpc), DryRun: true})},
		{"dry run of a read", "DryRunOperation", "", try(c, c.DescribeVpcs, ec2.DescribeVpcsInput{DryRun: true})},
	}
	before := snapshot(c)
	for _, test := range tests {
		t.Run(strings.ReplaceAll(test.name, " ", "_"), func(t *testing.T) {
			wantFault(t, test.call(), test.code, test.message)
			if after := snapshot(c); after != before {
				t.Errorf("the refused request changed records:\nbefore: %s\nafter:  %s", before, after)
			}
		})
	}
}

// idleGroup is a group that nothing uses.
func idleGroup(c *cloud, vpc string) string {
	return must(c, c.CreateSecurityGroup, ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: "idle", Description: "idle"}).GroupId
}

func try[I, O any](c *cloud, op func(context.Context, *I) (*O, error), in I) func() error {
	return func() error {
		_, err := op(c.ctx, &in)
		return err
	}
}

func tcp(group string, port int) ec2.RuleRequest {
	return ec2.RuleRequest{GroupId: group, IpPermissions: []ec2.IpPermission{
		{IpProtocol: "tcp", FromPort: &port, ToPort: &port, IpRanges: []ec2.IpRange{{CidrIp: "0.0.0.0/0"}}},
	}}
}
