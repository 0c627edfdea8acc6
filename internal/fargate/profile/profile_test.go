package profile

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestWildcard(t *testing.T) {
	tests := []struct {
		pattern, text string
		want          bool
	}{
		{"prod", "prod", true},
		{"prod", "prod1", false},
		{"prod*", "prod", true},
		{"prod*", "prod-eu", true},
		{"*dev", "team-dev", true},
		{"*dev", "devs", false},
		{"value?", "valuea", true},
		{"value?", "value", false},
		{"value?", "value-a", false},
		{"frontend*?", "frontend", false},
		{"frontend*?", "frontend1", true},
		{"*", "", true},
		{"", "", true},
		{"", "a", false},
		{"?", "", false},
		{"**a**", "bab", true},
		{"*a*b*c", "xaybzc", true},
		{"*ab", "aab", true},
		{"a.c", "abc", false},
	}
	for _, tt := range tests {
		t.Run(tt.pattern+" "+tt.text, func(t *testing.T) {
			if got := Wildcard(tt.pattern, tt.text); got != tt.want {
				t.Errorf("Wildcard(%q, %q) = %v, want %v", tt.pattern, tt.text, got, tt.want)
			}
		})
	}
}

func TestWildcardIsBounded(t *testing.T) {
	// An exponential matcher would not come back from this.
	if Wildcard(strings.Repeat("*a", 200)+"b", strings.Repeat("a", 2000)) {
		t.Error("a text without b matched a pattern that ends in b")
	}
}

// naive is the definition, word for word.
func naive(p, s string) bool {
	switch {
	case p == "":
		return s == ""
	case p[0] == '*':
		return naive(p[1:], s) || s != "" && naive(p, s[1:])
	case s == "":
		return false
	default:
		return (p[0] == '?' || p[0] == s[0]) && naive(p[1:], s[1:])
	}
}

func FuzzWildcard(f *testing.F) {
	f.Add("a*b?c", "axxbyc")
	f.Add("*?*", "a")
	f.Add("?*b", "abab")
	f.Fuzz(func(t *testing.T, pattern, text string) {
		if len(pattern) > 12 || len(text) > 16 {
			return // the naive matcher is exponential
		}
		if got, want := Wildcard(pattern, text), naive(pattern, text); got != want {
			t.Errorf("Wildcard(%q, %q) = %v, want %v", pattern, text, got, want)
		}
	})
}

func TestMatch(t *testing.T) {
	profiles := []Profile{
		{Name: "prod-workload", Selectors: []Selector{{Namespace: "prod*"}}},
		{Name: "beta-workload", Selectors: []Selector{
			{Namespace: "beta"},
			{Namespace: "prod", Labels: map[string]string{"env": "beta", "tier*": "web?"}},
		}},
	}
	tests := []struct {
		name string
		pod  Pod
		want Result
	}{
		{
			name: "namespace of one profile",
			pod:  Pod{Namespace: "prod-eu"},
			want: Result{Profile: "prod-workload", Selector: 0, Considered: []Reason{
				{Profile: "beta-workload", Selector: 0, Cause: NamespaceDiffers, Want: "beta", Got: "prod-eu"},
				{Profile: "beta-workload", Selector: 1, Cause: NamespaceDiffers, Want: "prod", Got: "prod-eu"},
				{Profile: "prod-workload", Selector: 0, Cause: Chosen},
			}},
		},
		{
			name: "two match, the first by name wins",
			pod:  Pod{Namespace: "prod", Labels: map[string]string{"env": "beta", "tier1": "db", "tier2": "web1"}},
			want: Result{Profile: "beta-workload", Selector: 1, Considered: []Reason{
				{Profile: "beta-workload", Selector: 0, Cause: NamespaceDiffers, Want: "beta", Got: "prod"},
				{Profile: "beta-workload", Selector: 1, Cause: Chosen},
				{Profile: "prod-workload", Selector: 0, Cause: Later, Want: "beta-workload"},
			}},
		},
		{
			name: "all labels must match",
			pod:  Pod{Namespace: "prod", Labels: map[string]string{"env": "beta"}},
			want: Result{Profile: "prod-workload", Selector: 0, Considered: []Reason{
				{Profile: "beta-workload", Selector: 0, Cause: NamespaceDiffers, Want: "beta", Got: "prod"},
				{Profile: "beta-workload", Selector: 1, Cause: LabelMissing, Key: "tier*", Want: "web?"},
				{Profile: "prod-workload", Selector: 0, Cause: Chosen},
			}},
		},
		{
			name: "the label names a profile that matches",
			pod:  Pod{Namespace: "prod", Labels: map[string]string{Label: "prod-workload", "env": "beta", "tier": "web1"}},
			want: Result{Profile: "prod-workload", Selector: 0, Considered: []Reason{
				{Profile: "beta-workload", Selector: -1, Cause: NotNamed, Want: "prod-workload", Got: "beta-workload"},
				{Profile: "prod-workload", Selector: 0, Cause: Chosen},
			}},
		},
		{
			name: "the label names a profile that does not match",
			pod:  Pod{Namespace: "prod", Labels: map[string]string{Label: "beta-workload", "env": "dev"}},
			want: Result{Selector: -1, Considered: []Reason{
				{Profile: "beta-workload", Selector: 0, Cause: NamespaceDiffers, Want: "beta", Got: "prod"},
				{Profile: "beta-workload", Selector: 1, Cause: LabelDiffers, Key: "env", Want: "beta", Got: "dev"},
				{Profile: "prod-workload", Selector: -1, Cause: NotNamed, Want: "beta-workload", Got: "prod-workload"},
			}},
		},
		{
			name: "the label names no profile",
			pod:  Pod{Namespace: "prod", Labels: map[string]string{Label: "gone"}},
			want: Result{Selector: -1, Considered: []Reason{
				{Profile: "beta-workload", Selector: -1, Cause: NotNamed, Want: "gone", Got: "beta-workload"},
				{Profile: "prod-workload", Selector: -1, Cause: NotNamed, Want: "gone", Got: "prod-workload"},
			}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Match(profiles, tt.pod)
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
			for _, r := range got.Considered {
				if r.String() == "" {
					t.Errorf("reason %+v says nothing", r)
				}
			}
		})
	}
	if profiles[0].Name != "prod-workload" {
		t.Error("Match reordered the caller's profiles")
	}
}

func TestMatchWithoutProfiles(t *testing.T) {
	if got := Match(nil, Pod{Namespace: "default"}); got.Matched() || got.Selector != -1 {
		t.Errorf("matched %+v, want nothing", got)
	}
}

func TestValidateName(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"ordinary", "fp-default", ""},
		{"with underscore and period", "a_b.c", ""},
		{"reserved", "eks-x", "InvalidParameterException: Fargate Profile name must not start with the reserved prefix eks-"},
		{"slash", "a/b", "InvalidParameterException: Fargate Profile name must be 1 to 63"},
		{"too long", strings.Repeat("a", 64), "InvalidParameterException: Fargate Profile name must be 1 to 63"},
		{"trailing hyphen", "a-", "InvalidParameterException: Fargate Profile name must be 1 to 63"},
		{"empty", "", "InvalidParameterException: Fargate Profile name must be 1 to 63"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, ValidateName(tt.in), tt.want)
		})
	}
}

func TestValidateSelectors(t *testing.T) {
	labels := map[string]string{}
	for i := range 6 {
		labels[fmt.Sprint(i)] = "x"
	}
	tests := []struct {
		name string
		in   []Selector
		want string
	}{
		{"one namespace", []Selector{{Namespace: "default"}}, ""},
		{"none", nil, "InvalidParameterException: Fargate Profile requires at least one selector."},
		{"no namespace", []Selector{{Labels: labels}}, "InvalidParameterException: Fargate Profile must have at least one selector with at least one namespace value."},
		{"six labels", []Selector{{Namespace: "a", Labels: labels}}, "InvalidParameterException: Request contains Selector with more than 5 Label pairs"},
		{"six selectors", []Selector{{Namespace: "a"}, {Namespace: "b"}, {Namespace: "c"}, {Namespace: "d"}, {Namespace: "e"}, {Namespace: "f"}}, "ResourceLimitExceededException: Request contains more than 5 Selectors"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, ValidateSelectors(tt.in, DefaultLimits), tt.want)
		})
	}
}

func checkError(t *testing.T, err error, want string) {
	t.Helper()
	got := ""
	if err != nil {
		got = err.Error()
	}
	if want == "" && got != "" || !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

func BenchmarkMatch(b *testing.B) {
	var profiles []Profile
	for i := range 10 {
		p := Profile{Name: fmt.Sprintf("fp-%02d", i)}
		for j := range 5 {
			p.Selectors = append(p.Selectors, Selector{
				Namespace: fmt.Sprintf("team-%d-*", i*5+j),
				Labels:    map[string]string{"app": "web*", "tier": "front?"},
			})
		}
		profiles = append(profiles, p)
	}
	pod := Pod{Namespace: "team-49-prod", Labels: map[string]string{"app": "web1", "tier": "front2", "x": "y"}}
	b.ReportAllocs()
	for b.Loop() {
		if !Match(profiles, pod).Matched() {
			b.Fatal("no match")
		}
	}
}
