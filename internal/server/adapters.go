package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"

	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"berth.dev/berth/internal/agent"
	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/awsapi"
	"berth.dev/berth/internal/awsapi/sigv4"
	"berth.dev/berth/internal/ec2"
	"berth.dev/berth/internal/eks"
	"berth.dev/berth/internal/fargate/scheduler"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/iam"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/vpcnet"
	"berth.dev/berth/internal/vpcnet/dns"
	"berth.dev/berth/internal/vpcnet/linux"
)

// keys lets the front door and the clusters verify signatures with IAM's keys.
type keys struct{ iam *iam.Service }

// Lookup implements sigv4.Keys.
func (k keys) Lookup(ctx context.Context, id string) (sigv4.Key, error) {
	secret, token, p, err := k.iam.Lookup(ctx, id)
	switch {
	case errors.Is(err, credential.ErrUnknownKey):
		return sigv4.Key{}, sigv4.ErrUnknownKey
	case errors.Is(err, credential.ErrExpired):
		return sigv4.Key{}, sigv4.ErrExpiredKey
	case err != nil:
		return sigv4.Key{}, err
	}
	return sigv4.Key{Secret: sigv4.Secret(secret), SessionToken: sigv4.Secret(token), Principal: p}, nil
}

// authorizer lets the front door ask IAM.
func authorizer(s *iam.Service) awsapi.Authorizer {
	return awsapi.AuthorizerFunc(func(ctx context.Context, a awsapi.Access) error {
		return s.Authorize(ctx, a.Principal, a.Action, a.Resource, a.Conditions)
	})
}

// roles is IAM as EKS needs it.
type roles struct{ iam *iam.Service }

// Trusts implements eks.Roles.
func (r roles) Trusts(ctx context.Context, a eks.Assumption) (eks.Trust, error) {
	t, err := r.iam.ServiceTrust(ctx, a.Role, a.Service, map[string][]string{
		"aws:SourceArn": {a.SourceARN.String()}, "aws:SourceAccount": {a.SourceAccount},
	})
	return eks.Trust{Exists: t.Exists, Allowed: t.Trusted}, err
}

// PrincipalExists implements eks.Roles.
func (r roles) PrincipalExists(ctx context.Context, principal arn.ARN) (bool, error) {
	var err error
	name := principal.Resource[strings.LastIndex(principal.Resource, "/")+1:]
	switch principal.ResourceType() {
	case "role":
		_, err = r.iam.Role(ctx, principal)
	case "user":
		_, err = r.iam.GetUser(ctx, &awsiam.GetUserInput{UserName: &name})
	default:
		return principal.Resource == "root", nil
	}
	if errors.Is(err, credential.ErrNoRole) || missing(err) {
		return false, nil
	}
	return err == nil, err
}

// EnsureServiceLinkedRole implements eks.Roles.
func (r roles) EnsureServiceLinkedRole(ctx context.Context, service string) error {
	_, err := r.iam.EnsureServiceLinkedRole(ctx, service)
	return err
}

// network is EC2 as EKS needs it.
type network struct{ ec2 *ec2.Service }

// Subnets implements eks.Network.
func (n network) Subnets(ctx context.Context, ids []string) ([]eks.Subnet, error) {
	var out []eks.Subnet
	for _, id := range ids {
		r, err := n.ec2.SubnetRouting(ctx, id)
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, eks.Subnet{ID: id, VPC: r.Subnet.VPCID, AvailabilityZone: r.Subnet.Zone.Name, Public: r.Reach == ec2.Public})
	}
	return out, nil
}

// missing says whether EC2 refuses because something is not there, or could not be.
func missing(err error) bool {
	var f *fault.Error
	return errors.As(err, &f)
}

// VPC implements eks.Network.
func (n network) VPC(ctx context.Context, id string) (eks.VPC, error) {
	v, err := n.ec2.VPC(ctx, id)
	return eks.VPC{ID: v.ID, CIDRs: []netip.Prefix{v.CIDR}}, err
}

// SecurityGroups implements eks.Network.
func (n network) SecurityGroups(ctx context.Context, ids []string) ([]eks.SecurityGroup, error) {
	var out []eks.SecurityGroup
	for _, id := range ids {
		got, err := n.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{GroupIds: []string{id}})
		if missing(err) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, g := range got.SecurityGroups {
			out = append(out, eks.SecurityGroup{ID: g.GroupId, VPC: g.VpcId})
		}
	}
	return out, nil
}

// EnsureClusterGroup implements eks.Network.
func (n network) EnsureClusterGroup(ctx context.Context, g eks.ClusterGroup) (string, error) {
	group, err := n.ec2.EnsureClusterSecurityGroup(ctx, groupRequest(g))
	return group.ID, err
}

func groupRequest(g eks.ClusterGroup) ec2.ClusterGroupRequest {
	return ec2.ClusterGroupRequest{VPCID: g.VPC, Cluster: g.Cluster.ResourceID(), Suffix: g.ClusterID[:10], Tags: g.Tags}
}

// DeleteClusterGroup implements eks.Network.
func (n network) DeleteClusterGroup(ctx context.Context, g eks.ClusterGroup) (bool, error) {
	found, err := n.ec2.DescribeSecurityGroups(ctx, &ec2.DescribeSecurityGroupsInput{Filters: []ec2.Filter{
		{Name: "vpc-id", Values: []string{g.VPC}}, {Name: "group-name", Values: []string{g.Name}},
	}})
	if err != nil {
		return false, err
	}
	for _, group := range found.SecurityGroups {
		if err := n.ec2.DeleteClusterSecurityGroup(ctx, group.GroupId); err != nil {
			return false, err
		}
	}
	return true, nil
}

// interfaces is EC2 as the Fargate scheduler needs it.
type interfaces struct {
	ec2    *ec2.Service
	region string
	group  string
}

// Allocate implements scheduler.Interfaces.
func (i interfaces) Allocate(ctx context.Context, r scheduler.InterfaceRequest) (scheduler.Interface, error) {
	request := ec2.InterfaceRequest{SubnetID: r.Subnet, Description: r.Description, RequesterManaged: true, ClientToken: podToken + r.Token}
	if i.group != "" {
		request.SecurityGroups = []string{i.group}
	}
	e, err := i.ec2.AllocateInterface(ctx, request)
	if errors.Is(err, ec2.ErrNoFreeAddress) {
		return scheduler.Interface{}, fmt.Errorf("%w: %w", scheduler.ErrNoAddress, err)
	}
	if err != nil {
		return scheduler.Interface{}, err
	}
	v, err := i.ec2.VPC(ctx, e.VPCID)
	if err != nil {
		return scheduler.Interface{}, err
	}
	out := scheduler.Interface{ID: e.ID, Subnet: e.SubnetID, AvailabilityZone: e.Zone, IP: e.IP}
	if v.DNSHostnames && v.DNSSupport {
		out.PrivateDNSName = dns.PrivateName(i.region, e.IP)
	}
	return out, nil
}

// Release implements scheduler.Interfaces.
func (i interfaces) Release(ctx context.Context, id string) error {
	return i.ec2.ReleaseInterface(ctx, id)
}

// attaching is a host's network that tells EC2 of what it has attached: an
// interface is in use once a pod's link has been made, and not before.
type attaching struct {
	agent.VPCs
	attached func(ctx context.Context, interfaceID string) error
}

// Attach implements agent.VPCs.
func (a attaching) Attach(ctx context.Context, vpcID, interfaceID, namespace, link string) (linux.Attachment, error) {
	at, err := a.VPCs.Attach(ctx, vpcID, interfaceID, namespace, link)
	if err != nil {
		return at, err
	}
	return at, a.attached(ctx, interfaceID)
}

// describe tells the host what a VPC declares. serviceCIDRs are those of the
// clusters in it; local are the interfaces that the router itself answers on.
func describe(ctx context.Context, s *ec2.Service, region, vpcID string, clusters *clusters) (vpcnet.Network, bool, error) {
	n, err := s.Network(ctx, vpcID)
	if missing(err) {
		return vpcnet.Network{}, false, nil
	}
	if err != nil {
		return vpcnet.Network{}, false, err
	}
	out := vpcnet.Network{
		ID: vpcID, Region: region, CIDRs: []netip.Prefix{n.VPC.CIDR},
		DNS: vpcnet.DNS{Support: n.VPC.DNSSupport, Hostnames: n.VPC.DNSHostnames},
	}
	for _, sn := range n.Subnets {
		out.Subnets = append(out.Subnets, vpcnet.Subnet{ID: sn.ID, CIDR: sn.CIDR, RouteTable: sn.RouteTableID})
	}
	for _, t := range n.RouteTables {
		table := vpcnet.RouteTable{ID: t.ID}
		for _, r := range t.Routes {
			table.Routes = append(table.Routes, route(r))
		}
		out.RouteTables = append(out.RouteTables, table)
	}
	for _, g := range n.NATGateways {
		out.NATGateways = append(out.NATGateways, vpcnet.NATGateway{ID: g.ID, Subnet: g.SubnetID})
	}
	for _, e := range n.Interfaces {
		i := vpcnet.Interface{ID: e.ID, Kind: vpcnet.InterfaceLocal, IP: e.IP, Subnet: e.SubnetID}
		if i.MAC, err = net.ParseMAC(e.MAC); err != nil {
			return out, false, fmt.Errorf("reading the hardware address of %s: %w", e.ID, err)
		}
		if isPod(e) {
			i.Kind = vpcnet.InterfacePod
			out.KubeletIPs = append(out.KubeletIPs, e.IP)
		}
		out.Interfaces = append(out.Interfaces, i)
	}
	out.ServiceCIDRs, err = clusters.serviceCIDRs(ctx, vpcID)
	return out, true, err
}

func route(r ec2.NetworkRoute) vpcnet.Route {
	out := vpcnet.Route{Destination: r.Destination}
	switch {
	case r.State == ec2.RouteBlackhole:
		out.Target = vpcnet.TargetBlackhole
	case r.NATID != "":
		out.Target, out.NATGateway = vpcnet.TargetNATGateway, r.NATID
	case r.GatewayID == "local":
		out.Target = vpcnet.TargetLocal
	case r.GatewayID != "":
		out.Target = vpcnet.TargetInternetGateway
	default:
		out.Target = vpcnet.TargetBlackhole
	}
	return out
}
