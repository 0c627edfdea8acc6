package eks

import (
	"net/netip"
	"slices"
	"testing"
)

func FuzzServiceCIDR(f *testing.F) {
	vpc := VPC{ID: "vpc-1", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}}
	for _, s := range []string{"10.1.0.0/16", "172.16.0.0/12", "192.168.0.0/25", "10.0.5.0/24", "fc00::/16", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		got, err := serviceCIDR(asked, vpc, subject{})
		if err != nil {
			return
		}
		p, err := netip.ParsePrefix(got)
		if err != nil || !p.Addr().IsPrivate() || p.Bits() < 12 || p.Bits() > 24 || p.Overlaps(vpc.CIDRs[0]) {
			t.Errorf("serviceCIDR(%q) accepts %q (%v)", asked, got, err)
		}
	})
}

func FuzzPublicCIDR(f *testing.F) {
	for _, s := range []string{"0.0.0.0/0", "10.0.0.0/8", "203.0.113.7/24", "::/0", "x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, asked string) {
		got, err := publicCIDRs([]string{asked}, subject{})
		if err != nil {
			return
		}
		p, err := netip.ParsePrefix(got[0])
		if err != nil || !p.Addr().Is4() || p.Bits() > 8 && (p.Addr().IsPrivate() || p.Addr().IsLoopback()) {
			t.Errorf("publicCIDRs(%q) accepts %q (%v)", asked, got, err)
		}
	})
}

func FuzzPage(f *testing.F) {
	names := []string{"a", "b", "c", "d"}
	f.Add("YWZ0ZXI6Yg==", int32(2))
	f.Add("", int32(1))
	f.Fuzz(func(t *testing.T, token string, limit int32) {
		got, _, err := page(names, &limit, &token, subject{})
		if err == nil && (len(got) > int(limit) || !slices.IsSorted(got)) {
			t.Errorf("page(%d, %q) gives %v", limit, token, got)
		}
	})
}
