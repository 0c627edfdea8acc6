package local

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/server"
)

// TestMain is also the server that the tests start: `berth up` executes this
// program again with the argument server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "server" {
		os.Exit(standIn(os.Args[3], os.Args[5]))
	}
	os.Exit(m.Run())
}

// standIn holds the lock, says that it is ready and answers, as the server does.
// It is told by its environment how to misbehave.
func standIn(dataDir, listen string) int {
	if os.Getenv("STAND_IN") == "dies" {
		fmt.Fprintln(os.Stderr, "one\nError: no nft.")
		return 1
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	lock, err := os.OpenFile(filepath.Join(dataDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil || syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
		return 3
	}
	defer lock.Close()
	l, err := net.Listen("tcp", listen)
	if err != nil {
		return 4
	}
	b, err := json.Marshal(server.State{
		PID: os.Getpid(), Endpoint: "http://" + l.Addr().String(), Region: "us-east-1", Account: "123456789012", Runtime: dataplane.Hollow,
		Ready: true, Lacks: []string{"much"}, AccessKeyID: "it's", SecretAccessKey: "a b",
	})
	if err != nil || os.WriteFile(filepath.Join(dataDir, "server.json"), b, 0o600) != nil {
		return 5
	}
	context.AfterFunc(ctx, func() { l.Close() })
	_ = http.Serve(l, http.NotFoundHandler())
	os.Remove(filepath.Join(dataDir, "server.json"))
	return 0
}

// host is a machine with a data folder for one test.
type host struct {
	*testing.T
	dir      string
	env      []string
	purged   []server.Options
	out, err bytes.Buffer
}

func newHost(t *testing.T, env ...string) *host {
	h := &host{T: t, dir: filepath.Join(t.TempDir(), "data"), env: append(env, "BERTH_LISTEN=127.0.0.1:0", "BERTH_RUNTIME=hollow")}
	t.Cleanup(func() {
		if pid := holder(h.dir); pid != 0 {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	})
	return h
}

// berth runs a command with its arguments.
func (h *host) berth(args ...string) error {
	h.Helper()
	h.out.Reset()
	h.err.Reset()
	exe, err := os.Executable()
	if err != nil {
		h.Fatal(err)
	}
	f := &cli.Factory{Global: &cli.Global{}, Terminal: &cli.Terminal{
		Out: &h.out, Err: &h.err, Env: cli.Environ(h.env), Environ: h.env, Clock: clock.RealClock{}, Poll: 5 * time.Millisecond, Executable: exe,
	}}
	s := Server{Purge: func(_ context.Context, o server.Options) error {
		h.purged = append(h.purged, o)
		return os.RemoveAll(o.DataDir)
	}}
	root := cli.Group("berth", "", NewUp(f, s), NewDown(f, s), NewEnv(f), NewStatus(f))
	root.SilenceErrors, root.SilenceUsage = true, true
	f.Global.Add(root)
	root.SetArgs(append(args, "--data-dir", h.dir))
	return root.ExecuteContext(h.Context())
}

func (h *host) must(args ...string) {
	h.Helper()
	if err := h.berth(args...); err != nil {
		h.Fatalf("%v: %v\n%s", args, err, h.err.String())
	}
}

func TestUpAndDown(t *testing.T) {
	h := newHost(t)
	h.must("up")
	pid := holder(h.dir)
	if pid == 0 {
		t.Fatal("up has returned and no server holds the folder")
	}
	if !strings.Contains(h.err.String(), "this Berth lacks much") {
		t.Errorf("what the Berth lacks is not said:\n%s", h.err.String())
	}
	h.must("up", "--runtime", "gvisor")
	if holder(h.dir) != pid {
		t.Error("the second up has started another server")
	}
	if !strings.Contains(h.err.String(), "--runtime gvisor has no effect") {
		t.Errorf("an option that is ignored is not named:\n%s", h.err.String())
	}
	h.must("status")
	h.must("env")
	lines := strings.Split(h.out.String(), "\n")
	want := []string{`export AWS_ACCESS_KEY_ID='it'\''s'`, `export AWS_SECRET_ACCESS_KEY='a b'`, "export AWS_REGION=us-east-1", "export AWS_DEFAULT_REGION=us-east-1", ""}
	if diff := cmp.Diff(want, lines[1:]); diff != "" {
		t.Errorf("environment (-want +got):\n%s", diff)
	}
	h.must("down")
	if running, err := held(h.dir); err != nil || running {
		t.Errorf("after down: running %v, %v", running, err)
	}
	h.must("down")
	if err := h.berth("env"); err == nil {
		t.Error("env of a Berth that does not run succeeds")
	}
	if len(h.purged) > 0 {
		t.Error("down purged without being asked to")
	}
	h.must("down", "--purge")
	if len(h.purged) != 1 || h.purged[0].DataDir != h.dir {
		t.Errorf("purged %v, want %s", h.purged, h.dir)
	}
}

func TestAfterAKill(t *testing.T) {
	h := newHost(t)
	h.must("up")
	if err := syscall.Kill(holder(h.dir), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitUntilFree(t, h.dir)
	if _, err := server.ReadState(h.dir); err != nil {
		t.Fatalf("a server that is killed leaves its state: %v", err)
	}
	if err := h.berth("status"); err == nil {
		t.Error("status believes a server that was killed")
	}
	h.must("up")
	h.must("down", "--purge")
	if len(h.purged) != 1 || h.purged[0].Runtime != dataplane.Hollow {
		t.Errorf("purged %v", h.purged)
	}
}

func waitUntilFree(t *testing.T, dir string) {
	t.Helper()
	term := &cli.Terminal{Out: &bytes.Buffer{}, Clock: clock.RealClock{}, Poll: 5 * time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := term.Until(ctx, term.Log(), "the server to end", func(context.Context) (bool, error) {
		running, err := held(dir)
		return !running, err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestUpOfAServerThatDies(t *testing.T) {
	h := newHost(t, "STAND_IN=dies")
	err := h.berth("up")
	if err == nil || !strings.Contains(err.Error(), "the server ended while it started: no nft: see 'berth doctor'") {
		t.Errorf("error = %v", err)
	}
	if !strings.Contains(h.err.String(), "    one\n") {
		t.Errorf("the end of the log is not shown:\n%s", h.err.String())
	}
}

// TestDownSparesStrangers: the process whose id stands in server.json is another
// one's by now.
func TestDownSparesStrangers(t *testing.T) {
	h := newHost(t)
	if err := os.MkdirAll(h.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	stranger := exec.Command("sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Skipf("starting a process: %v", err)
	}
	defer func() { _ = stranger.Process.Kill(); _ = stranger.Wait() }()
	b, err := json.Marshal(server.State{PID: stranger.Process.Pid, Region: "us-east-1", Account: "123456789012", Runtime: dataplane.Hollow, Ready: true})
	if err := errors.Join(err, os.WriteFile(filepath.Join(h.dir, "server.json"), b, 0o600), os.WriteFile(filepath.Join(h.dir, "lock"), nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	h.must("down")
	if err := stranger.Process.Signal(syscall.Signal(0)); err != nil {
		t.Errorf("the stranger is gone: %v", err)
	}
	if holder(h.dir) != 0 {
		t.Error("a stranger is taken for the server")
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"": "''", "a-b_1:/.": "a-b_1:/.", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'"} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}

func TestOptions(t *testing.T) {
	o := &Options{
		Factory: &cli.Factory{Global: &cli.Global{DataDir: "/d", Region: "eu-west-1"}, Terminal: &cli.Terminal{
			Err: &bytes.Buffer{}, Executable: "/opt/berth/berth",
			Env: cli.Environ([]string{"BERTH_REGION=us-west-2", "BERTH_ACCOUNT=111111111111", "BERTH_ETCD_ENDPOINTS=http://a,http://b", "BERTH_ROOT_ACCESS_KEY_ID=k"}),
		}},
		Listen: "127.0.0.1:1",
	}
	s, err := o.options()
	if err != nil {
		t.Fatal(err)
	}
	want := "server --data-dir /d --listen 127.0.0.1:1 --region eu-west-1 --account 111111111111 --runtime gvisor --etcd-endpoints http://a,http://b"
	if got := strings.Join(arguments(s), " "); got != want {
		t.Errorf("arguments = %s, want %s", got, want)
	}
	if s.Bin != "/opt/berth" || s.AccessKeyID != "k" || slices.Contains(arguments(s), "k") {
		t.Errorf("options = %+v", s)
	}
}
