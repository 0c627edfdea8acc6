package ec2_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/internal/ec2"
	"berth.dev/berth/internal/fault"
)

func TestMainRouteTable(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	sn := c.subnet(vpc, "10.0.0.0/24")
	igw := c.gateway(vpc)
	reach := func() ec2.SubnetRouting {
		t.Helper()
		r, err := c.SubnetRouting(c.ctx, sn)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	first := must(c, c.DescribeRouteTables, ec2.DescribeRouteTablesInput{}).RouteTables[0]
	if r := reach(); r.Reach != ec2.Isolated || r.RouteTableID != first.RouteTableId || !r.Main || r.Default != nil {
		t.Errorf("a subnet in a new VPC is %+v, want isolated by the main table", r)
	}
	other := must(c, c.CreateRouteTable, ec2.CreateRouteTableInput{VpcId: vpc, ClientToken: "t"}).RouteTable.RouteTableId
	if again := must(c, c.CreateRouteTable, ec2.CreateRouteTableInput{VpcId: vpc, ClientToken: "t"}).RouteTable.RouteTableId; again != other {
		t.Errorf("the same token made %s and %s", other, again)
	}
	must(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: ec2.RouteTarget{RouteTableId: other, DestinationCidrBlock: "0.0.0.0/0", GatewayId: igw}})
	must(c, c.ReplaceRouteTableAssociation, ec2.ReplaceRouteTableAssociationInput{
		AssociationId: first.Associations[0].RouteTableAssociationId, RouteTableId: other,
	})
	if r := reach(); r.Reach != ec2.Public || r.RouteTableID != other || !r.Main || r.Default.GatewayID != igw || r.State != ec2.RouteActive {
		t.Errorf("after its VPC got another main table the subnet is %+v, want public", r)
	}
	must(c, c.DetachInternetGateway, ec2.DetachInternetGatewayInput{InternetGatewayId: igw, VpcId: vpc})
	if r := reach(); r.Reach != ec2.Public || r.State != ec2.RouteBlackhole {
		t.Errorf("with its gateway detached the subnet is %s, %s, want public and a black hole", r.Reach, r.State)
	}
	must(c, c.DeleteRouteTable, ec2.DeleteRouteTableInput{RouteTableId: first.RouteTableId})
	must(c, c.AssociateRouteTable, ec2.AssociateRouteTableInput{RouteTableId: other, SubnetId: sn})
	must(c, c.DeleteSubnet, ec2.DeleteSubnetInput{SubnetId: sn})
	left := must(c, c.DescribeRouteTables, ec2.DescribeRouteTablesInput{RouteTableIds: []string{other}}).RouteTables[0].Associations
	if len(left) != 1 || !left[0].Main {
		t.Errorf("associations after the subnet was deleted: %+v, want the main one", left)
	}
	must(c, c.DeleteVpc, ec2.DeleteVpcInput{VpcId: vpc})
}

func TestSecurityGroup(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	g := must(c, c.CreateSecurityGroup, ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: "web", Description: "the web"}).GroupId
	made := must(c, c.AuthorizeSecurityGroupIngress, ec2.AuthorizeSecurityGroupIngressInput{RuleRequest: ec2.RuleRequest{GroupId: g, IpPermissions: []ec2.IpPermission{
		{IpProtocol: "6", FromPort: ptr(80), ToPort: ptr(81), IpRanges: []ec2.IpRange{{CidrIp: "10.0.0.0/8"}, {CidrIp: "192.168.0.0/16", Description: "home"}}, Groups: []ec2.UserIdGroupPair{{GroupId: g}}},
		{IpProtocol: "-1", Ipv6Ranges: []ec2.Ipv6Range{{CidrIpv6: "::/0"}}},
	}}}).SecurityGroupRules
	if len(made) != 4 || made[0].IpProtocol != "tcp" || made[0].FromPort != 80 || made[0].CidrIpv4 != "10.0.0.0/8" {
		t.Errorf("new rules: %+v", made)
	}
	got := must(c, c.DescribeSecurityGroups, ec2.DescribeSecurityGroupsInput{GroupIds: []string{g}}).SecurityGroups[0].IpPermissions
	want := []ec2.IpPermission{
		{
			IpProtocol: "tcp", FromPort: ptr(80), ToPort: ptr(81), Groups: []ec2.UserIdGroupPair{{GroupId: g, UserId: "123456789012"}},
			IpRanges:   []ec2.IpRange{{CidrIp: "10.0.0.0/8"}, {CidrIp: "192.168.0.0/16", Description: "home"}},
			Ipv6Ranges: []ec2.Ipv6Range{}, PrefixListIds: []ec2.PrefixListId{},
		},
		{
			IpProtocol: "-1", Groups: []ec2.UserIdGroupPair{}, IpRanges: []ec2.IpRange{},
			Ipv6Ranges: []ec2.Ipv6Range{{CidrIpv6: "::/0"}}, PrefixListIds: []ec2.PrefixListId{},
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("permissions (-want +got):\n%s", diff)
	}
	must(c, c.RevokeSecurityGroupIngress, ec2.RevokeSecurityGroupIngressInput{RuleRequest: ec2.RuleRequest{GroupId: g}, SecurityGroupRuleIds: []string{made[0].SecurityGroupRuleId}})
	must(c, c.RevokeSecurityGroupEgress, ec2.RevokeSecurityGroupEgressInput{RuleRequest: ec2.RuleRequest{GroupId: g, IpProtocol: "-1", CidrIp: "0.0.0.0/0"}})
	rules := must(c, c.DescribeSecurityGroupRules, ec2.DescribeSecurityGroupRulesInput{Filters: []ec2.Filter{{Name: "group-id", Values: []string{g}}}}).SecurityGroupRules
	if len(rules) != 3 {
		t.Errorf("%d rules are left, want 3: %+v", len(rules), rules)
	}
	must(c, c.DeleteSecurityGroup, ec2.DeleteSecurityGroupInput{GroupId: g})
	refused(c, c.DescribeSecurityGroups, ec2.DescribeSecurityGroupsInput{GroupIds: []string{g}}, "InvalidGroup.NotFound", "")
	must(c, c.DeleteVpc, ec2.DeleteVpcInput{VpcId: vpc})
}

// TestGroupIsNotDeletedUnderAnInterface races deletes of groups with the making
// of interfaces that carry them: one of the two must lose.
func TestGroupIsNotDeletedUnderAnInterface(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	sn := c.subnet(vpc, "10.0.0.0/24")
	for i := range 20 {
		g := must(c, c.CreateSecurityGroup, ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: fmt.Sprint("g", i), Description: "x"}).GroupId
		var wg sync.WaitGroup
		var allocated, deleted error
		wg.Go(func() {
			_, allocated = c.AllocateInterface(c.ctx, ec2.InterfaceRequest{SubnetID: sn, SecurityGroups: []string{g}})
		})
		wg.Go(func() { _, deleted = c.DeleteSecurityGroup(c.ctx, &ec2.DeleteSecurityGroupInput{GroupId: g}) })
		wg.Wait()
		if allocated == nil && deleted == nil {
			t.Fatalf("group %s was deleted although an interface carries it", g)
		}
		if allocated != nil {
			wantFault(t, allocated, "InvalidGroup.NotFound", "")
		}
		if deleted != nil {
			wantFault(t, deleted, "DependencyViolation", "")
		}
	}
}

func TestClusterSecurityGroup(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	sn := c.subnet(vpc, "10.0.0.0/24")
	request := ec2.ClusterGroupRequest{VPCID: vpc, Cluster: "demo", Suffix: "123"}
	first, err := c.EnsureClusterSecurityGroup(c.ctx, request)
	if err != nil {
		t.Fatal(err)
	}
	second, err := c.EnsureClusterSecurityGroup(c.ctx, request)
	if err != nil || second.ID != first.ID {
		t.Errorf("the second time the group is %s (%v), want %s", second.ID, err, first.ID)
	}
	got := must(c, c.DescribeSecurityGroups, ec2.DescribeSecurityGroupsInput{Filters: []ec2.Filter{{Name: "tag-key", Values: []string{"kubernetes.io/cluster/demo"}}}}).SecurityGroups
	if len(got) != 1 || got[0].GroupName != "eks-cluster-sg-demo-123" || got[0].IpPermissions[0].Groups[0].GroupId != first.ID || got[0].IpPermissionsEgress[0].IpRanges[0].CidrIp != "0.0.0.0/0" {
		t.Errorf("the cluster's group is %+v", got)
	}
	eni, err := c.AllocateInterface(c.ctx, ec2.InterfaceRequest{SubnetID: sn, SecurityGroups: []string{first.ID}, RequesterManaged: true})
	if err != nil {
		t.Fatal(err)
	}
	wantFault(t, c.DeleteClusterSecurityGroup(c.ctx, first.ID), "DependencyViolation", "")
	refused(c, c.DeleteNetworkInterface, ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: eni.ID}, "OperationNotPermitted", "")
	if err := c.ReleaseInterface(c.ctx, eni.ID); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := c.DeleteClusterSecurityGroup(c.ctx, first.ID); err != nil {
			t.Errorf("DeleteClusterSecurityGroup: %v", err)
		}
	}
}

func TestNetworkInterface(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	sn := c.subnet(vpc, "10.0.0.0/24")
	must(c, c.ModifyVpcAttribute, ec2.ModifyVpcAttributeInput{VpcId: vpc, EnableDnsHostnames: &ec2.BooleanValue{Value: true}})
	eni := must(c, c.CreateNetworkInterface, ec2.CreateNetworkInterfaceInput{SubnetId: sn, PrivateIpAddress: addr("10.0.0.77")}).NetworkInterface
	if eni.PrivateDnsName != "ip-10-0-0-77.eu-central-1.compute.internal" || eni.Status != "available" || eni.Groups[0].GroupName != "default" {
		t.Errorf("the new interface is %+v", eni)
	}
	for range 2 {
		if err := c.AttachInterface(c.ctx, eni.NetworkInterfaceId, "amazon-aws"); err != nil {
			t.Fatal(err)
		}
	}
	got := must(c, c.DescribeNetworkInterfaces, ec2.DescribeNetworkInterfacesInput{Filters: []ec2.Filter{{Name: "status", Values: []string{"in-use"}}}}).NetworkInterfaces
	if len(got) != 1 || got[0].Attachment.InstanceOwnerId != "amazon-aws" {
		t.Errorf("interfaces in use: %+v", got)
	}
	refused(c, c.DeleteNetworkInterface, ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: eni.NetworkInterfaceId}, "InvalidNetworkInterface.InUse", "")
	if err := c.DetachInterface(c.ctx, eni.NetworkInterfaceId); err != nil {
		t.Fatal(err)
	}
	must(c, c.DeleteNetworkInterface, ec2.DeleteNetworkInterfaceInput{NetworkInterfaceId: eni.NetworkInterfaceId})
	must(c, c.DeleteSubnet, ec2.DeleteSubnetInput{SubnetId: sn})
}

func TestOverlappingSubnetsInParallel(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	var wg sync.WaitGroup
	errs := make([]error, 20)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = c.CreateSubnet(c.ctx, &ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: fmt.Sprintf("10.0.0.%d/28", i/2*16)})
		})
	}
	wg.Wait()
	conflicts := 0
	for _, err := range errs {
		if fault.Code(err) == "InvalidSubnet.Conflict" {
			conflicts++
		}
	}
	if got := len(must(c, c.DescribeSubnets, ec2.DescribeSubnetsInput{}).Subnets); got != 10 || conflicts != 10 {
		t.Errorf("20 requests for 10 blocks made %d subnets and %d conflicts, want 10 and 10", got, conflicts)
	}
}

func TestTags(t *testing.T) {
	c := newCloud(t)
	vpc := must(c, c.CreateVpc, ec2.CreateVpcInput{CidrBlock: "10.0.0.0/16", TagSpecifications: []ec2.TagSpecification{
		{ResourceType: "vpc", Tags: []ec2.Tag{{Key: "Name", Value: "demo"}}},
	}}).Vpc.VpcId
	sn := c.subnet(vpc, "10.0.0.0/24")
	igw := c.gateway(vpc)
	nat, eip := c.nat(sn)
	eni := must(c, c.CreateNetworkInterface, ec2.CreateNetworkInterfaceInput{SubnetId: sn}).NetworkInterface.NetworkInterfaceId
	table := must(c, c.CreateRouteTable, ec2.CreateRouteTableInput{VpcId: vpc}).RouteTable.RouteTableId
	g := must(c, c.CreateSecurityGroup, ec2.CreateSecurityGroupInput{VpcId: vpc, GroupName: "g", Description: "g"}).GroupId
	rule := must(c, c.DescribeSecurityGroupRules, ec2.DescribeSecurityGroupRulesInput{}).SecurityGroupRules[0].SecurityGroupRuleId
	all := []string{vpc, sn, igw, nat, eip, eni, table, g, rule}
	must(c, c.CreateTags, ec2.CreateTagsInput{Resources: all, Tags: []ec2.Tag{{Key: "team", Value: "a"}, {Key: "empty"}}})
	count := func(filters ...ec2.Filter) int {
		t.Helper()
		return len(must(c, c.DescribeTags, ec2.DescribeTagsInput{Filters: filters}).Tags)
	}
	if got := count(ec2.Filter{Name: "key", Values: []string{"team"}}); got != len(all) {
		t.Errorf("%d resources carry the tag, want %d", got, len(all))
	}
	if got := count(ec2.Filter{Name: "resource-type", Values: []string{"vpc"}}); got != 3 {
		t.Errorf("the VPC has %d tags, want 3", got)
	}
	vpcs := must(c, c.DescribeVpcs, ec2.DescribeVpcsInput{Filters: []ec2.Filter{{Name: "tag:Name", Values: []string{"d?m*"}}, {Name: "tag:empty", Values: []string{""}}}}).Vpcs
	if len(vpcs) != 1 {
		t.Errorf("the filter by tags finds %d VPCs, want 1", len(vpcs))
	}
	must(c, c.DeleteTags, ec2.DeleteTagsInput{Resources: all, Tags: []ec2.TagToDelete{{Key: "team", Value: ptr("b")}}})
	if got := count(ec2.Filter{Name: "key", Values: []string{"team"}}); got != len(all) {
		t.Errorf("deleting another value left %d tags, want %d", got, len(all))
	}
	must(c, c.DeleteTags, ec2.DeleteTagsInput{Resources: all, Tags: []ec2.TagToDelete{{Key: "team"}}})
	must(c, c.DeleteTags, ec2.DeleteTagsInput{Resources: all})
	if got := count(); got != 0 {
		t.Errorf("%d tags are left, want none", got)
	}
}

func TestPages(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	for i := range 12 {
		c.subnet(vpc, fmt.Sprintf("10.0.%d.0/24", i))
	}
	seen := map[string]int{}
	var sizes []int
	in := ec2.DescribeSubnetsInput{MaxResults: ptr(int32(5))}
	for {
		out := must(c, c.DescribeSubnets, in)
		sizes = append(sizes, len(out.Subnets))
		for _, s := range out.Subnets {
			seen[s.SubnetId]++
		}
		if out.NextToken == "" {
			break
		}
		in.NextToken = out.NextToken
	}
	if diff := cmp.Diff([]int{5, 5, 2}, sizes); diff != "" || len(seen) != 12 {
		t.Errorf("pages hold %v and %d different subnets, want 5, 5, 2 and 12", sizes, len(seen))
	}
}

func TestSubnetAttributes(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	sn := must(c, c.CreateSubnet, ec2.CreateSubnetInput{VpcId: vpc, CidrBlock: "10.0.0.0/24", AvailabilityZoneId: "euc1-az2"}).Subnet
	if sn.AvailabilityZone != "eu-central-1b" || sn.AvailableIpAddressCount != 251 || sn.MapPublicIpOnLaunch {
		t.Errorf("the new subnet is %+v", sn)
	}
	must(c, c.ModifySubnetAttribute, ec2.ModifySubnetAttributeInput{SubnetId: sn.SubnetId, MapPublicIpOnLaunch: &ec2.BooleanValue{Value: true}})
	if got := must(c, c.DescribeSubnets, ec2.DescribeSubnetsInput{SubnetIds: []string{sn.SubnetId}}).Subnets[0]; !got.MapPublicIpOnLaunch {
		t.Error("mapPublicIpOnLaunch did not change")
	}
	for attribute, want := range map[string]bool{"enableDnsSupport": true, "enableDnsHostnames": false} {
		out := must(c, c.DescribeVpcAttribute, ec2.DescribeVpcAttributeInput{VpcId: vpc, Attribute: attribute})
		for name, got := range map[string]*ec2.BooleanValue{"enableDnsSupport": out.EnableDnsSupport, "enableDnsHostnames": out.EnableDnsHostnames} {
			if (got != nil) != (name == attribute) || got != nil && got.Value != want {
				t.Errorf("asked for %s, %s is %v, want only what was asked, %v", attribute, name, got, want)
			}
		}
	}
}

func TestZones(t *testing.T) {
	tests := []struct {
		region string
		want   ec2.Zone
	}{
		{"us-east-1", ec2.Zone{Name: "us-east-1a", ID: "use1-az1"}},
		{"eu-central-1", ec2.Zone{Name: "eu-central-1a", ID: "euc1-az1"}},
		{"ap-northeast-1", ec2.Zone{Name: "ap-northeast-1a", ID: "apne1-az1"}},
		{"ap-southeast-2", ec2.Zone{Name: "ap-southeast-2a", ID: "apse2-az1"}},
		{"us-gov-west-1", ec2.Zone{Name: "us-gov-west-1a", ID: "usgw1-az1"}},
		{"cn-north-1", ec2.Zone{Name: "cn-north-1a", ID: "cnn1-az1"}},
		{"me-central-1", ec2.Zone{Name: "me-central-1a", ID: "mec1-az1"}},
	}
	for _, test := range tests {
		t.Run(test.region, func(t *testing.T) {
			got := ec2.Zones(test.region)
			if len(got) < 3 || got[0] != test.want {
				t.Errorf("Zones = %v, want three or more, the first %v", got, test.want)
			}
		})
	}
	c := newCloud(t)
	zones := must(c, c.DescribeAvailabilityZones, ec2.DescribeAvailabilityZonesInput{Filters: []ec2.Filter{
		{Name: "region-name", Values: []string{"eu-central-1"}}, {Name: "state", Values: []string{"available"}}, {Name: "zone-type", Values: []string{"availability-zone"}},
	}}).AvailabilityZones
	if len(zones) != 3 || zones[2].ZoneName != "eu-central-1c" || zones[2].ZoneId != "euc1-az3" {
		t.Errorf("zones of eu-central-1: %+v", zones)
	}
}

func TestRegions(t *testing.T) {
	c := newCloud(t)
	some := must(c, c.DescribeRegions, ec2.DescribeRegionsInput{}).Regions
	all := must(c, c.DescribeRegions, ec2.DescribeRegionsInput{AllRegions: true}).Regions
	if len(some) < 17 || len(all) <= len(some) {
		t.Errorf("%d regions, %d with those to opt in to", len(some), len(all))
	}
	one := must(c, c.DescribeRegions, ec2.DescribeRegionsInput{RegionNames: []string{"eu-west-1"}}).Regions
	if diff := cmp.Diff([]ec2.Region{{RegionName: "eu-west-1", RegionEndpoint: "ec2.eu-west-1.amazonaws.com", OptInStatus: "opt-in-not-required"}}, one); diff != "" {
		t.Errorf("eu-west-1 (-want +got):\n%s", diff)
	}
	refused(c, c.DescribeRegions, ec2.DescribeRegionsInput{RegionNames: []string{"mars-1"}}, "InvalidParameterValue", "Invalid region name: [mars-1]")
}

func TestVPCsChanged(t *testing.T) {
	c := newCloud(t)
	old := c.vpc("10.0.0.0/16")
	ctx, cancel := context.WithTimeout(c.ctx, 20*time.Second)
	defer cancel()
	seen := make(chan string, 100)
	ended := make(chan error, 1)
	go func() { ended <- c.VPCsChanged(ctx, func(id string) { seen <- id }) }()
	wait := func(what, id string) {
		t.Helper()
		for {
			select {
			case got := <-seen:
				if got == id {
					return
				}
			case <-ctx.Done():
				t.Fatalf("nobody told of %s", what)
			}
		}
	}
	wait("the VPC that was there", old)
	sn := c.subnet(old, "10.0.0.0/24")
	wait("a new subnet", old)
	eni, err := c.AllocateInterface(ctx, ec2.InterfaceRequest{SubnetID: sn})
	if err != nil {
		t.Fatal(err)
	}
	wait("a new interface", old)
	if err := c.ReleaseInterface(ctx, eni.ID); err != nil {
		t.Fatal(err)
	}
	wait("a released interface", old)
	fresh := c.vpc("10.0.0.0/16")
	wait("a new VPC", fresh)
	must(c, c.DeleteVpc, ec2.DeleteVpcInput{VpcId: fresh})
	wait("a deleted VPC", fresh)
	_, err = c.Network(ctx, fresh)
	wantFault(t, err, "InvalidVpcID.NotFound", "")
	if ids, err := c.VPCs(ctx); err != nil || !cmp.Equal(ids, []string{old}) {
		t.Errorf("VPCs = %v, %v, want %s alone", ids, err, old)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("VPCsChanged ended with %v, want the context's end", err)
	}
}

func TestElasticAddressesRunOut(t *testing.T) {
	c := newCloud(t)
	for range 3 * 254 {
		must(c, c.AllocateAddress, ec2.AllocateAddressInput{})
	}
	refused(c, c.AllocateAddress, ec2.AllocateAddressInput{}, "AddressLimitExceeded", "")
	all := must(c, c.DescribeAddresses, ec2.DescribeAddressesInput{}).Addresses
	must(c, c.ReleaseAddress, ec2.ReleaseAddressInput{AllocationId: all[0].AllocationId})
	if again := must(c, c.AllocateAddress, ec2.AllocateAddressInput{}).PublicIp; again != all[0].PublicIp {
		t.Errorf("the one free address is %s, got %s", all[0].PublicIp, again)
	}
}
