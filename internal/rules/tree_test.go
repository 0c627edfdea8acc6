package rules

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// root is the repository, seen from this package.
const root = "../.."

// source is one Go file.
type source struct {
	// path and dir are relative to the repository, with slashes.
	path, dir string
	test      bool
	generated bool
	lines     int
	fset      *token.FileSet
	ast       *ast.File
}

// imports are the paths that the file imports; those of the repository's own
// modules are relative to it.
func (s source) imports() []string {
	var out []string
	for _, spec := range s.ast.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			continue
		}
		if own, ok := strings.CutPrefix(p, "berth.dev/berth/"); ok {
			p = own
		}
		out = append(out, p)
	}
	return out
}

// fixture says whether the file is of a package that is there for tests alone,
// as its name says.
func (s source) fixture() bool { return strings.HasSuffix(s.ast.Name.Name, "test") }

func (s source) line(n ast.Node) int { return s.fset.Position(n.Pos()).Line }

// skipped says whether a folder holds nothing that the rules are about: what is
// built, what is foreign, and what the go command does not build either.
func skipped(name string) bool {
	switch name {
	case "bin", "build", "testdata", "node_modules", "vendor":
		return true
	}
	return len(name) > 1 && (name[0] == '.' || name[0] == '_')
}

// walk calls f with every file of the repository.
func walk(f func(rel string) error) error {
	return filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, p)
		if err != nil {
			return err
		}
		if d.IsDir() && rel != "." && skipped(d.Name()) {
			return fs.SkipDir
		}
		if !d.Type().IsRegular() {
			return nil
		}
		return f(filepath.ToSlash(rel))
	})
}

// neverBuilt says whether a file only names modules for the go command.
func neverBuilt(b []byte) bool { return bytes.HasPrefix(b, []byte("//go:build deps\n")) }

var parseTree = sync.OnceValues(func() ([]source, error) {
	var all []source
	err := walk(func(rel string) error {
		if !strings.HasSuffix(rel, ".go") {
			return nil
		}
		b, err := os.ReadFile(filepath.Join(root, rel))
		if err != nil {
			return err
		}
		s := source{path: rel, dir: path.Dir(rel), test: strings.HasSuffix(rel, "_test.go"), fset: token.NewFileSet()}
		if s.ast, err = parser.ParseFile(s.fset, rel, b, parser.ParseComments|parser.SkipObjectResolution); err != nil {
			return err
		}
		if neverBuilt(b) {
			return nil
		}
		s.lines = s.fset.File(s.ast.FileStart).LineCount()
		s.generated = ast.IsGenerated(s.ast)
		all = append(all, s)
		return nil
	})
	return all, err
})

// tree is every Go file of every module of the repository.
func tree(t *testing.T) []source {
	t.Helper()
	all, err := parseTree()
	if err != nil {
		t.Fatalf("reading the source: %v", err)
	}
	if len(all) < 100 {
		t.Fatalf("found %d Go files below %s, which cannot be the repository", len(all), root)
	}
	return all
}

// within says whether a path is one of the patterns: a path, or path/... for all
// below it too.
func within(p string, patterns []string) bool {
	for _, pattern := range patterns {
		if base, ok := strings.CutSuffix(pattern, "/..."); ok {
			if p == base || strings.HasPrefix(p, base+"/") {
				return true
			}
		} else if p == pattern {
			return true
		}
	}
	return false
}
