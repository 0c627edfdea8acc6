package doctor

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/dataplane"
)

// fake is a host that has everything but what is named in lacks.
type fake struct {
	uid   int
	caps  uint64
	lacks map[string]string
	files uint64
}

func (f fake) lack(name string) error {
	if why, ok := f.lacks[name]; ok {
		return errors.New(why)
	}
	return nil
}

func (fake) OS() string                      { return "linux" }
func (fake) Kernel() string                  { return "6.1.0 x86_64" }
func (f fake) UID() int                      { return f.uid }
func (f fake) Capabilities() (uint64, error) { return f.caps, nil }
func (f fake) Namespace() error              { return f.lack("namespace") }
func (f fake) Veth() error                   { return f.lack("veth") }
func (f fake) NFTables(string) error         { return f.lack("nft") }
func (f fake) LookPath(name string) (string, error) {
	return "/usr/sbin/" + name, f.lack("program " + name)
}
func (f fake) Exists(path string) error        { return f.lack(filepath.Base(path)) }
func (f fake) ReadFile(string) (string, error) { return "1\n", f.lack("forward") }
func (f fake) Cgroups() (int, []string, error) { return 2, []string{"cpu", "memory", "pids"}, nil }
func (f fake) MakeCgroup() error               { return f.lack("cgroup") }
func (f fake) Overlay(string) error            { return f.lack("overlay") }
func (f fake) OpenFiles() (uint64, error)      { return f.files, nil }
func (f fake) Listen(string) error             { return f.lack("port") }
func (f fake) Memory() (uint64, error)         { return 8 * gibibyte, nil }
func (f fake) Cores() int                      { return 2 }

const allCaps = 1<<41 - 1

func TestMissing(t *testing.T) {
	tests := []struct {
		name    string
		host    fake
		runtime dataplane.Runtime
		want    string
	}{
		{"a whole host", fake{caps: allCaps, files: 1 << 20}, dataplane.GVisor, ""},
		{"not root", fake{uid: 1000, files: 1 << 20, lacks: map[string]string{"namespace": "EPERM", "veth": "EPERM", "cgroup": "EPERM"}}, dataplane.GVisor, "root, CAP_SYS_ADMIN, CAP_NET_ADMIN, network namespaces, cgroups"},
		{"not root, hollow", fake{uid: 1000, files: 1 << 20, lacks: map[string]string{"namespace": "EPERM"}}, dataplane.Hollow, ""},
		{"without CAP_SYS_RESOURCE", fake{caps: allCaps &^ (1 << capSysResource), files: 1 << 20}, dataplane.GVisor, ""},
		{"no nft", fake{caps: allCaps, files: 1 << 20, lacks: map[string]string{"program nft": "not found"}}, dataplane.GVisor, "nft program"},
		{"no nf_tables", fake{caps: allCaps, files: 1 << 20, lacks: map[string]string{"nft": "no such file"}}, dataplane.Runc, "nf_tables"},
		{"no runc, gvisor", fake{caps: allCaps, files: 1 << 20, lacks: map[string]string{"program runc": "not found"}}, dataplane.GVisor, ""},
		{"no runc, runc", fake{caps: allCaps, files: 1 << 20, lacks: map[string]string{"program runc": "not found"}}, dataplane.Runc, "runc program"},
		{"no overlay", fake{caps: allCaps, files: 1 << 20, lacks: map[string]string{"overlay": "EINVAL"}}, dataplane.GVisor, ""},
		{"some files", fake{caps: allCaps, files: 20000}, dataplane.GVisor, ""},
		{"few files", fake{caps: allCaps, files: 1024}, dataplane.Hollow, "open files"},
		{"port in use", fake{caps: allCaps, files: 1 << 20, lacks: map[string]string{"port": "in use"}}, dataplane.Hollow, "port"},
		{"not built", fake{caps: allCaps, files: 1 << 20, lacks: map[string]string{"berth-kube": "no such file", "runsc": "no such file"}}, dataplane.Hollow, "berth-kube"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := CheckHost(Host{Runtime: tt.runtime, DataDir: "/var/lib/berth", Bin: "/opt/berth", Listen: "127.0.0.1:4566", Probes: tt.host})
			var names []string
			for _, c := range r.Missing() {
				names = append(names, c.Name)
				if c.Remedy == "" {
					t.Errorf("%s is missing and nothing is said about what to do", c.Name)
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(names, ", ")); diff != "" {
				t.Errorf("missing (-want +got):\n%s", diff)
			}
			if r.Works() != (tt.want == "") {
				t.Errorf("Works = %v", r.Works())
			}
		})
	}
}

func TestRunningHoldsThePort(t *testing.T) {
	h := fake{caps: allCaps, files: 1 << 20, lacks: map[string]string{"port": "in use"}}
	if r := CheckHost(Host{Runtime: dataplane.GVisor, Running: true, Probes: h}); !r.Works() {
		t.Errorf("missing: %v", r.Missing())
	}
}

// TestReal asks this host and checks that nothing is left of the questions.
func TestReal(t *testing.T) {
	dir := t.TempDir()
	r := CheckHost(Host{Runtime: dataplane.Hollow, DataDir: filepath.Join(dir, "not", "there"), Bin: dir, Listen: "127.0.0.1:0", Probes: Real{}})
	for _, c := range r.Checks {
		t.Log(fmt.Sprintf("%v %s: %s", c.OK, c.Name, c.Detail))
		if strings.Contains(c.Detail, "\n") {
			t.Errorf("%s: the detail has more than one line", c.Name)
		}
	}
	left, err := os.ReadDir(dir)
	if err != nil || len(left) > 0 {
		t.Errorf("left in the data folder: %v (%v)", left, err)
	}
	groups, err := filepath.Glob("/sys/fs/cgroup/*/berth-doctor-*")
	if err != nil || len(groups) > 0 {
		t.Errorf("left cgroups: %v (%v)", groups, err)
	}
}
