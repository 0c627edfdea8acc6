package rules

import (
	"bytes"
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// sleepers may sleep, each for a reason.
var sleepers = map[string]string{}

// TestNobodySleeps keeps time.Sleep out: a sleep is a guess at how long
// something takes, and is wrong on the next machine. Inside a synctest bubble
// time is the test's own, so that a sleep is exact and takes none.
func TestNobodySleeps(t *testing.T) {
	for _, s := range tree(t) {
		if sleepers[s.path] != "" {
			continue
		}
		var bubbles []ast.Node
		ast.Inspect(s.ast, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			if called(c, "synctest", "Test") {
				bubbles = append(bubbles, c)
			}
			if called(c, "time", "Sleep") && !inside(c, bubbles) {
				t.Errorf("%s line %d sleeps: wait for a condition, a timer or the end of a context", s.path, s.line(c))
			}
			return true
		})
	}
}

func inside(n ast.Node, outer []ast.Node) bool {
	for _, o := range outer {
		if o.Pos() <= n.Pos() && n.End() <= o.End() {
			return true
		}
	}
	return false
}

// called says whether a call is of a package's function, by the name under which
// everyone imports the package.
func called(c *ast.CallExpr, pkg, name string) bool {
	sel, ok := c.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != name {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// TestPureCodeReadsNoClock is the wall that imports cannot build: time is also
// the package of durations and of parsing.
func TestPureCodeReadsNoClock(t *testing.T) {
	pure := []string{
		"internal/fargate/profile", "internal/fargate/sizing", "internal/fargate/validation", "internal/fargate/admission",
		"internal/iam/policy", "internal/vpcnet", "internal/awsapi/constraint", "internal/awsapi/restjson", "internal/awsapi/query",
		"internal/awsapi/ec2query", "internal/awsapi/wire", "internal/arn", "internal/fault",
	}
	clock := []string{"Now", "Since", "Until", "After", "AfterFunc", "NewTimer", "NewTicker", "Tick"}
	for _, s := range tree(t) {
		if s.test || !within(s.dir, pure) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok {
				for _, name := range clock {
					if called(c, "time", name) {
						t.Errorf("%s line %d calls time.%s: the time is an argument of pure code", s.path, s.line(c), name)
					}
				}
			}
			return true
		})
	}
}

// TestServicesTakeTheirClock wants the time of records to come from the clock
// that a service was made with.
func TestServicesTakeTheirClock(t *testing.T) {
	of := append([]string{"internal/fargate/scheduler", "internal/kubeauth", "internal/store", "internal/cluster"}, domain...)
	for _, s := range tree(t) {
		if s.test || !within(s.dir, of) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok && (called(c, "time", "Now") || called(c, "time", "Since")) {
				t.Errorf("%s line %d reads the real clock: use the one of the Config", s.path, s.line(c))
			}
			return true
		})
	}
}

func TestNoInit(t *testing.T) {
	for _, s := range tree(t) {
		for _, d := range s.ast.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == "init" {
				t.Errorf("%s line %d declares init: what a program does is written in its main and its constructors", s.path, s.line(f))
			}
		}
	}
}

// exiters are the packages that may end the process.
var exiters = []string{"cmd/...", "images/cmd/...", "kube/cmd/...", "sandbox/containerd/cmd/...", "sandbox/gvisor/cmd/...", "internal/awsapi/model/gen", "kube/patch", "test/bench",
	// A broken lifeline means that the parent is gone, and with it who would wait.
	"kube/internal/app"}

// TestOnlyMainExits keeps os.Exit in the commands: elsewhere it skips everyone's
// deferred calls.
func TestOnlyMainExits(t *testing.T) {
	for _, s := range tree(t) {
		if s.test || within(s.dir, exiters) {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			if c, ok := n.(*ast.CallExpr); ok && called(c, "os", "Exit") {
				t.Errorf("%s line %d exits: return an error", s.path, s.line(c))
			}
			return true
		})
	}
}

var (
	marker   = regexp.MustCompile(`\b(TODO|FIXME|XXX|HACK)\b`)
	numbered = regexp.MustCompile(`\bTODO\(#[0-9]+\)`)
	// failedTo is how an error begins that says nothing of what was done.
	failedTo = regexp.MustCompile(`^"(failed to|could not|error) `)
)

func TestOpenWorkHasANumber(t *testing.T) {
	for _, s := range tree(t) {
		for _, g := range s.ast.Comments {
			for _, c := range g.List {
				text := numbered.ReplaceAllString(c.Text, "")
				if s.dir != "internal/rules" && marker.MatchString(text) {
					t.Errorf("%s line %d: %q names no issue; write TODO(#n), or do it", s.path, s.line(c), strings.TrimSpace(c.Text))
				}
			}
		}
	}
}

// TestErrorsSayWhatWasDone wants a gerund and an identifier.
func TestErrorsSayWhatWasDone(t *testing.T) {
	for _, s := range tree(t) {
		if s.test {
			continue
		}
		ast.Inspect(s.ast, func(n ast.Node) bool {
			c, ok := n.(*ast.CallExpr)
			if !ok || len(c.Args) == 0 || !(called(c, "fmt", "Errorf") || called(c, "errors", "New")) {
				return true
			}
			if l, ok := c.Args[0].(*ast.BasicLit); ok && failedTo.MatchString(l.Value) {
				t.Errorf("%s line %d: error %s: say what was being done, as in \"creating subnet %%s: %%w\"", s.path, s.line(c), l.Value)
			}
			return true
		})
	}
}

// hosts are those of registries of packages and images: what is fetched from
// where is the configuration of a machine, not of this repository.
var hosts = regexp.MustCompile(`(docker|ghcr|quay)\.io/|registry\.(k8s\.io|npmjs|terraform\.io)|\b(k8s\.)?gcr\.io/|public\.ecr\.aws|(proxy|sum)\.golang\.org|(deb|security)\.debian\.org|archive\.ubuntu\.com|pypi\.org|hub\.docker\.com|crates\.io`)

// namesHosts may name one, for a reason.
var namesHosts = []struct{ path, reason string }{
	{"internal/rules/", "the rule itself"},
	{"images/", "containerd puts docker.io before a name without a registry, so the built images carry it in their names"},
	{"test/bench/cri.go", "the name of a built image, as above"},
}

func TestNoRegistryHosts(t *testing.T) {
	err := walk(func(rel string) error {
		switch filepath.Ext(rel) {
		case ".go", ".mod", ".md", ".mk", ".sh", ".yaml", ".yml", ".json", ".txt", ".toml", "":
		default:
			return nil
		}
		for _, n := range namesHosts {
			if strings.HasPrefix(rel, n.path) {
				return nil
			}
		}
		b, err := os.ReadFile(filepath.Join(root, rel))
		if err != nil {
			return err
		}
		for i, line := range bytes.Split(b, []byte("\n")) {
			if m := hosts.Find(line); m != nil {
				t.Errorf("%s line %d names the registry host %s", rel, i+1, m)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("reading the repository: %v", err)
	}
}

// TestNoImportsFromAfar looks for dot imports, which hide whose a name is, and
// for blank ones, which change a package without being seen in it.
func TestNoImportsFromAfar(t *testing.T) {
	allowed := map[string]string{
		"embed": "it is how go:embed is switched on",
	}
	for _, s := range tree(t) {
		for _, i := range s.ast.Imports {
			if i.Name == nil {
				continue
			}
			p := strings.Trim(i.Path.Value, `"`)
			switch {
			case i.Name.Name == ".":
				t.Errorf("%s imports %s with a dot: say whose each name is", s.path, p)
			case i.Name.Name == "_" && allowed[p] == "" && !within(s.dir, registering):
				t.Errorf("%s imports %s for its side effects alone", s.path, p)
			}
		}
	}
}

// registering are programs of plugins, which are linked by importing them.
var registering = []string{"sandbox/...", "kube/...", "images/..."}
