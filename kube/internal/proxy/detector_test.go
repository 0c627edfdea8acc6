package proxy

import (
	"strings"
	"testing"
)

func TestDetector(t *testing.T) {
	tests := []struct {
		name  string
		cidrs []string
		want  string
		fails bool
	}{
		{name: "one", cidrs: []string{"10.0.0.0/16"}, want: "ip saddr != { 10.0.0.0/16 }"},
		{name: "several", cidrs: []string{"10.0.0.0/16", "100.64.0.0/16"}, want: "ip saddr != { 10.0.0.0/16, 100.64.0.0/16 }"},
		{name: "none", fails: true},
		{name: "not a range", cidrs: []string{"10.0.0.0/16; drop"}, fails: true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			d, err := newDetector(test.cidrs)
			if (err != nil) != test.fails {
				t.Fatalf("newDetector = %v, want failure %v", err, test.fails)
			}
			if err == nil && strings.Join(d.IfNotLocalNFT(), " ") != test.want {
				t.Errorf("IfNotLocalNFT = %q, want %q", d.IfNotLocalNFT(), test.want)
			}
		})
	}
}
