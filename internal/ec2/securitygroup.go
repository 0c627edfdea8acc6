package ec2

import (
	"context"
	"net/netip"
	"regexp"
	"slices"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// SecurityGroup is the record of a security group.
type SecurityGroup struct {
	ID          string            `json:"id"`
	VPCID       string            `json:"vpcId"`
	Name        string            `json:"name"`
	Description string            `json:"description"`
	Rules       []Rule            `json:"rules,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
	// Closing keeps new interfaces out while DeleteSecurityGroup looks for old
	// ones; a group that stayed so after a crash can only be deleted.
	Closing bool `json:"closing,omitempty"`
}

// Rule is one rule of a group: one direction, one range of ports, one peer.
type Rule struct {
	ID     string `json:"id"`
	Egress bool   `json:"egress,omitempty"`
	// Protocol is tcp, udp, icmp, icmpv6, a number, or -1 for everything.
	Protocol string `json:"protocol"`
	// FromPort and ToPort are -1 where the protocol has no ports.
	FromPort int `json:"fromPort"`
	ToPort   int `json:"toPort"`
	// CIDR or Group is the peer.
	CIDR        netip.Prefix      `json:"cidr,omitzero"`
	Group       string            `json:"group,omitempty"`
	Description string            `json:"description,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

const defaultGroupName = "default"

// defaultGroup is the group that a VPC is born with.
func (s *Service) defaultGroup(vpcID string) SecurityGroup {
	id := s.ids.Resource(kindGroup.prefix)
	return SecurityGroup{
		ID: id, VPCID: vpcID, Name: defaultGroupName, Description: "default VPC security group",
		Rules: []Rule{s.allFrom(id), s.allOut()},
	}
}

// allFrom is the rule that lets in everything from a group.
func (s *Service) allFrom(groupID string) Rule {
	return Rule{ID: s.ids.Resource(kindRule.prefix), Protocol: "-1", FromPort: -1, ToPort: -1, Group: groupID}
}

// allOut is the rule that lets out everything.
func (s *Service) allOut() Rule {
	return Rule{ID: s.ids.Resource(kindRule.prefix), Egress: true, Protocol: "-1", FromPort: -1, ToPort: -1, CIDR: everywhere}
}

func (s *Service) ownGroup(tx *store.Tx, vpcID string, g SecurityGroup) error {
	return s.own(tx, vpcID, append(each(g.Rules, func(r Rule) string { return r.ID }), g.ID)...)
}

func (s *Service) forgetGroup(tx *store.Tx, g SecurityGroup) {
	s.owners.DeleteIn(tx, g.ID)
	for _, r := range g.Rules {
		s.owners.DeleteIn(tx, r.ID)
	}
}

// CreateSecurityGroupInput asks for a security group.
type CreateSecurityGroupInput struct {
	Description       string `ec2:"GroupDescription"`
	DryRun            bool
	GroupName         string
	TagSpecifications []TagSpecification `ec2:"TagSpecification"`
	VpcId             string
}

// CreateSecurityGroupOutput names the new group.
type CreateSecurityGroupOutput struct {
	GroupId          string
	SecurityGroupArn string
	Tags             []Tag `ec2:"Tag/tagSet"`
}

var groupText = regexp.MustCompile(`^[a-zA-Z0-9 ._\-:/()#,@\[\]+=&;{}!$*]{1,255}$`)

// CreateSecurityGroup makes a group that lets nothing in and everything out.
func (s *Service) CreateSecurityGroup(ctx context.Context, in *CreateSecurityGroupInput) (*CreateSecurityGroupOutput, error) {
	if err := required("groupName", in.GroupName, "groupDescription", in.Description); err != nil {
		return nil, err
	}
	if in.VpcId == "" {
		return nil, fault.New(400, "VPCIdNotSpecified", "No default VPC for this user")
	}
	if err := requireVPC(in.VpcId); err != nil {
		return nil, err
	}
	if err := checkGroupTexts(in.GroupName, in.Description); err != nil {
		return nil, err
	}
	tags, err := tagsFor("security-group", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	g := SecurityGroup{
		ID: s.ids.Resource(kindGroup.prefix), VPCID: in.VpcId, Name: in.GroupName, Description: in.Description,
		Rules: []Rule{s.allOut()}, Tags: tags,
	}
	err = s.change(ctx, in.VpcId, in.DryRun, func(tx *store.Tx, n *network) error {
		if slices.ContainsFunc(n.SecurityGroups, func(o SecurityGroup) bool { return o.Name == g.Name }) {
			return fault.New(400, "InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", g.Name, n.VPC.ID)
		}
		n.SecurityGroups = append(n.SecurityGroups, g)
		return s.ownGroup(tx, n.VPC.ID, g)
	})
	if err != nil {
		return nil, err
	}
	return &CreateSecurityGroupOutput{GroupId: g.ID, SecurityGroupArn: s.groupARN(g.ID), Tags: tagSet(tags)}, nil
}

func checkGroupTexts(name, description string) error {
	switch {
	case name == defaultGroupName:
		return fault.New(400, "InvalidParameterValue", "Cannot use reserved security group name: %s", name)
	case len(name) >= 3 && name[:3] == "sg-":
		return invalidValue("Value (%s) for parameter groupName is invalid. Group names may not start with 'sg-'.", name)
	case !groupText.MatchString(name):
		return invalidValue("Value (%s) for parameter groupName is invalid. Character sets beyond ASCII are not supported.", name)
	case !groupText.MatchString(description):
		return invalidValue("Value (%s) for parameter GroupDescription is invalid. Character sets beyond ASCII are not supported.", description)
	}
	return nil
}

// DeleteSecurityGroupInput names a group.
type DeleteSecurityGroupInput struct {
	DryRun    bool
	GroupId   string
	GroupName string
}

// DeleteSecurityGroupOutput names the group that was deleted.
type DeleteSecurityGroupOutput struct {
	Return  bool
	GroupId string
}

// DeleteSecurityGroup removes a group that no interface and no rule names.
func (s *Service) DeleteSecurityGroup(ctx context.Context, in *DeleteSecurityGroupInput) (*DeleteSecurityGroupOutput, error) {
	if in.GroupId == "" {
		return nil, fault.New(400, "MissingParameter", "The request must contain the parameter groupName or groupId")
	}
	if err := s.deleteGroup(ctx, in.GroupId, in.DryRun); err != nil {
		return nil, err
	}
	return &DeleteSecurityGroupOutput{Return: true, GroupId: in.GroupId}, nil
}

// deleteGroup closes the group to new interfaces, looks for old ones, and
// removes it or opens it again. The interfaces of a VPC are too many to be read
// in a transaction; closing first leaves none to slip in between.
func (s *Service) deleteGroup(ctx context.Context, id string, dryRun bool) error {
	var vpcID string
	inUse := dependency("resource %s has a dependent object", id)
	err := s.changePart(ctx, kindGroup, id, dryRun, func(_ *store.Tx, n *network) error {
		g, err := n.group(id)
		switch {
		case err != nil:
			return err
		case g.Name == defaultGroupName:
			return fault.New(400, "CannotDelete", `the specified group: "%s" name: "%s" cannot be deleted by a user`, id, g.Name)
		case n.groupNamed(id):
			return inUse
		}
		vpcID, g.Closing = n.VPC.ID, true
		return nil
	})
	if err != nil {
		return err
	}
	used, err := s.groupUsed(ctx, vpcID, id)
	if err != nil {
		return err
	}
	var blocked bool
	err = s.changePart(ctx, kindGroup, id, false, func(tx *store.Tx, n *network) error {
		g, err := n.group(id)
		if err != nil {
			return err
		}
		if blocked = used || n.groupNamed(id); blocked {
			g.Closing = false
			return nil
		}
		s.forgetGroup(tx, *g)
		n.SecurityGroups = without(n.SecurityGroups, func(o SecurityGroup) bool { return o.ID == id })
		return nil
	})
	if err == nil && blocked {
		return inUse
	}
	return err
}

// groupNamed says whether a rule of another group names the group.
func (n *network) groupNamed(id string) bool {
	for _, g := range n.SecurityGroups {
		if g.ID != id && slices.ContainsFunc(g.Rules, func(r Rule) bool { return r.Group == id }) {
			return true
		}
	}
	return false
}

// groupUsed says whether an interface carries the group.
func (s *Service) groupUsed(ctx context.Context, vpcID, id string) (bool, error) {
	pools, err := s.records.List(ctx, poolPrefix(vpcID))
	if err != nil {
		return false, err
	}
	for _, p := range pools {
		if p.Value.Pool != nil && p.Value.Pool.Groups[id] > 0 {
			return true, nil
		}
	}
	return false, nil
}

func (s *Service) groupARN(id string) string {
	return s.scope.Regional("ec2", "security-group/"+id).String()
}
