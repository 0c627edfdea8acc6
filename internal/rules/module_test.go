package rules

import (
	"encoding/json"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// replacements are the replace lines of each module; Kubernetes' are checked as
// a whole.
var replacements = map[string]map[string]string{
	"go.mod": {
		"berth.dev/berth/dataplane": "the protocol between the two modules is in this repository, and changes with both",
	},
	"kube/go.mod": {
		"berth.dev/berth/dataplane": "the protocol between the two modules is in this repository, and changes with both",
		"k8s.io/":                   "k8s.io/kubernetes requires its staging modules at v0.0.0, so that whoever links it has to say which they are",
	},
	"sandbox/containerd/go.mod": {},
	"sandbox/gvisor/go.mod":     {},
	"images/go.mod":             {},
	"dataplane/go.mod":          {},
}

// stagingModules is how many of k8s.io/kubernetes' modules are replaced.
const stagingModules = 33

// module is what is read of a go.mod.
type module struct {
	Module  struct{ Path string }
	Require []struct {
		Path, Version string
	}
	Replace []struct {
		Old, New struct{ Path, Version string }
	}
}

func modules(t *testing.T) map[string]module {
	t.Helper()
	all := map[string]module{}
	err := walk(func(rel string) error {
		if path.Base(rel) != "go.mod" {
			return nil
		}
		b, err := exec.Command("go", "mod", "edit", "-json", filepath.Join(root, rel)).Output()
		if err != nil {
			return err
		}
		var m module
		if err := json.Unmarshal(b, &m); err != nil {
			return err
		}
		all[rel] = m
		return nil
	})
	if err != nil {
		t.Fatalf("reading the modules: %v", err)
	}
	return all
}

// TestReplaceLines counts replace lines: each makes what is built differ from
// what the required version says.
func TestReplaceLines(t *testing.T) {
	found := modules(t)
	for file, m := range found {
		allowed, ok := replacements[file]
		if !ok {
			t.Errorf("%s is not in the table of replace lines: add it, with what it may replace", file)
			continue
		}
		staging := 0
		used := map[string]bool{}
		for _, r := range m.Replace {
			key := r.Old.Path
			if strings.HasPrefix(key, "k8s.io/") && allowed["k8s.io/"] != "" {
				key = "k8s.io/"
				staging++
				if r.New.Path != r.Old.Path {
					t.Errorf("%s replaces %s by %s: Kubernetes' modules are replaced by their own released versions alone", file, r.Old.Path, r.New.Path)
				}
			}
			used[key] = true
			if allowed[key] == "" {
				t.Errorf("%s replaces %s, for which the table has no reason", file, r.Old.Path)
			}
		}
		for key := range allowed {
			if !used[key] {
				t.Errorf("%s no longer replaces %s: take it off the table", file, key)
			}
		}
		if allowed["k8s.io/"] != "" && staging != stagingModules {
			t.Errorf("%s replaces %d of Kubernetes' modules, want %d", file, staging, stagingModules)
		}
	}
	for file := range replacements {
		if _, ok := found[file]; !ok {
			t.Errorf("%s of the table of replace lines does not exist", file)
		}
	}
}

// TestHeavyModules keeps requirements out of modules, since a requirement also
// chooses versions for what does not import it.
func TestHeavyModules(t *testing.T) {
	all := modules(t)
	for _, r := range []struct{ file, prefix, reason string }{
		{"go.mod", "k8s.io/kubernetes", "the main module builds in seconds because it has client-go only"},
		{"go.mod", "gvisor.dev/", "gVisor is built in its own module, with the versions that it wants"},
		{"go.mod", "github.com/aws/aws-sdk-go-v2/service/ec2", "it takes 3 GB of memory to compile; a few dozen tagged structs do"},
		{"dataplane/go.mod", "", "two modules with different dependencies share it, so it has none"},
	} {
		for _, q := range all[r.file].Require {
			if strings.HasPrefix(q.Path, r.prefix) {
				t.Errorf("%s requires %s: %s", r.file, q.Path, r.reason)
			}
		}
	}
}
