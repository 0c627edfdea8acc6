package demo

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/cli"
)

// host is a machine that has everything, but what is said.
type host struct {
	uid      int
	noSpaces bool
	absent   string
}

func (h host) OS() string                    { return "linux" }
func (h host) Kernel() string                { return "6.1" }
func (h host) UID() int                      { return h.uid }
func (h host) Capabilities() (uint64, error) { return ^uint64(0), nil }
func (h host) Namespace() error {
	if h.noSpaces {
		return errors.New("operation not permitted")
	}
	return nil
}
func (h host) Veth() error                       { return nil }
func (h host) NFTables(string) error             { return nil }
func (h host) LookPath(n string) (string, error) { return "/usr/sbin/" + n, nil }
func (h host) Exists(path string) error {
	if h.absent != "" && strings.HasSuffix(path, h.absent) {
		return fs.ErrNotExist
	}
	return nil
}
func (h host) ReadFile(string) (string, error) { return "1\n", nil }
func (h host) Cgroups() (int, []string, error) { return 2, []string{"cpu", "memory", "pids"}, nil }
func (h host) MakeCgroup() error               { return nil }
func (h host) Overlay(string) error            { return nil }
func (h host) OpenFiles() (uint64, error)      { return 1 << 20, nil }
func (h host) Listen(string) error             { return nil }
func (h host) Memory() (uint64, error)         { return 8 << 30, nil }
func (h host) Cores() int                      { return 2 }

func options(dataDir string, h host, env ...string) *Options {
	return &Options{
		Factory: &cli.Factory{
			Terminal: &cli.Terminal{Out: io.Discard, Err: io.Discard, Env: cli.Environ(env), Clock: clock.RealClock{}, Poll: time.Millisecond, Executable: "/opt/berth/berth"},
			Global:   &cli.Global{DataDir: dataDir},
		},
		Probes: h,
	}
}

func TestDecide(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name    string
		options *Options
		want    plan
		problem string
	}{
		{name: "a host that has everything", options: options(dir, host{}), want: plan{DataDir: dir, Runtime: dataplane.GVisor}},
		{name: "another runtime", options: options(dir, host{}, "BERTH_RUNTIME=runc"), want: plan{DataDir: dir, Runtime: dataplane.Runc}},
		{
			name: "not root", options: options("", host{uid: 1000}, "HOME=/home/u"),
			want: plan{DataDir: "/home/u/.local/state/berth", Runtime: dataplane.Hollow, Lacks: []string{"the host lacks root (user id 1000): run as root (sudo), or choose --runtime hollow, with which pods are Running but execute nothing"}},
		},
		{
			name: "locked down", options: options(dir, host{noSpaces: true}),
			want: plan{DataDir: dir, Runtime: dataplane.Hollow, Lacks: []string{"the host lacks network namespaces (operation not permitted): run as root outside of a locked-down container"}},
		},
		{name: "hollow is wanted", options: options(dir, host{}, "BERTH_RUNTIME=hollow"), want: plan{DataDir: dir, Runtime: dataplane.Hollow, Lacks: []string{"--runtime hollow was asked for"}}},
		{name: "nothing is built", options: options(dir, host{absent: "berth-kube"}), problem: "what every runtime of Berth needs: the host lacks berth-kube"},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := test.options.decide(t.Context())
			if test.problem != "" {
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("decide = %v, want %q", err, test.problem)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("the plan (-want +got):\n%s", diff)
			}
			if first := got.notice(); got.hollow() != (len(first) > 1) {
				t.Errorf("the first lines are %q for runtime %s", first, got.Runtime)
			}
		})
	}
}

// lockFolder makes a folder look used, as a server does.
func lockFolder(t *testing.T, dir, state string) {
	t.Helper()
	if err := writeFile(filepath.Join(dir, "lock"), nil); err != nil {
		t.Fatal(err)
	}
	fd, err := syscall.Open(filepath.Join(dir, "lock"), syscall.O_RDWR|syscall.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Close(fd) })
	if err := syscall.Flock(fd, syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	if state == "" {
		return
	}
	if err := writeFile(filepath.Join(dir, "server.json"), []byte(state)); err != nil {
		t.Fatal(err)
	}
}

func TestDecideWithABerthThatRuns(t *testing.T) {
	for _, test := range []struct {
		name, state string
		host        host
		runtime     dataplane.Runtime
		lacks       string
	}{
		{name: "whatever is wanted, it is what runs", state: `{"runtime":"runc"}`, runtime: dataplane.Runc},
		{name: "hollow by choice", state: `{"runtime":"hollow"}`, runtime: dataplane.Hollow, lacks: "was started so"},
		{name: "hollow by need", state: `{"runtime":"hollow"}`, host: host{uid: 7}, runtime: dataplane.Hollow, lacks: "the host lacks root"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			lockFolder(t, dir, test.state)
			got, err := options(dir, test.host).decide(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got.Runtime != test.runtime || (test.lacks == "") != (len(got.Lacks) == 0) || !strings.Contains(strings.Join(got.Lacks, "\n"), test.lacks) {
				t.Errorf("decide = %+v, want runtime %s and a line with %q", got, test.runtime, test.lacks)
			}
		})
	}
}

func TestDecideWaitsForABerthThatStarts(t *testing.T) {
	dir := t.TempDir()
	lockFolder(t, dir, "")
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := options(dir, host{}).decide(ctx); err == nil || !strings.Contains(err.Error(), "timed out") {
		t.Errorf("decide = %v, want that the Berth which starts never said what it is", err)
	}
}
