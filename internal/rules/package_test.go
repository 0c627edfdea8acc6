package rules

import (
	"path"
	"strings"
	"testing"
)

// TestEveryPackageSaysWhatItIs wants one doc comment a package, in the form that
// the go command shows.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	docs, names := map[string][]string{}, map[string]string{}
	for _, s := range tree(t) {
		if s.test {
			continue
		}
		names[s.dir] = s.ast.Name.Name
		if s.ast.Doc == nil {
			continue
		}
		docs[s.dir] = append(docs[s.dir], s.path)
		want := "Package " + s.ast.Name.Name + " "
		if s.ast.Name.Name == "main" {
			want = "Command " + path.Base(s.dir) + " "
		}
		text := s.ast.Doc.Text()
		if !strings.HasPrefix(text, want) {
			t.Errorf("%s: the package comment begins with %q; it has to begin with %q", s.path, firstLine(text), want)
		}
		if len(strings.Fields(text)) < 8 {
			t.Errorf("%s: the package comment %q says too little: say what the package is, what it is not, and who may import it", s.path, firstLine(text))
		}
	}
	for dir := range names {
		switch len(docs[dir]) {
		case 0:
			t.Errorf("package %s has no doc comment", dir)
		case 1:
		default:
			t.Errorf("package %s has %d doc comments, in %v; one is enough", dir, len(docs[dir]), docs[dir])
		}
	}
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// banned are names that say nothing of what a package holds, so that anything
// ends up in it.
var banned = map[string]bool{
	"util": true, "utils": true, "common": true, "helper": true, "helpers": true, "types": true,
	"manager": true, "base": true, "misc": true, "shared": true, "lib": true, "core": true, "interfaces": true,
}

func TestPackageNames(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range tree(t) {
		name := strings.TrimSuffix(s.ast.Name.Name, "_test")
		if seen[s.dir] {
			continue
		}
		seen[s.dir] = true
		if banned[name] || banned[path.Base(s.dir)] {
			t.Errorf("package %s: %q says nothing of what is in it", s.dir, name)
		}
		if strings.ToLower(name) != name || strings.Contains(name, "_") {
			t.Errorf("package %s: %q is not one lower-case word", s.dir, name)
		}
		parent := path.Base(path.Dir(s.dir))
		if name != "main" && name != parent && strings.HasPrefix(name, parent) && !strings.HasSuffix(name, "test") {
			t.Errorf("package %s stutters: its parent already says %q", s.dir, parent)
		}
	}
}
