package id

import (
	"crypto/rand"
	"regexp"
	"testing"
)

func TestShapes(t *testing.T) {
	s := Source{Random: rand.Reader}
	tests := []struct{ name, got, want string }{
		{"resource", s.Resource("vpc"), `^vpc-0[0-9a-f]{16}$`},
		{"hex", s.Hex(7), `^[0-9a-f]{7}$`},
		{"upper hex", s.UpperHex(32), `^[0-9A-F]{32}$`},
		{"uuid", s.UUID(), `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`},
		{"iam", s.IAM("AROA"), `^AROA[A-Z2-7]{17}$`},
		{"secret", s.Secret(40), `^[A-Za-z0-9+/]{40}$`},
		{"name", s.Name(8), `^[a-z2-7]{8}$`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !regexp.MustCompile(tt.want).MatchString(tt.got) {
				t.Errorf("%s = %q, want %s", tt.name, tt.got, tt.want)
			}
		})
	}
}
