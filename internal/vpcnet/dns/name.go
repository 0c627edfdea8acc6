package dns

import (
	"net/netip"
	"strconv"
	"strings"
)

// Domain is the domain of the private names of a region, without a trailing dot.
func Domain(region string) string {
	if region == "us-east-1" {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}

// PrivateName is the name of an address: ip-10-0-1-10.eu-west-1.compute.internal.
func PrivateName(region string, a netip.Addr) string {
	return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + "." + Domain(region)
}

// ParsePrivateName is the inverse of PrivateName. Letter case and a trailing dot
// do not matter.
func ParsePrivateName(region, name string) (netip.Addr, bool) {
	label, ok := underDomain(region, name)
	if !ok || strings.Contains(label, ".") {
		return netip.Addr{}, false
	}
	rest, ok := strings.CutPrefix(label, "ip-")
	if !ok {
		return netip.Addr{}, false
	}
	return parseOctets(strings.Split(rest, "-"))
}

// underDomain cuts the region's domain off a name; ok if it was there. The rest
// of the domain's own name is empty.
func underDomain(region, name string) (rest string, ok bool) {
	name = normalise(name)
	domain := Domain(region)
	if name == domain {
		return "", true
	}
	return strings.CutSuffix(name, "."+domain)
}

func normalise(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) }

// parseReverse reads the address out of a name under in-addr.arpa.
func parseReverse(name string) (netip.Addr, bool) {
	rest, ok := strings.CutSuffix(normalise(name), ".in-addr.arpa")
	if !ok {
		return netip.Addr{}, false
	}
	parts := strings.Split(rest, ".")
	if len(parts) != 4 {
		return netip.Addr{}, false
	}
	parts[0], parts[1], parts[2], parts[3] = parts[3], parts[2], parts[1], parts[0]
	return parseOctets(parts)
}

// parseOctets takes each number in one spelling only, as names are compared by it.
func parseOctets(parts []string) (netip.Addr, bool) {
	if len(parts) != 4 {
		return netip.Addr{}, false
	}
	var octets [4]byte
	for i, p := range parts {
		n, err := strconv.ParseUint(p, 10, 8)
		if err != nil || strconv.FormatUint(n, 10) != p {
			return netip.Addr{}, false
		}
		octets[i] = byte(n)
	}
	return netip.AddrFrom4(octets), true
}
