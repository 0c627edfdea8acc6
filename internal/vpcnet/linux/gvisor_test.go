package linux

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// podEnv makes the test program a pod: it serves as smallWorld's pods do, and on
// another port answers with what the internet answered.
const podEnv = "BERTH_VPCNET_TEST_POD"

func servePod() error {
	go serveOn(":10250", func(c net.Conn) string { return "pod's own 10250" })
	go serveOn(":81", func(c net.Conn) string {
		far, err := net.DialTimeout("tcp", internetAddress+":80", 5*time.Second)
		if err != nil {
			return err.Error()
		}
		defer far.Close()
		b, err := io.ReadAll(far)
		return fmt.Sprint(string(b), " ", err)
	})
	return serveOn(":80", func(c net.Conn) string {
		host, _, _ := net.SplitHostPort(c.RemoteAddr().String())
		return "sandbox saw " + host
	})
}

func serveOn(address string, answer func(net.Conn) string) error {
	l, err := net.Listen("tcp4", address)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		fmt.Fprint(c, answer(c))
		c.Close()
	}
}

// runsc is the sandbox that the build made, or that of the environment.
func runsc(t testing.TB) string {
	t.Helper()
	path := os.Getenv("BERTH_RUNSC")
	if path == "" {
		path = "../../../bin/runsc"
	}
	path, err := filepath.Abs(path)
	if err == nil {
		_, err = os.Stat(path)
	}
	if err != nil {
		t.Skip("skipped: needs runsc: ", err)
	}
	return path
}

// TestSandbox attaches a gVisor sandbox, whose network stack is its own copy of
// what it finds in the pod's namespace.
func TestSandbox(t *testing.T) {
	tool := runsc(t)
	w := newSmallWorld(newStage(t))
	w.serve("app", w.a, "10.0.1.10:80")
	port, _ := w.p.Port("eni-b")
	sandboxNS := "pod-sandbox"
	w.check(createNamespace(sandboxNS))
	w.Cleanup(func() { w.check(deleteNamespace(sandboxNS)) })
	_, err := w.d.Attach(t.Context(), port, namespacePath(sandboxNS), "eth0")
	w.check(err)
	w.startSandbox(tool, sandboxNS)

	w.eventually(w.a, "10.0.2.20:80", "sandbox saw 10.0.1.10")
	w.wantAnswer(w.p.Namespace, "10.0.2.20:80", "sandbox saw 10.0.0.1")
	w.wantAnswer(w.a, "10.0.2.20:10250", "kubelet-b saw 10.0.1.10")
	w.wantAnswer(w.p.Namespace, "10.0.2.20:10250", "kubelet-b saw 10.0.0.1")
	w.wantAnswer(w.a, "10.0.2.20:81", "internet saw 203.0.113.1 <nil>")

	_, err = w.d.Attach(t.Context(), port, namespacePath(sandboxNS), "eth0")
	w.check(err)
	w.set(w.n)
	w.wantAnswer(w.a, "10.0.2.20:80", "sandbox saw 10.0.1.10")
}

func (w *smallWorld) eventually(from, to, want string) {
	w.Helper()
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		got, err := w.ask(from, to, time.Second)
		if got == want {
			return
		}
		select {
		case <-deadline:
			w.Fatalf("from %s to %s: got %q, %v; want %q", from, to, got, err, want)
		case <-tick.C:
		}
	}
}

func (w *smallWorld) startSandbox(tool, namespace string) {
	w.Helper()
	bundle := w.TempDir()
	w.check(unix.Chmod(bundle, 0o755))
	w.check(os.Mkdir(filepath.Join(bundle, "rootfs"), 0o755))
	self, err := os.ReadFile("/proc/self/exe")
	w.check(err)
	w.check(os.WriteFile(filepath.Join(bundle, "rootfs", "pod"), self, 0o755))
	spec, err := json.Marshal(map[string]any{
		"ociVersion": "1.0.0",
		"root":       map[string]any{"path": "rootfs", "readonly": true},
		"process":    map[string]any{"args": []string{"/pod"}, "cwd": "/", "env": []string{podEnv + "=1"}},
		"linux": map[string]any{"namespaces": []map[string]string{
			{"type": "network", "path": namespacePath(namespace)}, {"type": "pid"}, {"type": "mount"}}},
	})
	w.check(err)
	w.check(os.WriteFile(filepath.Join(bundle, "config.json"), spec, 0o644))
	command := func(args ...string) *exec.Cmd {
		args = append([]string{"--root", filepath.Join(bundle, "state"), "--ignore-cgroups", "--network=sandbox"}, args...)
		cmd := exec.Command(tool, args...)
		cmd.WaitDelay = time.Second
		return cmd
	}
	run := command("run", "--bundle", bundle, "sandbox")
	var out strings.Builder
	run.Stdout, run.Stderr = &out, &out
	w.check(run.Start())
	w.Cleanup(func() {
		if b, err := command("kill", "sandbox", "KILL").CombinedOutput(); err != nil {
			w.Logf("killing the sandbox: %v: %s", err, b)
			run.Process.Kill()
		}
		run.Wait()
		if b, err := command("delete", "--force", "sandbox").CombinedOutput(); err != nil {
			w.Logf("deleting the sandbox: %v: %s", err, b)
		}
		if w.Failed() {
			w.Logf("the sandbox said: %s", &out)
		}
	})
}

// BenchmarkSandboxConnect is BenchmarkConnect's connection to a gVisor sandbox.
func BenchmarkSandboxConnect(b *testing.B) {
	tool := runsc(b)
	w := newSmallWorld(newStage(b))
	port, _ := w.p.Port("eni-b")
	w.check(createNamespace("pod-sandbox"))
	w.Cleanup(func() { w.check(deleteNamespace("pod-sandbox")) })
	_, err := w.d.Attach(b.Context(), port, namespacePath("pod-sandbox"), "eth0")
	w.check(err)
	w.startSandbox(tool, "pod-sandbox")
	w.eventually(w.a, "10.0.2.20:80", "sandbox saw 10.0.1.10")
	for b.Loop() {
		if _, err := w.ask(w.a, "10.0.2.20:80", 5*time.Second); err != nil {
			b.Fatal(err)
		}
	}
}
