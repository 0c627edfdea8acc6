package kubeconfig

import (
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/tools/clientcmd"
)

const other = `apiVersion: v1
kind: Config
current-context: work
clusters:
- {name: work, cluster: {server: "https://work"}}
contexts:
- {name: work, context: {cluster: work, user: me, namespace: team}}
users:
- {name: me, user: {token: secret}}
`

var (
	demo = Cluster{Name: "demo", Region: "us-east-1", Endpoint: "https://127.0.0.1:1", CA: []byte("ca"), User: "ann"}
	exec = Exec{Command: "/usr/local/bin/berth", Args: []string{"token"}, Env: []EnvVar{{"A", "b"}}}
)

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// contents lists the contexts of a file, the current one marked.
func contents(t *testing.T, path string) []string {
	t.Helper()
	c, err := clientcmd.LoadFromFile(path)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	all := []string{}
	for name, context := range c.Contexts {
		mark := ""
		if c.CurrentContext == name {
			mark = "*"
		}
		if c.Clusters[context.Cluster] == nil || c.AuthInfos[context.AuthInfo] == nil {
			t.Errorf("context %s of %s has no cluster or no user", name, path)
		}
		all = append(all, mark+name)
	}
	return all
}

func TestWriteAndRemove(t *testing.T) {
	tests := []struct {
		name string
		// before are files by name, list is KUBECONFIG by names.
		before         map[string]string
		list, explicit string
		set            bool
		file           string
		want, after    map[string][]string
	}{
		{
			name: "no file", set: true, file: ".kube/config",
			want:  map[string][]string{".kube/config": {"*ann@demo.us-east-1.eksctl.io"}},
			after: map[string][]string{".kube/config": {}},
		},
		{
			name: "beside others", before: map[string]string{".kube/config": other}, file: ".kube/config",
			want:  map[string][]string{".kube/config": {"*work", "ann@demo.us-east-1.eksctl.io"}},
			after: map[string][]string{".kube/config": {"*work"}},
		},
		{
			name: "two files, the first that exists", before: map[string]string{"b": other}, list: "a:b", set: true, file: "b",
			want:  map[string][]string{"b": {"*ann@demo.us-east-1.eksctl.io", "work"}, ".kube/config": nil},
			after: map[string][]string{"b": {"work"}},
		},
		{
			name: "a named file", before: map[string]string{".kube/config": other}, explicit: "kc/x", set: true, file: "kc/x",
			want:  map[string][]string{"kc/x": {"*ann@demo.us-east-1.eksctl.io"}, ".kube/config": {"*work"}},
			after: map[string][]string{"kc/x": {}, ".kube/config": {"*work"}},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range tt.before {
				write(t, filepath.Join(dir, name), text)
			}
			f := Files{Home: dir}
			for _, name := range filepath.SplitList(tt.list) {
				f.List += filepath.Join(dir, name) + string(filepath.ListSeparator)
			}
			if tt.explicit != "" {
				f.Explicit = filepath.Join(dir, tt.explicit)
			}
			for range 2 { // the second time changes nothing
				path, err := Write(f, Config(demo, exec), tt.set)
				if err != nil {
					t.Fatal(err)
				}
				if want := filepath.Join(dir, tt.file); path != want {
					t.Errorf("wrote %s, want %s", path, want)
				}
				check(t, dir, tt.want)
			}
			if changed, err := Remove(f, "demo", "us-east-1"); err != nil || !changed {
				t.Fatalf("Remove = %v, %v", changed, err)
			}
			check(t, dir, tt.after)
			if changed, err := Remove(f, "demo", "us-east-1"); err != nil || changed {
				t.Fatalf("the second Remove = %v, %v", changed, err)
			}
		})
	}
}

func check(t *testing.T, dir string, want map[string][]string) {
	t.Helper()
	for name, contexts := range want {
		got := contents(t, filepath.Join(dir, name))
		slices.Sort(got)
		if diff := cmp.Diff(contexts, got); diff != "" {
			t.Errorf("contexts of %s (-want +got):\n%s", name, diff)
		}
	}
}

func TestWriteRefusesWhatItCannotRead(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, ".kube", "config")
	write(t, path, "not: [a kubeconfig")
	if _, err := Write(Files{Home: dir}, Config(demo, exec), true); err == nil {
		t.Error("a file that cannot be read was replaced")
	}
	if b, _ := os.ReadFile(path); string(b) != "not: [a kubeconfig" {
		t.Errorf("the file has become %q", b)
	}
}
