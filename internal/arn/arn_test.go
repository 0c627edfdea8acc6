package arn

import "testing"

func TestParse(t *testing.T) {
	tests := []struct {
		name, in  string
		want      ARN
		kind, rid string
		bad       bool
	}{
		{name: "role", in: "arn:aws:iam::123456789012:role/path/name", want: ARN{"aws", "iam", "", "123456789012", "role/path/name"}, kind: "role", rid: "path/name"},
		{name: "cluster", in: "arn:aws:eks:eu-west-1:123456789012:cluster/demo", want: ARN{"aws", "eks", "eu-west-1", "123456789012", "cluster/demo"}, kind: "cluster", rid: "demo"},
		{name: "root", in: "arn:aws:iam::123456789012:root", want: ARN{"aws", "iam", "", "123456789012", "root"}, kind: "root"},
		{name: "policy of AWS", in: "arn:aws:iam::aws:policy/AmazonEKSClusterPolicy", want: ARN{"aws", "iam", "", "aws", "policy/AmazonEKSClusterPolicy"}, kind: "policy", rid: "AmazonEKSClusterPolicy"},
		{name: "empty", in: "", bad: true},
		{name: "no resource", in: "arn:aws:iam::123456789012:", bad: true},
		{name: "five parts", in: "arn:aws:iam::123456789012", bad: true},
		{name: "not an ARN", in: "urn:aws:iam::1:role/x", bad: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Parse(tt.in)
			if (err != nil) != tt.bad {
				t.Fatalf("Parse(%q) error = %v, want error %v", tt.in, err, tt.bad)
			}
			if got != tt.want {
				t.Errorf("Parse(%q) = %#v, want %#v", tt.in, got, tt.want)
			}
			if tt.bad {
				return
			}
			if got.String() != tt.in {
				t.Errorf("String() = %q, want %q", got.String(), tt.in)
			}
			if got.ResourceType() != tt.kind || got.ResourceID() != tt.rid {
				t.Errorf("resource of %q = %q, %q; want %q, %q", tt.in, got.ResourceType(), got.ResourceID(), tt.kind, tt.rid)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add("arn:aws:iam::123456789012:role/name")
	f.Add("arn:::::")
	f.Fuzz(func(t *testing.T, s string) {
		a, err := Parse(s)
		if err == nil && a.String() != s {
			t.Errorf("Parse(%q).String() = %q", s, a.String())
		}
	})
}
