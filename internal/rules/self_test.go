package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"testing"
)

// TestRulesCanFail puts offenders before the rules' own parts.
func TestRulesCanFail(t *testing.T) {
	tests := []struct {
		name string
		got  bool
	}{
		{"a path below a pattern", within("net/http/httptest", []string{"net/http/..."})},
		{"a pattern itself", within("net/http", []string{"net/http/..."})},
		{"not a longer name", !within("net/httpx", []string{"net/http/..."})},
		{"a wall keeps out", forbidden(wall{forbids: []string{"k8s.io/..."}}, "k8s.io/api/core/v1")},
		{"a wall lets its exception in", !forbidden(wall{forbids: []string{"k8s.io/..."}, except: []string{"k8s.io/utils/clock"}}, "k8s.io/utils/clock")},
		{"a wall lets its own inside", !forbidden(wall{of: []string{"internal/iam/..."}, forbids: []string{"internal/..."}}, "internal/iam/policy")},
		{"a marker without a number", marker.MatchString(numbered.ReplaceAllString("// TODO: later", ""))},
		{"a marker with a number", !marker.MatchString(numbered.ReplaceAllString("// TODO(#12): later", ""))},
		{"an error that failed to", failedTo.MatchString(`"failed to read %s"`)},
		{"a registry", hosts.MatchString("image: ghcr.io/x/y")},
		{"no registry", !hosts.MatchString("602401143452.dkr.ecr.us-east-1.amazonaws.com/eks/pause")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if !tt.got {
				t.Error("the rule decides otherwise")
			}
		})
	}
}

func TestMeasures(t *testing.T) {
	const text = `package p

func (s *Service[T]) Do(ctx context.Context, a, b string, c int, _ bool) {
	x := []string{
		"1",
		"2",
	}
	time.Sleep(1)
}
`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p_test.go", text, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		test bool
		want function
	}{
		{"in code", false, function{"p.Service.Do", 7, 4}},
		{"tables of tests do not count", true, function{"p.Service.Do", 4, 4}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := functions(source{dir: "p", test: tt.test, fset: fset, ast: f})
			if len(got) != 1 || got[0] != tt.want {
				t.Errorf("functions = %+v, want %+v", got, tt.want)
			}
		})
	}
	sleeps := 0
	ast.Inspect(f, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok && called(c, "time", "Sleep") {
			sleeps++
		}
		return true
	})
	if sleeps != 1 {
		t.Errorf("found %d sleeps, want 1", sleeps)
	}
}
