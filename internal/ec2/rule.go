package ec2

import (
	"context"
	"slices"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// RuleRequest are the members with which a request names rules of one
// direction: permissions, or the older members for a single one.
type RuleRequest struct {
	CidrIp                     string
	DryRun                     bool
	FromPort                   *int
	GroupId                    string
	GroupName                  string
	IpPermissions              []IpPermission
	IpProtocol                 string
	SourceSecurityGroupName    string
	SourceSecurityGroupOwnerId string
	ToPort                     *int
}

func (in RuleRequest) check() error {
	if in.GroupId == "" {
		return fault.New(400, "MissingParameter", "The request must contain the parameter groupName or groupId")
	}
	if in.SourceSecurityGroupName != "" || in.SourceSecurityGroupOwnerId != "" {
		return fault.New(400, "InvalidParameterCombination", "The parameter SourceSecurityGroupName may only be used with EC2-Classic or a default VPC.")
	}
	return nil
}

// rules are the rules that the request names, nil when it names none.
func (in RuleRequest) rules(egress bool) ([]Rule, error) {
	permissions := in.IpPermissions
	if in.IpProtocol != "" || in.CidrIp != "" {
		if len(permissions) > 0 {
			return nil, fault.New(400, "InvalidParameterCombination", "The parameter ipProtocol may not be used in combination with ipPermissions")
		}
		permissions = []IpPermission{{IpProtocol: in.IpProtocol, FromPort: in.FromPort, ToPort: in.ToPort, IpRanges: []IpRange{{CidrIp: in.CidrIp}}}}
	}
	return rules(permissions, egress)
}

// AuthorizeSecurityGroupIngressInput asks for rules for what may come in.
type AuthorizeSecurityGroupIngressInput struct {
	RuleRequest
	TagSpecifications []TagSpecification `ec2:"TagSpecification"`
}

// AuthorizeSecurityGroupEgressInput asks for rules for what may go out.
type AuthorizeSecurityGroupEgressInput struct {
	RuleRequest
	TagSpecifications []TagSpecification `ec2:"TagSpecification"`
}

// AuthorizeSecurityGroupIngressOutput lists the new rules.
type AuthorizeSecurityGroupIngressOutput struct {
	Return             bool
	SecurityGroupRules []SecurityGroupRule `ec2:"securityGroupRuleSet"`
}

// AuthorizeSecurityGroupEgressOutput lists the new rules.
type AuthorizeSecurityGroupEgressOutput AuthorizeSecurityGroupIngressOutput

// AuthorizeSecurityGroupIngress adds rules; one that is there is refused, and
// with it the whole request.
func (s *Service) AuthorizeSecurityGroupIngress(ctx context.Context, in *AuthorizeSecurityGroupIngressInput) (*AuthorizeSecurityGroupIngressOutput, error) {
	made, err := s.authorize(ctx, in.RuleRequest, false, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &AuthorizeSecurityGroupIngressOutput{Return: true, SecurityGroupRules: made}, nil
}

// AuthorizeSecurityGroupEgress adds rules, as AuthorizeSecurityGroupIngress does.
func (s *Service) AuthorizeSecurityGroupEgress(ctx context.Context, in *AuthorizeSecurityGroupEgressInput) (*AuthorizeSecurityGroupEgressOutput, error) {
	made, err := s.authorize(ctx, in.RuleRequest, true, in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	return &AuthorizeSecurityGroupEgressOutput{Return: true, SecurityGroupRules: made}, nil
}

func (s *Service) authorize(ctx context.Context, in RuleRequest, egress bool, specs []TagSpecification) ([]SecurityGroupRule, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	fresh, err := in.rules(egress)
	if err != nil {
		return nil, err
	}
	if len(fresh) == 0 {
		return nil, missingParameter("ipPermissions")
	}
	tags, err := tagsFor("security-group-rule", specs)
	if err != nil {
		return nil, err
	}
	for i := range fresh {
		fresh[i].ID, fresh[i].Tags = s.ids.Resource(kindRule.prefix), tags
	}
	var items []SecurityGroupRule
	err = s.changePart(ctx, kindGroup, in.GroupId, in.DryRun, func(tx *store.Tx, n *network) error {
		items = nil
		g, err := n.group(in.GroupId)
		if err != nil {
			return err
		}
		for _, r := range fresh {
			if slices.ContainsFunc(g.Rules, r.same) {
				return fault.New(400, "InvalidPermission.Duplicate", `the specified rule "%s" already exists`, r)
			}
			if r.Group != "" {
				if peer, err := n.group(r.Group); err != nil || peer.Closing {
					return kindGroup.notFound(r.Group)
				}
			}
			g.Rules = append(g.Rules, r)
			items = append(items, s.ruleItem(n, g.ID, r))
			if err := s.own(tx, n.VPC.ID, r.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return items, err
}

// RevokeSecurityGroupIngressInput names rules for what may come in.
type RevokeSecurityGroupIngressInput struct {
	RuleRequest
	SecurityGroupRuleIds []string `ec2:"SecurityGroupRuleId"`
}

// RevokeSecurityGroupEgressInput names rules for what may go out.
type RevokeSecurityGroupEgressInput RevokeSecurityGroupIngressInput

// RevokeSecurityGroupIngress removes rules by identifier or by what they allow.
func (s *Service) RevokeSecurityGroupIngress(ctx context.Context, in *RevokeSecurityGroupIngressInput) (*ReturnOutput, error) {
	return done(s.revoke(ctx, in.RuleRequest, false, in.SecurityGroupRuleIds))
}

// RevokeSecurityGroupEgress removes rules by identifier or by what they allow.
func (s *Service) RevokeSecurityGroupEgress(ctx context.Context, in *RevokeSecurityGroupEgressInput) (*ReturnOutput, error) {
	return done(s.revoke(ctx, in.RuleRequest, true, in.SecurityGroupRuleIds))
}

func (s *Service) revoke(ctx context.Context, in RuleRequest, egress bool, ids []string) error {
	if err := in.check(); err != nil {
		return err
	}
	old, err := in.rules(egress)
	if err != nil {
		return err
	}
	if len(old) == 0 && len(ids) == 0 {
		return missingParameter("ipPermissions")
	}
	for _, id := range ids {
		if err := kindRule.check(id); err != nil {
			return err
		}
	}
	return s.changePart(ctx, kindGroup, in.GroupId, in.DryRun, func(tx *store.Tx, n *network) error {
		g, err := n.group(in.GroupId)
		if err != nil {
			return err
		}
		for _, id := range ids {
			if !s.removeRule(tx, g, func(r Rule) bool { return r.ID == id && r.Egress == egress }) {
				return kindRule.notFound(id)
			}
		}
		for _, r := range old {
			if !s.removeRule(tx, g, r.same) {
				return fault.New(400, "InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
			}
		}
		return nil
	})
}

func (s *Service) removeRule(tx *store.Tx, g *SecurityGroup, match func(Rule) bool) bool {
	i := slices.IndexFunc(g.Rules, match)
	if i < 0 {
		return false
	}
	s.owners.DeleteIn(tx, g.Rules[i].ID)
	g.Rules = slices.Delete(g.Rules, i, i+1)
	return true
}
