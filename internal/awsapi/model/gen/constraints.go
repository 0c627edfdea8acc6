package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// requiredFields reads "This member is required." off the SDK's Go types.
func requiredFields(dir string) (map[string]bool, error) {
	files, err := filepath.Glob(filepath.Join(dir, "api_op_*.go"))
	if err != nil {
		return nil, err
	}
	files = append(files, filepath.Join(dir, "types", "types.go"))
	required := map[string]bool{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return nil, err
		}
		ast.Inspect(file, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			st, ok := spec.Type.(*ast.StructType)
			if !ok || strings.HasSuffix(spec.Name.Name, "Output") {
				return false
			}
			for _, f := range st.Fields.List {
				if len(f.Names) == 1 && strings.Contains(f.Doc.Text(), "This member is required.") {
					required[spec.Name.Name+"."+f.Names[0].Name] = true
				}
			}
			return false
		})
	}
	return required, nil
}

// constraints renders the table: one line a member that has any, sorted.
func constraints(d desc, required map[string]bool) string {
	lines := map[string]string{}
	for key := range required {
		lines[key] = " required"
	}
	for name, structure := range goNames(d) {
		for member, ref := range structure.Members {
			key := name + "." + upper(member)
			d.describe(lines, key, ref.Shape, 0)
		}
	}
	keys := make([]string, 0, len(lines))
	for key := range lines {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	var b strings.Builder
	for _, key := range keys {
		b.WriteString(key + lines[key] + "\n")
	}
	return b.String()
}

// goNames maps the SDK's Go type names to the shapes that requests can reach.
func goNames(d desc) map[string]shape {
	found, seen := map[string]shape{}, map[string]bool{}
	var walk func(name, goName string)
	walk = func(name, goName string) {
		s := d.Shapes[name]
		if seen[name] {
			return
		}
		seen[name] = true
		for _, ref := range s.Members {
			walk(ref.Shape, upper(ref.Shape))
		}
		for _, ref := range []*struct{ Shape string }{s.Member, s.Value} {
			if ref != nil {
				walk(ref.Shape, upper(ref.Shape))
			}
		}
		if s.Type == "structure" {
			found[goName] = s
		}
	}
	for op, x := range d.Operations {
		if x.Input.Shape != "" {
			walk(x.Input.Shape, op+"Input")
		}
	}
	return found
}

// describe adds the constraints of a shape and, suffixed [] for elements and
// values and {} for keys, of what it holds.
func (d desc) describe(lines map[string]string, key, name string, depth int) {
	s := d.Shapes[name]
	var b strings.Builder
	// The API references show no minimum for maps, and SDKs send empty ones.
	if s.Min != nil && s.Type != "map" {
		b.WriteString(" min=" + number(*s.Min))
	}
	if s.Max != nil && *s.Max < 1<<53 {
		b.WriteString(" max=" + number(*s.Max))
	}
	if p := goPattern(s.Pattern); p != "" {
		b.WriteString(" pattern=" + p)
	}
	if b.Len() > 0 {
		lines[key] += b.String()
	}
	if depth > 2 {
		return
	}
	if s.Member != nil {
		d.describe(lines, key+"[]", s.Member.Shape, depth+1)
	}
	if s.Key != nil {
		d.describe(lines, key+"{}", s.Key.Shape, depth+1)
	}
	if s.Value != nil {
		d.describe(lines, key+"[]", s.Value.Shape, depth+1)
	}
}

var unicodeEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// goPattern is a model's pattern, as it was written, when Go can run it; a
// pattern that says nothing, or that Go's regexp lacks, is left to the domain.
func goPattern(p string) string {
	if p == "" || p == ".*" {
		return ""
	}
	if _, err := regexp.Compile(unicodeEscape.ReplaceAllString(p, `\x{$1}`)); err != nil {
		fmt.Println("left out:", strconv.Quote(p))
		return ""
	}
	return p
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
