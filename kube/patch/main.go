// Command patch makes the few edits that Berth needs in the kubelet's sources:
// it writes a tree of k8s.io/kubernetes, symbolic links to the module cache but
// for the edited files, and a go.mod for `go build -modfile` that uses it.
//
// Upstream starts one kubelet per process and lets the end of the process stop
// what it started. Berth starts many and removes them one by one, so every
// goroutine of a kubelet must end with that kubelet's context, and what can
// exist once in a process must not be started per kubelet. The edits do that
// and nothing else: no behaviour of a running kubelet changes but the ones that
// edits.go names. An edit whose text is not found exactly as often as expected
// fails the build, so that an upgrade of Kubernetes cannot drop one in silence.
//
// It is a build tool: the standard library only, imported by nobody. (go build
// -overlay would be simpler, but refuses files of the module cache.)
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

const module = "k8s.io/kubernetes"

func main() {
	out := flag.String("o", "", "folder to write the patched tree, go.mod and go.sum to")
	flag.Parse()
	if err := run(*out); err != nil {
		fmt.Fprintf(os.Stderr, "patch: %v\n", err)
		os.Exit(1)
	}
}

func run(out string) error {
	if out == "" {
		return fmt.Errorf("-o is missing")
	}
	out, err := filepath.Abs(out)
	if err != nil {
		return err
	}
	root, err := moduleDir()
	if err != nil {
		return err
	}
	tree := filepath.Join(out, "kubernetes")
	if err := os.RemoveAll(tree); err != nil {
		return err
	}
	if err := mirror(root, tree, "", files(edits)); err != nil {
		return fmt.Errorf("writing %s: %w", tree, err)
	}
	return writeModFile(out, tree)
}

// mirror links every entry of root/dir into tree/dir, but makes real folders on
// the way to the named files, and writes those edited.
func mirror(root, tree, dir string, named []string) error {
	if err := os.MkdirAll(filepath.Join(tree, dir), 0o755); err != nil {
		return err
	}
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		if err := mirrorEntry(root, tree, path, named); err != nil {
			return err
		}
	}
	return nil
}

func mirrorEntry(root, tree, path string, named []string) error {
	if slices.Contains(named, path) {
		source, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			return err
		}
		edited, err := apply(path, string(source), edits)
		if err != nil {
			return err
		}
		return os.WriteFile(filepath.Join(tree, path), []byte(edited), 0o644)
	}
	inside := func(file string) bool { return strings.HasPrefix(file, path+"/") }
	if slices.ContainsFunc(named, inside) {
		return mirror(root, tree, path, named)
	}
	return os.Symlink(filepath.Join(root, path), filepath.Join(tree, path))
}

// writeModFile writes this module's go.mod and go.sum with the patched tree in
// place of the module.
func writeModFile(out, tree string) error {
	mod, err := os.ReadFile("go.mod")
	if err != nil {
		return err
	}
	sum, err := os.ReadFile("go.sum")
	if err != nil {
		return err
	}
	mod = fmt.Appendf(mod, "\nreplace %s => %s\n", module, tree)
	if err := os.WriteFile(filepath.Join(out, "go.mod"), mod, 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(out, "go.sum"), sum, 0o644)
}

// moduleDir is where the module lies once it has been downloaded.
func moduleDir() (string, error) {
	command := exec.Command("go", "mod", "download", "-json", module)
	command.Stderr = os.Stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("downloading module %s: %w", module, err)
	}
	var downloaded struct{ Dir string }
	if err := json.Unmarshal(out, &downloaded); err != nil {
		return "", fmt.Errorf("finding module %s: %w", module, err)
	}
	if downloaded.Dir == "" {
		return "", fmt.Errorf("finding module %s: it has no folder", module)
	}
	return downloaded.Dir, nil
}

// files lists the files that edits touch, each once, sorted.
func files(edits []edit) []string {
	var names []string
	for _, e := range edits {
		names = append(names, e.file)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// apply makes the edits of one file, in order.
func apply(file, source string, edits []edit) (string, error) {
	for _, e := range edits {
		if e.file != file {
			continue
		}
		want := max(e.count, 1)
		if got := strings.Count(source, e.old); got != want {
			return "", fmt.Errorf("editing %s: found %d times, not %d: %s", file, got, want, e.old)
		}
		source = strings.ReplaceAll(source, e.old, e.new)
	}
	return source, nil
}
