package ec2_test

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/internal/ec2"
	"berth.dev/berth/internal/fault"
)

func asFault(err error) *fault.Error {
	var f *fault.Error
	errors.As(err, &f)
	return f
}

// TestNetworkOfACluster builds and removes what a cluster with private subnets
// needs, in the order in which a client does.
func TestNetworkOfACluster(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	must(c, c.ModifyVpcAttribute, ec2.ModifyVpcAttributeInput{VpcId: vpc, EnableDnsHostnames: &ec2.BooleanValue{Value: true}})
	public, private := c.subnet(vpc, "10.0.0.0/24"), c.subnet(vpc, "10.0.1.0/24")
	igw := c.gateway(vpc)
	nat, allocation := c.nat(public)

	publicTable := must(c, c.CreateRouteTable, ec2.CreateRouteTableInput{VpcId: vpc}).RouteTable.RouteTableId
	privateTable := must(c, c.CreateRouteTable, ec2.CreateRouteTableInput{VpcId: vpc}).RouteTable.RouteTableId
	must(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: ec2.RouteTarget{RouteTableId: publicTable, DestinationCidrBlock: "0.0.0.0/0", GatewayId: igw}})
	must(c, c.CreateRoute, ec2.CreateRouteInput{RouteTarget: ec2.RouteTarget{RouteTableId: privateTable, DestinationCidrBlock: "0.0.0.0/0", NatGatewayId: nat}})
	must(c, c.AssociateRouteTable, ec2.AssociateRouteTableInput{RouteTableId: publicTable, SubnetId: public})
	association := must(c, c.AssociateRouteTable, ec2.AssociateRouteTableInput{RouteTableId: privateTable, SubnetId: private}).AssociationId

	c.reconcile(vpc)
	got := must(c, c.DescribeNatGateways, ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{nat}}).NatGateways[0]
	if got.State != "available" || got.NatGatewayAddresses[0].PrivateIp != "10.0.0.4" {
		t.Errorf("NAT gateway is %s at %s, want available at 10.0.0.4", got.State, got.NatGatewayAddresses[0].PrivateIp)
	}
	reach := map[string]ec2.Reach{}
	for _, sn := range []string{public, private} {
		r, err := c.SubnetRouting(c.ctx, sn)
		if err != nil {
			t.Fatal(err)
		}
		reach[sn] = r.Reach
	}
	if diff := cmp.Diff(map[string]ec2.Reach{public: ec2.Public, private: ec2.Private}, reach); diff != "" {
		t.Errorf("reach of the subnets (-want +got):\n%s", diff)
	}
	n, err := c.Network(c.ctx, vpc)
	if err != nil {
		t.Fatal(err)
	}
	if len(n.Subnets) != 2 || len(n.RouteTables) != 3 || len(n.NATGateways) != 1 || len(n.Interfaces) != 1 || !n.VPC.DNSHostnames {
		t.Errorf("the network lacks something: %+v", n)
	}

	refused(c, c.DeleteVpc, ec2.DeleteVpcInput{VpcId: vpc}, "DependencyViolation", "The vpc '"+vpc+"' has dependencies and cannot be deleted.")
	refused(c, c.DeleteSubnet, ec2.DeleteSubnetInput{SubnetId: public}, "DependencyViolation", "The subnet '"+public+"' has dependencies and cannot be deleted.")
	refused(c, c.ReleaseAddress, ec2.ReleaseAddressInput{AllocationId: allocation}, "InvalidIPAddress.InUse", "")
	refused(c, c.DetachInternetGateway, ec2.DetachInternetGatewayInput{InternetGatewayId: igw, VpcId: vpc}, "DependencyViolation", "")
	refused(c, c.DeleteInternetGateway, ec2.DeleteInternetGatewayInput{InternetGatewayId: igw}, "DependencyViolation", "")
	refused(c, c.DeleteRouteTable, ec2.DeleteRouteTableInput{RouteTableId: privateTable}, "DependencyViolation", "")

	must(c, c.DeleteNatGateway, ec2.DeleteNatGatewayInput{NatGatewayId: nat})
	refused(c, c.ReleaseAddress, ec2.ReleaseAddressInput{AllocationId: allocation}, "InvalidIPAddress.InUse", "")
	c.reconcile(vpc)
	must(c, c.ReleaseAddress, ec2.ReleaseAddressInput{AllocationId: allocation})
	must(c, c.DisassociateRouteTable, ec2.DisassociateRouteTableInput{AssociationId: association})
	must(c, c.DeleteSubnet, ec2.DeleteSubnetInput{SubnetId: private})
	must(c, c.DeleteSubnet, ec2.DeleteSubnetInput{SubnetId: public})
	must(c, c.DeleteRouteTable, ec2.DeleteRouteTableInput{RouteTableId: privateTable})
	must(c, c.DeleteRouteTable, ec2.DeleteRouteTableInput{RouteTableId: publicTable})
	must(c, c.DetachInternetGateway, ec2.DetachInternetGatewayInput{InternetGatewayId: igw, VpcId: vpc})
	must(c, c.DeleteInternetGateway, ec2.DeleteInternetGatewayInput{InternetGatewayId: igw})
	must(c, c.DeleteVpc, ec2.DeleteVpcInput{VpcId: vpc})
	if left := must(c, c.DescribeVpcs, ec2.DescribeVpcsInput{}).Vpcs; len(left) != 0 {
		t.Errorf("VPCs after the last one was deleted: %v", left)
	}
	refused(c, c.DescribeVpcs, ec2.DescribeVpcsInput{VpcIds: []string{vpc}}, "InvalidVpcID.NotFound", "The vpc ID '"+vpc+"' does not exist")
}

func TestNATGatewayStates(t *testing.T) {
	c := newCloud(t)
	vpc := c.vpc("10.0.0.0/16")
	sn := c.subnet(vpc, "10.0.0.0/24")
	state := func(nat string) string {
		t.Helper()
		return must(c, c.DescribeNatGateways, ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{nat}}).NatGateways[0].State
	}

	lone, allocation := c.nat(sn)
	c.reconcile(vpc)
	if s := state(lone); s != "failed" {
		t.Errorf("a NAT gateway without an internet gateway is %s, want failed", s)
	}
	must(c, c.ReleaseAddress, ec2.ReleaseAddressInput{AllocationId: allocation})

	c.gateway(vpc)
	nat, _ := c.nat(sn)
	c.realized = errors.New("not yet")
	if _, err := c.Reconcile(c.ctx, vpc); !errors.Is(err, c.realized) || state(nat) != "pending" {
		t.Errorf("before its network is applied the gateway is %s and Reconcile = %v, want pending and the Realizer's error", state(nat), err)
	}
	c.realized = nil
	c.reconcile(vpc)
	if s := state(nat); s != "available" {
		t.Errorf("state once the network is applied is %s, want available", s)
	}
	must(c, c.DeleteNatGateway, ec2.DeleteNatGatewayInput{NatGatewayId: nat})
	if s := state(nat); s != "deleting" {
		t.Errorf("state after DeleteNatGateway is %s, want deleting", s)
	}
	if n, err := c.Network(c.ctx, vpc); err != nil || len(n.NATGateways) != 0 {
		t.Errorf("the network still has %d NAT gateways (%v)", len(n.NATGateways), err)
	}
	c.reconcile(vpc)
	if s := state(nat); s != "deleted" {
		t.Errorf("state once the network is applied without it is %s, want deleted", s)
	}
	if again := c.reconcile(vpc); again <= 0 || again > time.Hour {
		t.Errorf("Reconcile wants to come again in %s, want within the hour", again)
	}
	c.now = c.now.Add(time.Hour)
	c.reconcile(vpc)
	refused(c, c.DescribeNatGateways, ec2.DescribeNatGatewaysInput{NatGatewayIds: []string{nat}}, "NatGatewayNotFound", "The Nat Gateway "+nat+" was not found")
}
