package acceptance

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
)

// network is a VPC as Fargate's users have it: public and private subnets, the
// private ones with a NAT gateway, and one without a way out.
type network struct {
	vpc             string
	public, private []string
	isolated        string
}

// network makes a VPC with subnets in three zones, out of 192.168.0.0/16.
func (b *berth) network(t *testing.T) network {
	t.Helper()
	n := network{vpc: b.ec2(t, "CreateVpc", "CidrBlock", "192.168.0.0/16").text("vpcId")}
	b.ec2(t, "ModifyVpcAttribute", "VpcId", n.vpc, "EnableDnsHostnames.Value", "true")
	gateway := b.ec2(t, "CreateInternetGateway").text("internetGatewayId")
	b.ec2(t, "AttachInternetGateway", "InternetGatewayId", gateway, "VpcId", n.vpc)
	public, private, isolated := b.table(t, n.vpc), b.table(t, n.vpc), b.table(t, n.vpc)
	b.ec2(t, "CreateRoute", "RouteTableId", public, "DestinationCidrBlock", "0.0.0.0/0", "GatewayId", gateway)
	for i, zone := range []string{"a", "b", "c"} {
		n.public = append(n.public, b.subnet(t, n.vpc, zone, i*32, public))
		n.private = append(n.private, b.subnet(t, n.vpc, zone, i*32+96, private))
	}
	n.isolated = b.subnet(t, n.vpc, "a", 224, isolated)
	address := b.ec2(t, "AllocateAddress", "Domain", "vpc").text("allocationId")
	nat := b.ec2(t, "CreateNatGateway", "SubnetId", n.public[0], "AllocationId", address).text("natGatewayId")
	eventually(t, 20*time.Second, "the NAT gateway is available", func(context.Context) error {
		if state := b.ec2(t, "DescribeNatGateways", "NatGatewayId.1", nat).text("state"); state != "available" {
			return errors.New(state)
		}
		return nil
	})
	b.ec2(t, "CreateRoute", "RouteTableId", private, "DestinationCidrBlock", "0.0.0.0/0", "NatGatewayId", nat)
	return n
}

func (b *berth) table(t *testing.T, vpc string) string {
	t.Helper()
	return b.ec2(t, "CreateRouteTable", "VpcId", vpc).text("routeTableId")
}

func (b *berth) subnet(t *testing.T, vpc, zone string, third int, table string) string {
	t.Helper()
	id := b.ec2(t, "CreateSubnet", "VpcId", vpc, "AvailabilityZone", region+zone, "CidrBlock", fmt.Sprintf("192.168.%d.0/19", third)).text("subnetId")
	b.ec2(t, "AssociateRouteTable", "RouteTableId", table, "SubnetId", id)
	return id
}

// The roles of clusters and of pods.
const (
	clusterRole = "arn:aws:iam::" + account + ":role/cluster"
	podRole     = "arn:aws:iam::" + account + ":role/pods"
)

func (b *berth) roles(t *testing.T) {
	t.Helper()
	b.role(t, "cluster", "eks.amazonaws.com")
	b.role(t, "pods", "eks-fargate-pods.amazonaws.com")
	b.role(t, "stranger", "lambda.amazonaws.com")
}

func (b *berth) role(t *testing.T, name, service string) {
	t.Helper()
	_, err := b.iam().CreateRole(t.Context(), &iam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: aws.String(
		`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"` + service + `"},"Action":"sts:AssumeRole"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
}
