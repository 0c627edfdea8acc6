package dns

import (
	"net/netip"
	"testing"
)

func TestParsePrivateName(t *testing.T) {
	for _, tt := range []struct {
		name, region, in, want string
	}{
		{"plain", "eu-west-1", "ip-10-0-1-10.eu-west-1.compute.internal", "10.0.1.10"},
		{"dot and case", "eu-west-1", "IP-10-0-1-10.EU-West-1.compute.internal.", "10.0.1.10"},
		{"the oldest region", "us-east-1", "ip-172-31-0-4.ec2.internal.", "172.31.0.4"},
		{"not that region's form", "us-east-1", "ip-172-31-0-4.us-east-1.compute.internal.", ""},
		{"another region", "eu-west-1", "ip-10-0-1-10.eu-west-2.compute.internal.", ""},
		{"domain itself", "eu-west-1", "eu-west-1.compute.internal.", ""},
		{"subdomain", "eu-west-1", "x.ip-10-0-1-10.eu-west-1.compute.internal.", ""},
		{"node's name", "eu-west-1", "fargate-ip-10-0-1-10.eu-west-1.compute.internal.", ""},
		{"three numbers", "eu-west-1", "ip-10-0-1.eu-west-1.compute.internal.", ""},
		{"five numbers", "eu-west-1", "ip-10-0-1-1-1.eu-west-1.compute.internal.", ""},
		{"too large", "eu-west-1", "ip-10-0-1-256.eu-west-1.compute.internal.", ""},
		{"leading zero", "eu-west-1", "ip-10-0-01-2.eu-west-1.compute.internal.", ""},
		{"sign", "eu-west-1", "ip-10-0-+1-2.eu-west-1.compute.internal.", ""},
		{"empty", "eu-west-1", "", ""},
		{"suffix without dot", "eu-west-1", "ip-10-0-0-1eu-west-1.compute.internal", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := ParsePrivateName(tt.region, tt.in)
			if ok != (tt.want != "") || (ok && got.String() != tt.want) {
				t.Errorf("ParsePrivateName(%q, %q) = %v, %v; want %q", tt.region, tt.in, got, ok, tt.want)
			}
		})
	}
}

func FuzzParsePrivateName(f *testing.F) {
	for _, s := range []string{"ip-10-0-1-10.eu-west-1.compute.internal.", "IP-1-2-3-4.eu-west-1.compute.internal", "ip----.eu-west-1.compute.internal", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		a, ok := ParsePrivateName("eu-west-1", name)
		if ok && PrivateName("eu-west-1", a) != normalise(name) {
			t.Errorf("%q is %s, whose name is %q", name, a, PrivateName("eu-west-1", a))
		}
	})
}

func FuzzParseReverse(f *testing.F) {
	f.Add("10.1.0.10.in-addr.arpa.")
	f.Add("1.0.10.in-addr.arpa.")
	f.Fuzz(func(t *testing.T, name string) {
		a, ok := parseReverse(name)
		if !ok {
			return
		}
		b := a.As4()
		back := netip.AddrFrom4([4]byte{b[3], b[2], b[1], b[0]})
		if want := back.String() + ".in-addr.arpa"; normalise(name) != want {
			t.Errorf("%q is %s, whose reverse name is %q", name, a, want)
		}
	})
}

func FuzzParseResolvConf(f *testing.F) {
	f.Add([]byte("nameserver 127.0.0.53\noptions edns0 timeout:1\n# x\nsearch a b"))
	f.Add([]byte("nameserver\noptions ndots:999 attempts:"))
	f.Fuzz(func(t *testing.T, b []byte) {
		servers, err := parseResolvConf(b)
		if err != nil && servers != nil {
			t.Errorf("servers %v together with the error %v", servers, err)
		}
	})
}
