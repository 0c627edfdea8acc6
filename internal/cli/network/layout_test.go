package network

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/internal/cli/clusterconfig"
)

func TestLayout(t *testing.T) {
	tests := []struct {
		name, cidr, zones string
		want              string
	}{
		{"eksctl's default", "192.168.0.0/16", "a b c", "a 192.168.0.0/19 192.168.96.0/19, b 192.168.32.0/19 192.168.128.0/19, c 192.168.64.0/19 192.168.160.0/19"},
		{"two zones", "10.0.0.0/16", "a b", "a 10.0.0.0/19 10.0.64.0/19, b 10.0.32.0/19 10.0.96.0/19"},
		{"five zones", "10.0.0.0/16", "a b c d e", "a 10.0.0.0/20 10.0.80.0/20, b 10.0.16.0/20 10.0.96.0/20, c 10.0.32.0/20 10.0.112.0/20, d 10.0.48.0/20 10.0.128.0/20, e 10.0.64.0/20 10.0.144.0/20"},
		{"small", "10.1.2.0/24", "a b", "a 10.1.2.0/27 10.1.2.64/27, b 10.1.2.32/27 10.1.2.96/27"},
		{"one zone", "10.0.0.0/16", "a", "dividing the VPC's block 10.0.0.0/16: 1 zones, want 2 to 8"},
		{"too small", "10.1.2.0/26", "a b", "dividing the VPC's block 10.1.2.0/26: want a block between /16 and /24"},
		{"no block", "10.1.2.0", "a b", `dividing the VPC's block "10.1.2.0": not an IPv4 block`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			zones, err := layout(tt.cidr, strings.Fields(tt.zones))
			var parts []string
			for _, z := range zones {
				parts = append(parts, fmt.Sprint(z.name, " ", z.public, " ", z.private))
			}
			got := strings.Join(parts, ", ")
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("layout (-want +got):\n%s", diff)
			}
		})
	}
}

func TestNATs(t *testing.T) {
	zones := []zone{{name: "us-east-1a"}, {name: "us-east-1b"}}
	for mode, want := range map[string]int{"": 1, clusterconfig.NATSingle: 1, clusterconfig.NATHighlyAvailable: 2, clusterconfig.NATDisable: 0} {
		if got := len((Plan{NAT: mode}).nats(zones)); got != want {
			t.Errorf("mode %q has %d NAT gateways, want %d", mode, got, want)
		}
	}
	if got := zones[0].suffix(); got != "USEAST1A" {
		t.Errorf("suffix = %s, want USEAST1A", got)
	}
}
