package ec2

import (
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// IpPermission is a protocol, a range of ports and the peers it is for.
type IpPermission struct {
	IpProtocol    string
	FromPort      *int
	ToPort        *int
	Groups        []UserIdGroupPair `ec2:"Groups"`
	IpRanges      []IpRange
	Ipv6Ranges    []Ipv6Range
	PrefixListIds []PrefixListId
}

// UserIdGroupPair is a group as a peer.
type UserIdGroupPair struct {
	Description string `ec2:"Description,omitempty"`
	GroupId     string `ec2:"GroupId,omitempty"`
	GroupName   string `ec2:"GroupName,omitempty"`
	UserId      string `ec2:"UserId,omitempty"`
}

// IpRange is a block of addresses as a peer.
type IpRange struct {
	CidrIp      string
	Description string `ec2:"Description,omitempty"`
}

// Ipv6Range is a block of IPv6 addresses as a peer.
type Ipv6Range struct {
	CidrIpv6    string
	Description string `ec2:"Description,omitempty"`
}

// PrefixListId is a prefix list as a peer; such peers are refused.
type PrefixListId struct {
	Description  string `ec2:"Description,omitempty"`
	PrefixListId string
}

// protocols are the numbers that AWS answers by name.
var protocols = map[string]string{"1": "icmp", "6": "tcp", "17": "udp", "58": "icmpv6", "all": "-1"}

// rules takes permissions apart: one rule a peer, without identifiers.
func rules(permissions []IpPermission, egress bool) ([]Rule, error) {
	var out []Rule
	for _, p := range permissions {
		base, err := p.base(egress)
		if err != nil {
			return nil, err
		}
		peers, err := p.peers(base)
		if err != nil {
			return nil, err
		}
		for _, r := range peers {
			if slices.ContainsFunc(out, r.same) {
				return nil, invalidValue("The same permission must not appear multiple times")
			}
			out = append(out, r)
		}
	}
	return out, nil
}

// base is a rule of the permission without a peer.
func (p IpPermission) base(egress bool) (Rule, error) {
	r := Rule{Egress: egress, Protocol: strings.ToLower(p.IpProtocol), FromPort: -1, ToPort: -1}
	if name, ok := protocols[r.Protocol]; ok {
		r.Protocol = name
	}
	switch r.Protocol {
	case "":
		return r, missingParameter("ipProtocol")
	case "tcp", "udp":
		if p.FromPort == nil || p.ToPort == nil {
			return r, invalidValue("Invalid value 'Must specify both from and to ports with TCP/UDP.' for portRange.")
		}
		r.FromPort, r.ToPort = *p.FromPort, *p.ToPort
		for _, port := range []int{r.FromPort, r.ToPort} {
			if port < 0 || port > 65535 {
				return r, invalidValue("%s port (%d) out of range", strings.ToUpper(r.Protocol), port)
			}
		}
		if r.FromPort > r.ToPort {
			return r, invalidValue("Invalid %s port range.", strings.ToUpper(r.Protocol))
		}
	case "icmp", "icmpv6":
		if p.FromPort != nil {
			r.FromPort = *p.FromPort
		}
		if p.ToPort != nil {
			r.ToPort = *p.ToPort
		}
	case "-1":
	default:
		if n, err := strconv.Atoi(r.Protocol); err != nil || n < 0 || n > 255 {
			return r, invalidValue("Invalid value '%s' for IP protocol. Unknown protocol.", p.IpProtocol)
		}
	}
	return r, nil
}

// peers are the rules of the permission, one a peer.
func (p IpPermission) peers(base Rule) ([]Rule, error) {
	var out []Rule
	block := func(text, description string, v4 bool) error {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix.Addr().Is4() != v4 {
			return invalidValue("CIDR block %s is malformed", text)
		}
		r := base
		r.CIDR, r.Description = prefix.Masked(), description
		out = append(out, r)
		return nil
	}
	for _, x := range p.IpRanges {
		if err := block(x.CidrIp, x.Description, true); err != nil {
			return nil, err
		}
	}
	for _, x := range p.Ipv6Ranges {
		if err := block(x.CidrIpv6, x.Description, false); err != nil {
			return nil, err
		}
	}
	for _, x := range p.Groups {
		if x.GroupId == "" {
			return nil, missingParameter("groupId")
		}
		if err := kindGroup.check(x.GroupId); err != nil {
			return nil, err
		}
		r := base
		r.Group, r.Description = x.GroupId, x.Description
		out = append(out, r)
	}
	if len(p.PrefixListIds) > 0 {
		return nil, unsupported("Prefix lists are not supported.")
	}
	if len(out) == 0 {
		return nil, missingParameter("ipRanges, ipv6Ranges or groups")
	}
	return out, nil
}

// same says whether two rules allow the same, whatever their identifiers.
func (r Rule) same(o Rule) bool {
	return r.Egress == o.Egress && r.Protocol == o.Protocol && r.FromPort == o.FromPort && r.ToPort == o.ToPort && r.CIDR == o.CIDR && r.Group == o.Group
}

// String is the rule as AWS's refusals write it.
func (r Rule) String() string {
	peer := r.Group
	if peer == "" {
		peer = r.CIDR.String()
	}
	switch {
	case r.Protocol == "-1":
		return "peer: " + peer + ", ALL, ALLOW"
	case r.FromPort >= 0 && r.ToPort >= 0:
		return "peer: " + peer + ", " + strings.ToUpper(r.Protocol) + ", from port: " + strconv.Itoa(r.FromPort) + ", to port: " + strconv.Itoa(r.ToPort) + ", ALLOW"
	case r.Protocol == "icmp" || r.Protocol == "icmpv6":
		return "peer: " + peer + ", " + strings.ToUpper(r.Protocol) + ", ALLOW"
	}
	return "peer: " + peer + ", protocol: " + r.Protocol + ", ALLOW"
}

// permissions puts the rules of one direction together again: rules that
// differ only in their peer are one permission.
func permissions(rules []Rule, egress bool, account string) []IpPermission {
	out := []IpPermission{}
	for _, r := range rules {
		if r.Egress != egress {
			continue
		}
		p := permissionOf(&out, r)
		switch {
		case r.Group != "":
			p.Groups = append(p.Groups, UserIdGroupPair{Description: r.Description, GroupId: r.Group, UserId: account})
		case r.CIDR.Addr().Is4():
			p.IpRanges = append(p.IpRanges, IpRange{CidrIp: r.CIDR.String(), Description: r.Description})
		default:
			p.Ipv6Ranges = append(p.Ipv6Ranges, Ipv6Range{CidrIpv6: r.CIDR.String(), Description: r.Description})
		}
	}
	return out
}

func permissionOf(in *[]IpPermission, r Rule) *IpPermission {
	var from, to *int
	if r.Protocol == "tcp" || r.Protocol == "udp" || r.Protocol == "icmp" || r.Protocol == "icmpv6" {
		from, to = &r.FromPort, &r.ToPort
	}
	for i := range *in {
		p := &(*in)[i]
		if p.IpProtocol == r.Protocol && (from == nil || *p.FromPort == *from && *p.ToPort == *to) {
			return p
		}
	}
	*in = append(*in, IpPermission{
		IpProtocol: r.Protocol, FromPort: from, ToPort: to,
		Groups: []UserIdGroupPair{}, IpRanges: []IpRange{}, Ipv6Ranges: []Ipv6Range{}, PrefixListIds: []PrefixListId{},
	})
	return &(*in)[len(*in)-1]
}
