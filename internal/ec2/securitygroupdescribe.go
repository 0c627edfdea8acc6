package ec2

import (
	"context"
	"slices"

	"berth.dev/berth/internal/fault"
)

// SecurityGroupItem is a security group in a response.
type SecurityGroupItem struct {
	GroupId             string
	GroupName           string
	Description         string `ec2:"GroupDescription"`
	OwnerId             string
	VpcId               string
	SecurityGroupArn    string
	IpPermissions       []IpPermission
	IpPermissionsEgress []IpPermission
	Tags                []Tag `ec2:"Tag/tagSet"`
}

// DescribeSecurityGroupsInput asks for security groups.
type DescribeSecurityGroupsInput struct {
	DryRun     bool
	Filters    []Filter `ec2:"Filter"`
	GroupIds   []string `ec2:"GroupId"`
	GroupNames []string `ec2:"GroupName"`
	MaxResults *int32
	NextToken  string
}

// DescribeSecurityGroupsOutput lists security groups.
type DescribeSecurityGroupsOutput struct {
	SecurityGroups []SecurityGroupItem `ec2:"securityGroupInfo"`
	NextToken      string              `ec2:"NextToken,omitempty"`
}

func (s *Service) groupItem(n *network, g SecurityGroup) SecurityGroupItem {
	return SecurityGroupItem{
		GroupId: g.ID, GroupName: g.Name, Description: g.Description, OwnerId: s.scope.Account, VpcId: n.VPC.ID,
		SecurityGroupArn: s.groupARN(g.ID), IpPermissions: permissions(g.Rules, false, s.scope.Account),
		IpPermissionsEgress: permissions(g.Rules, true, s.scope.Account), Tags: tagSet(g.Tags),
	}
}

// ofPermissions reads something of every permission of one direction.
func ofPermissions(egress bool, f func(IpPermission) []string) func(SecurityGroupItem) []string {
	return func(g SecurityGroupItem) []string {
		list := g.IpPermissions
		if egress {
			list = g.IpPermissionsEgress
		}
		var out []string
		for _, p := range list {
			out = append(out, f(p)...)
		}
		return out
	}
}

var groupFilters = attributes[SecurityGroupItem]{
	"group-id":    func(g SecurityGroupItem) []string { return one(g.GroupId) },
	"group-name":  func(g SecurityGroupItem) []string { return one(g.GroupName) },
	"description": func(g SecurityGroupItem) []string { return one(g.Description) },
	"owner-id":    func(g SecurityGroupItem) []string { return one(g.OwnerId) },
	"vpc-id":      func(g SecurityGroupItem) []string { return one(g.VpcId) },

	"ip-permission.protocol":        ofPermissions(false, func(p IpPermission) []string { return one(p.IpProtocol) }),
	"ip-permission.cidr":            ofPermissions(false, permissionCIDRs),
	"ip-permission.group-id":        ofPermissions(false, permissionGroups),
	"egress.ip-permission.protocol": ofPermissions(true, func(p IpPermission) []string { return one(p.IpProtocol) }),
	"egress.ip-permission.cidr":     ofPermissions(true, permissionCIDRs),
	"egress.ip-permission.group-id": ofPermissions(true, permissionGroups),
}

func permissionCIDRs(p IpPermission) []string {
	return each(p.IpRanges, func(r IpRange) string { return r.CidrIp })
}

func permissionGroups(p IpPermission) []string {
	return each(p.Groups, func(g UserIdGroupPair) string { return g.GroupId })
}

// DescribeSecurityGroups lists security groups. Names without a VPC mean the
// default VPC's groups on AWS; here there is none, so they match in every VPC.
func (s *Service) DescribeSecurityGroups(ctx context.Context, in *DescribeSecurityGroupsInput) (*DescribeSecurityGroupsOutput, error) {
	views, err := s.views(ctx)
	if err != nil {
		return nil, err
	}
	all := items(views, func(v view) []SecurityGroupItem {
		var out []SecurityGroupItem
		for _, g := range v.SecurityGroups {
			out = append(out, s.groupItem(v.network, g))
		}
		return out
	})
	for _, name := range in.GroupNames {
		if !slices.ContainsFunc(all, func(g SecurityGroupItem) bool { return g.GroupName == name }) {
			return nil, fault.New(400, "InvalidGroup.NotFound", "The security group '%s' does not exist", name)
		}
	}
	if len(in.GroupNames) > 0 {
		all = slices.DeleteFunc(all, func(g SecurityGroupItem) bool { return !slices.Contains(in.GroupNames, g.GroupName) })
	}
	q := query{in.DryRun, in.GroupIds, in.Filters, in.MaxResults, in.NextToken}
	page, next, err := describe(all, q, kindGroup, func(g SecurityGroupItem) string { return g.GroupId }, groupFilters, func(g SecurityGroupItem) []Tag { return g.Tags })
	if err != nil {
		return nil, err
	}
	return &DescribeSecurityGroupsOutput{SecurityGroups: page, NextToken: next}, nil
}
