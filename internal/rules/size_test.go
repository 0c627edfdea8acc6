package rules

import (
	"fmt"
	"go/ast"
	"maps"
	"slices"
	"testing"
)

// The limits. 95 % of what the models of this code base wrote is below them.
const (
	maxFile    = 500
	maxFunc    = 60
	maxPackage = 3000
	// maxParams leaves out a leading context or transaction. Tests' helpers have none.
	maxParams = 4
)

// larger are the things that are larger than a limit, each with its present
// size and the reason. The numbers may fall and not rise.
var larger = map[string]struct {
	max    int
	reason string
}{
	"package internal/ec2": {5525, "one service of a dozen nouns that check each other's records; each noun is a file of its own"},

	"func internal/ec2.TestNetworkOfACluster": {63, "one story, told in the order in which a user makes a network"},
	"func internal/iam.TestRolePolicies":      {62, "one role's life, whose steps build on each other"},

	"params internal/app.App.Main":                   {5, "a process is given its arguments, environment and three streams"},
	"params internal/app.Main":                       {5, "a process is given its arguments, environment and three streams"},
	"params internal/awsapi/sigv4.assemble":          {5, "the parts of a signature, which are nowhere else together"},
	"params internal/awsapi/sigv4.canonicalRequest":  {5, "the parts of a canonical request, in the order of the specification"},
	"params internal/cli/clusterconfig.knownMember":  {5, "a step of a recursion that carries its path along"},
	"params internal/doctor.found":                   {5, "a line of the table of checks"},
	"params internal/ec2.describe":                   {6, "it is generic over records, which it knows by functions alone"},
	"params internal/eks.Service.newEntry":           {5, "the members of the record that it makes"},
	"params internal/iam.grants.putInline":           {5, "the words of the refusal, which differ between users and roles"},
	"params internal/vpcnet/linux.setPod":            {5, "both ends of a link, which are in different namespaces"},
	"params internal/iam.denied":                     {5, "the words of AWS's message, in its order"},
	"params kube/internal/portforward.dialer.Attach": {6, "the shape is that of the kubelet's interface"},
	"params kube/internal/portforward.dialer.Exec":   {7, "the shape is that of the kubelet's interface"},
	"params kube/internal/machine.New":               {5, "what the fake of a machine is told of the true one"},
	"params sandbox/gvisor/internal/shim.start":      {5, "the shape is that of containerd's shim interface"},
}

// slack is how far, in percent, a size may lie below its exception before the
// exception has to be lowered: enough that not every deleted line touches it.
const slack = 5

func TestSizes(t *testing.T) {
	limits := map[string]int{"file": maxFile, "func": maxFunc, "package": maxPackage, "params": maxParams}
	seen := map[string]int{}
	measure := func(kind, name string, size int) {
		key := kind + " " + name
		seen[key] = size
		if e, ok := larger[key]; ok {
			if size > e.max {
				t.Errorf("%s is %d, above its exception of %d (%s): make it smaller", key, size, e.max, e.reason)
			}
			return
		}
		if size > limits[kind] {
			t.Errorf("%s is %d, above the limit of %d: split it, or put it in the table with the reason", key, size, limits[kind])
		}
	}
	packages := map[string]int{}
	for _, s := range tree(t) {
		if s.generated {
			continue
		}
		measure("file", s.path, s.lines)
		if !s.test {
			packages[s.dir] += s.lines
		}
		for _, f := range functions(s) {
			measure("func", f.name, f.lines)
			if !s.test && !s.fixture() {
				measure("params", f.name, f.params)
			}
		}
	}
	for dir, lines := range packages {
		measure("package", dir, lines)
	}
	for _, key := range slices.Sorted(maps.Keys(larger)) {
		e := larger[key]
		var kind string
		fmt.Sscan(key, &kind)
		switch size := seen[key]; {
		case e.reason == "":
			t.Errorf("the exception for %s has no reason", key)
		case size <= limits[kind]:
			t.Errorf("%s is %d, within the limit of %d: take it off the table", key, size, limits[kind])
		case size*100 < e.max*(100-slack):
			t.Errorf("%s is %d: lower its exception of %d", key, size, e.max)
		}
	}
}

// function is a function's size.
type function struct {
	name          string
	lines, params int
}

// functions measures the functions of a file. Composite literals of tests do not
// count: a table is data, and is read as such.
func functions(s source) []function {
	var out []function
	for _, d := range s.ast.Decls {
		f, ok := d.(*ast.FuncDecl)
		if !ok || f.Body == nil {
			continue
		}
		lines := span(s, f)
		if s.test {
			lines -= literals(s, f.Body)
		}
		out = append(out, function{s.dir + "." + receiver(f) + f.Name.Name, lines, parameters(f.Type)})
	}
	return out
}

func span(s source, n ast.Node) int {
	return s.fset.Position(n.End()).Line - s.fset.Position(n.Pos()).Line + 1
}

func literals(s source, body ast.Node) int {
	lines := 0
	ast.Inspect(body, func(n ast.Node) bool {
		if c, ok := n.(*ast.CompositeLit); ok {
			lines += span(s, c) - 1
			return false
		}
		return true
	})
	return lines
}

func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	t := f.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.Ident:
			return x.Name + "."
		default:
			return ""
		}
	}
}

func parameters(f *ast.FuncType) int {
	n := 0
	for i, p := range f.Params.List {
		if i == 0 && environment(p.Type) {
			continue
		}
		n += max(1, len(p.Names))
	}
	return n
}

// environment says whether a parameter is what surrounds a call, not what it is
// about: a context or a transaction.
func environment(t ast.Expr) bool {
	if p, ok := t.(*ast.StarExpr); ok {
		t = p.X
	}
	sel, ok := t.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	x, ok := sel.X.(*ast.Ident)
	return ok && (x.Name == "context" || x.Name == "store" && sel.Sel.Name == "Tx")
}
