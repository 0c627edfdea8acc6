package containerd

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseMounts(t *testing.T) {
	for _, test := range []struct {
		name, text string
		want       []mountPoint
	}{
		{"nothing", "", nil},
		{"no separator", "1 2 0:1 / /x rw\n", nil},
		{"too short", "1 2 - ext4\n", nil},
		{
			"an overlay with optional fields",
			"44 29 0:40 / /run/a/rootfs rw,relatime shared:7 master:1 - overlay overlay rw,upperdir=/var/a/1/fs\n",
			[]mountPoint{{point: "/run/a/rootfs", kind: "overlay", options: "rw,upperdir=/var/a/1/fs"}},
		},
		{
			"a blank in a name",
			`30 29 0:27 / /mnt/a\040b rw - tmpfs none rw` + "\n",
			[]mountPoint{{point: "/mnt/a b", kind: "tmpfs", options: "rw"}},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := parseMounts(test.text)
			if diff := cmp.Diff(test.want, got, cmp.AllowUnexported(mountPoint{})); diff != "" {
				t.Errorf("parseMounts (-want +got):\n%s", diff)
			}
		})
	}
}

func FuzzParseMounts(f *testing.F) {
	f.Add(`30 29 0:27 / /mnt/a\040b rw - tmpfs none rw`)
	f.Add("1 2 0:1 / /x\\ rw - a b c\n - \n")
	f.Fuzz(func(t *testing.T, text string) {
		if got, most := len(parseMounts(text)), strings.Count(text, "\n")+1; got > most {
			t.Errorf("%d mounts out of at most %d lines", got, most)
		}
	})
}

func TestOwns(t *testing.T) {
	paths := PathsIn("/var/lib/berth")
	other := PathsIn("/var/lib/berth2")
	for _, test := range []struct {
		name string
		proc process
		want bool
	}{
		{"containerd", process{args: []string{"containerd", "--config", paths.Config()}}, true},
		{"another's containerd", process{args: []string{"containerd", "--config", other.Config()}}, false},
		{"a shim", process{args: []string{"shim", "-namespace", "k8s.io", "-address", paths.Socket, "-id", "1"}}, true},
		{"another's shim", process{args: []string{"shim", "-address", other.Socket}}, false},
		{"a sandbox", process{args: []string{"runsc-sandbox", "--root=" + paths.RunscRoot + "/k8s.io", "boot"}}, true},
		{"another's sandbox", process{args: []string{"runsc-sandbox", "--root=" + other.RunscRoot + "/k8s.io"}}, false},
		{"a folder that begins alike", process{args: []string{"runsc", "--root=" + paths.RunscRoot + "2"}}, false},
		{"runc", process{args: []string{"runc", "--root", paths.RuncRoot + "/k8s.io", "create"}}, true},
		{"a container", process{rootOptions: "rw,lowerdir=/l,upperdir=" + paths.Root + "/s/1/fs,workdir=/w"}, true},
		{"another's container", process{rootOptions: "rw,upperdir=" + other.Root + "/s/1/fs"}, false},
		{"an editor of the configuration", process{args: []string{"vi", paths.Config()}}, false},
		{"a kernel thread", process{}, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := paths.owns(test.proc); got != test.want {
				t.Errorf("owns(%v) = %v, want %v", test.proc, got, test.want)
			}
		})
	}
}

func TestRemoveCNIResults(t *testing.T) {
	paths := PathsIn("/var/lib/berth")
	dir := filepath.Join(t.TempDir(), "cni", "results")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	result := func(kind, netns string) []byte {
		data, err := json.Marshal(map[string]string{"kind": kind, "netns": netns})
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	for name, data := range map[string][]byte{
		"ours":    result("cniCacheV1", paths.State+"/netns/cni-1"),
		"another": result("cniCacheV1", "/run/other/netns/cni-2"),
		"foreign": result("unknown", paths.State+"/netns/cni-1"),
		"broken":  []byte("{"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeCNIResults(dir, paths); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, entry := range entries {
		left = append(left, entry.Name())
	}
	if diff := cmp.Diff([]string{"another", "broken", "foreign"}, left); diff != "" {
		t.Errorf("results left (-want +got):\n%s", diff)
	}
	if err := removeCNIResults(filepath.Join(dir, "absent"), paths); err != nil {
		t.Errorf("without a folder of results: %v", err)
	}
}

func FuzzOwnCNIResult(f *testing.F) {
	paths := PathsIn("/var/lib/berth")
	f.Add([]byte(`{"kind":"cniCacheV1","netns":"` + paths.State + `/netns/cni-1"}`))
	f.Add([]byte(`{"kind":1}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		if ownCNIResult(data, paths) && !strings.Contains(string(data), "c") {
			t.Errorf("%q is taken for ours", data)
		}
	})
}

func TestBundleCgroups(t *testing.T) {
	paths := PathsIn(t.TempDir())
	paths.State = t.TempDir()
	for id, spec := range map[string]string{
		"whole":  `{"linux":{"cgroupsPath":"/berth/pod-1/whole"}}`,
		"broken": `{"linux":`,
	} {
		dir := filepath.Join(paths.State, "io.containerd.runtime.v2.task", "k8s.io", id)
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(spec), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]string{"/berth/pod-1/whole"}, bundleCgroups(paths)); diff != "" {
		t.Errorf("cgroups (-want +got):\n%s", diff)
	}
}

func TestCgroupDirsNeverNameARoot(t *testing.T) {
	hierarchy := t.TempDir()
	if err := os.Mkdir(filepath.Join(hierarchy, "berth"), 0o700); err != nil {
		t.Fatal(err)
	}
	got := cgroupDirs([]string{hierarchy}, []string{"", "/", "..", "/berth/..", "absent", "berth", "/berth"})
	if diff := cmp.Diff([]string{filepath.Join(hierarchy, "berth")}, got); diff != "" {
		t.Errorf("cgroups (-want +got):\n%s", diff)
	}
}

func TestCleanUpRefusesWhatCannotBeItsOwn(t *testing.T) {
	for _, test := range []struct {
		name   string
		paths  Paths
		parent string
	}{
		{"no paths", Paths{}, "/berth"},
		{"the root cgroup", PathsIn(t.TempDir()), "/"},
		{"a relative cgroup", PathsIn(t.TempDir()), "berth"},
		{"a cgroup above", PathsIn(t.TempDir()), "/berth/../.."},
	} {
		t.Run(test.name, func(t *testing.T) {
			var path *PathError
			if err := CleanUp(context.Background(), test.paths, test.parent); !errors.As(err, &path) {
				t.Errorf("CleanUp: %v, want a *PathError", err)
			}
		})
	}
}

func TestCleanUpOfNothing(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root: it reads other users' processes")
	}
	if err := CleanUp(context.Background(), PathsIn(t.TempDir()), "/berth-test-absent"); err != nil {
		t.Error(err)
	}
}
