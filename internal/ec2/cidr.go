package ec2

import (
	"net/netip"

	"berth.dev/berth/internal/fault"
)

// parseBlock reads an IPv4 block; as on AWS, bits beyond the mask are dropped.
func parseBlock(parameter, text string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || !p.Addr().Is4() {
		return netip.Prefix{}, invalidValue("Value (%s) for parameter %s is invalid. This is not a valid CIDR block.", text, parameter)
	}
	return p.Masked(), nil
}

// checkBlockSize refuses blocks that are neither /16 nor /28 nor in between.
func checkBlockSize(code, text string, p netip.Prefix) error {
	if p.Bits() < 16 || p.Bits() > 28 {
		return fault.New(400, code, "The CIDR '%s' is invalid.", text)
	}
	return nil
}

// contains says whether inner is part of outer.
func contains(outer, inner netip.Prefix) bool {
	return outer.Bits() <= inner.Bits() && outer.Contains(inner.Addr())
}

// everywhere is the destination of a default route.
var everywhere = netip.PrefixFrom(netip.IPv4Unspecified(), 0)
