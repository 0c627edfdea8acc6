package eks

import (
	"net/netip"
	"slices"
	"strings"
)

// maxPublicCIDRs is how many blocks publicAccessCidrs may hold.
const maxPublicCIDRs = 40

var (
	anywhere = netip.MustParsePrefix("0.0.0.0/0")
	ten      = netip.MustParsePrefix("10.0.0.0/8")
	// serviceRanges are where a service CIDR must lie.
	serviceRanges = []netip.Prefix{ten, netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16")}
	// reservedRanges are where no caller of a public endpoint can come from.
	reservedRanges = append([]netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("224.0.0.0/3"),
	}, serviceRanges...)
	defaultServiceCIDR     = netip.MustParsePrefix("10.100.0.0/16")
	alternativeServiceCIDR = netip.MustParsePrefix("172.20.0.0/16")
)

// publicCIDRs checks publicAccessCidrs; none means everybody.
func publicCIDRs(cidrs []string, on subject) ([]string, error) {
	if len(cidrs) == 0 {
		return []string{anywhere.String()}, nil
	}
	if len(cidrs) > maxPublicCIDRs {
		return nil, on.badParameter("publicAccessCidrs can hold at most %d CIDR blocks", maxPublicCIDRs)
	}
	var bad []string
	out := make([]string, 0, len(cidrs))
	for _, c := range cidrs {
		p, err := netip.ParsePrefix(c)
		if err != nil || !p.Addr().Is4() || !public(p) {
			bad = append(bad, c)
			continue
		}
		if m := p.Masked().String(); !slices.Contains(out, m) {
			out = append(out, m)
		}
	}
	if len(bad) > 0 {
		return nil, on.badParameter("The following CIDRs are invalid in publicAccessCidrs: [%s]", strings.Join(bad, ", "))
	}
	return out, nil
}

// public says whether a block holds more than reserved addresses.
func public(p netip.Prefix) bool {
	return !slices.ContainsFunc(reservedRanges, func(r netip.Prefix) bool { return within(p, r) })
}

// serviceCIDR checks the block that a cluster's services get their addresses
// from, or chooses it when asked is "": 172.20.0.0/16 where the VPC uses
// addresses in 10.0.0.0/8, which is the rule that EKS's own nodes go by, else
// 10.100.0.0/16.
func serviceCIDR(asked string, vpc VPC, on subject) (string, error) {
	if asked == "" {
		return chooseServiceCIDR(vpc, on)
	}
	p, err := netip.ParsePrefix(asked)
	inside := err == nil && slices.ContainsFunc(serviceRanges, func(r netip.Prefix) bool { return within(p, r) })
	switch {
	case err != nil || p != p.Masked():
		return "", on.badParameter("serviceIpv4Cidr is not a valid CIDR block: %s", asked)
	case !inside:
		return "", on.badParameter("serviceIpv4Cidr must be within one of the private IP address blocks 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16: %s", asked)
	case p.Bits() < 12 || p.Bits() > 24:
		return "", on.badParameter("serviceIpv4Cidr must have a size between /24 and /12: %s", asked)
	}
	if c, overlaps := overlap(p, vpc.CIDRs); overlaps {
		return "", on.badParameter("serviceIpv4Cidr %s overlaps with CIDR block %s of VPC %s", asked, c, vpc.ID)
	}
	return p.String(), nil
}

func chooseServiceCIDR(vpc VPC, on subject) (string, error) {
	choices := []netip.Prefix{defaultServiceCIDR, alternativeServiceCIDR}
	if _, usesTen := overlap(ten, vpc.CIDRs); usesTen {
		slices.Reverse(choices)
	}
	for _, c := range choices {
		if _, overlaps := overlap(c, vpc.CIDRs); !overlaps {
			return c.String(), nil
		}
	}
	return "", on.badParameter("VPC %s overlaps with 10.100.0.0/16 and 172.20.0.0/16: name a serviceIpv4Cidr", vpc.ID)
}

func overlap(p netip.Prefix, blocks []netip.Prefix) (netip.Prefix, bool) {
	i := slices.IndexFunc(blocks, p.Overlaps)
	if i < 0 {
		return netip.Prefix{}, false
	}
	return blocks[i], true
}

// within says whether all of p lies in r.
func within(p, r netip.Prefix) bool { return p.Bits() >= r.Bits() && r.Contains(p.Addr()) }
