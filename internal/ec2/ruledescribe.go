package ec2

import "context"

// SecurityGroupRule is a rule in a response.
type SecurityGroupRule struct {
	SecurityGroupRuleId  string
	SecurityGroupRuleArn string
	GroupId              string
	GroupOwnerId         string
	IsEgress             bool
	IpProtocol           string
	FromPort             int
	ToPort               int
	CidrIpv4             string `ec2:"CidrIpv4,omitempty"`
	CidrIpv6             string `ec2:"CidrIpv6,omitempty"`
	ReferencedGroupInfo  *ReferencedSecurityGroup
	Description          string `ec2:"Description,omitempty"`
	Tags                 []Tag  `ec2:"Tag/tagSet"`
}

// ReferencedSecurityGroup is the group that is a rule's peer.
type ReferencedSecurityGroup struct {
	GroupId string
	UserId  string
	VpcId   string
}

func (s *Service) ruleItem(n *network, groupID string, r Rule) SecurityGroupRule {
	item := SecurityGroupRule{
		SecurityGroupRuleId: r.ID, SecurityGroupRuleArn: s.scope.Regional("ec2", "security-group-rule/"+r.ID).String(),
		GroupId: groupID, GroupOwnerId: s.scope.Account, IsEgress: r.Egress,
		IpProtocol: r.Protocol, FromPort: r.FromPort, ToPort: r.ToPort,
		Description: r.Description, Tags: tagSet(r.Tags),
	}
	switch {
	case r.Group != "":
		item.ReferencedGroupInfo = &ReferencedSecurityGroup{GroupId: r.Group, UserId: s.scope.Account, VpcId: n.VPC.ID}
	case r.CIDR.Addr().Is4():
		item.CidrIpv4 = r.CIDR.String()
	default:
		item.CidrIpv6 = r.CIDR.String()
	}
	return item
}

// DescribeSecurityGroupRulesInput asks for rules of groups.
type DescribeSecurityGroupRulesInput struct {
	DryRun               bool
	Filters              []Filter `ec2:"Filter"`
	MaxResults           *int32
	NextToken            string
	SecurityGroupRuleIds []string `ec2:"SecurityGroupRuleId"`
}

// DescribeSecurityGroupRulesOutput lists rules.
type DescribeSecurityGroupRulesOutput struct {
	SecurityGroupRules []SecurityGroupRule `ec2:"securityGroupRuleSet"`
	NextToken          string              `ec2:"NextToken,omitempty"`
}

var ruleFilters = attributes[SecurityGroupRule]{
	"group-id":               func(r SecurityGroupRule) []string { return one(r.GroupId) },
	"security-group-rule-id": func(r SecurityGroupRule) []string { return one(r.SecurityGroupRuleId) },
}

// DescribeSecurityGroupRules lists the rules of groups.
func (s *Service) DescribeSecurityGroupRules(ctx context.Context, in *DescribeSecurityGroupRulesInput) (*DescribeSecurityGroupRulesOutput, error) {
	views, err := s.views(ctx)
	if err != nil {
		return nil, err
	}
	all := items(views, func(v view) []SecurityGroupRule {
		var out []SecurityGroupRule
		for _, g := range v.SecurityGroups {
			for _, r := range g.Rules {
				out = append(out, s.ruleItem(v.network, g.ID, r))
			}
		}
		return out
	})
	q := query{in.DryRun, in.SecurityGroupRuleIds, in.Filters, in.MaxResults, in.NextToken}
	page, next, err := describe(all, q, kindRule, func(r SecurityGroupRule) string { return r.SecurityGroupRuleId },
		ruleFilters, func(r SecurityGroupRule) []Tag { return r.Tags })
	if err != nil {
		return nil, err
	}
	return &DescribeSecurityGroupRulesOutput{SecurityGroupRules: page, NextToken: next}, nil
}
