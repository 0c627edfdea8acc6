package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/server"
)

const region = "eu-west-1"

// berth is a Berth under test.
type berth struct {
	settings
	endpoint string
	// base is a folder of its own, in which the data folder lies.
	base   string
	before host
	server *exec.Cmd
	exited chan struct{}
	exit   error
	purged bool
}

// start starts a Berth with a runtime, as root.
func start(t *testing.T, runtime dataplane.Runtime) *berth {
	t.Helper()
	return startAs(t, settings{Runtime: runtime, Bin: need(t)})
}

// startAs looks at the host and starts a Berth. When the test ends the Berth is
// removed, and the host must be as it was.
func startAs(t *testing.T, s settings) *berth {
	t.Helper()
	base, err := os.MkdirTemp("", "ba")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(base); err != nil {
			t.Errorf("removing the test's folder: %v", err)
		}
	})
	s.DataDir, s.Listen, s.Region = filepath.Join(base, "data"), freeAddress(t), region
	b := &berth{settings: s, base: base, endpoint: "http://" + s.Listen}
	for _, dir := range []string{base, b.home()} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if s.UID == 0 {
			continue
		}
		if err := os.Chown(dir, int(s.UID), int(s.GID)); err != nil {
			t.Fatal(err)
		}
	}
	b.before = inspect(t, b)
	t.Cleanup(func() { b.remove(t) })
	b.up(t)
	return b
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (b *berth) home() string    { return filepath.Join(b.base, "home") }
func (b *berth) logFile() string { return filepath.Join(b.base, "server.log") }

// instance is the Berth's tag in the names that the host sees.
func (b *berth) instance() string { return b.options(nil).Instance() }

// up starts the server and waits until it is ready.
func (b *berth) up(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(b.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	b.server = b.command(t)
	b.server.Stdout, b.server.Stderr = log, log
	b.server.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if b.UID != 0 {
		b.server.SysProcAttr.Credential = &syscall.Credential{Uid: b.UID, Gid: b.GID}
	}
	began := time.Now()
	if err := b.server.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	b.exited = exited
	go func() {
		b.exit = b.server.Wait()
		close(exited)
	}()
	eventually(t, 90*time.Second, "the server is ready", func(context.Context) error {
		select {
		case <-exited:
			t.Fatalf("the server ended: %v\n%s", b.exit, b.tail(20))
		default:
		}
		state, err := server.ReadState(b.DataDir)
		if err == nil && (!state.Ready || state.PID != b.server.Process.Pid) {
			err = errors.New("it does not say so yet")
		}
		return err
	})
	t.Logf("server ready after %v", time.Since(began).Round(time.Millisecond))
}

// command is the server's: the test binary again, or the program to be tested.
// Whoever descends from it has its HOME, by which the leak check knows them.
func (b *berth) command(t *testing.T) *exec.Cmd {
	t.Helper()
	env := append(os.Environ(), "HOME="+b.home())
	if program := os.Getenv("BERTH_BINARY"); program != "" && b.UID == 0 {
		cmd := exec.Command(program, "server", "--data-dir", b.DataDir, "--listen", b.Listen, "--region", b.Region, "--runtime", string(b.Runtime))
		cmd.Env = append(env, "BERTH_BIN="+b.Bin, "BERTH_LOG_LEVEL=debug")
		return cmd
	}
	text, err := json.Marshal(b.settings)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(b.self(t))
	cmd.Env = append(env, serverEnv+"="+string(text))
	return cmd
}

// self is the path of the test binary; of a copy, where the server's user could
// not read it.
func (b *berth) self(t *testing.T) string {
	t.Helper()
	path, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if b.UID == 0 {
		return path
	}
	copied := filepath.Join(b.base, "server")
	if _, err := os.Stat(copied); err == nil {
		return copied
	}
	from, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	to, err := os.OpenFile(copied, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); errors.Join(err, to.Close()) != nil {
		t.Fatal(err)
	}
	return copied
}

// kill ends the server as a power cut would, and waits until it is gone.
func (b *berth) kill(t *testing.T) {
	t.Helper()
	if err := b.server.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
	<-b.exited
}

// down asks the server to end, and waits.
func (b *berth) down(t *testing.T) {
	t.Helper()
	if b.server == nil {
		return
	}
	_ = b.server.Process.Signal(syscall.SIGTERM)
	select {
	case <-b.exited:
	case <-time.After(60 * time.Second):
		t.Errorf("the server does not end within a minute of SIGTERM:\n%s", b.tail(20))
		b.kill(t)
	}
}

// purge removes the Berth from the host.
func (b *berth) purge(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	began := time.Now()
	b.purged = true
	if program := os.Getenv("BERTH_BINARY"); program != "" {
		cmd := exec.CommandContext(ctx, program, "down", "--purge", "--data-dir", b.DataDir, "--region", b.Region)
		cmd.Env = append(os.Environ(), "HOME="+b.home(), "BERTH_LISTEN="+b.Listen, "BERTH_BIN="+b.Bin)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("purging: %v\n%s", err, out)
		}
	} else if err := server.Purge(ctx, b.options(slog.New(slog.DiscardHandler))); err != nil {
		t.Errorf("purging: %v", err)
	}
	t.Logf("purged in %v", time.Since(began).Round(time.Millisecond))
}

// remove ends the test: nothing of the Berth may stay.
func (b *berth) remove(t *testing.T) {
	t.Helper()
	if !b.purged {
		b.down(t)
		b.purge(t)
	}
	b.clean(t)
	if t.Failed() {
		t.Logf("the server's last words:\n%s", b.tail(40))
	}
	b.keepLog(t)
}

func (b *berth) keepLog(t *testing.T) {
	t.Helper()
	dir := os.Getenv("BERTH_ACCEPTANCE_LOGS")
	if dir == "" {
		return
	}
	data, err := os.ReadFile(b.logFile())
	if err != nil {
		t.Error(err)
		return
	}
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(filepath.Join(dir, t.Name()+".log"), data, 0o644)); err != nil {
		t.Error(err)
	}
}

// tail is the last of what the server said above debug.
func (b *berth) tail(n int) string {
	data, err := os.ReadFile(b.logFile())
	if err != nil {
		return err.Error()
	}
	var lines []string
	for line := range strings.SplitSeq(strings.TrimSpace(string(data)), "\n") {
		if !strings.Contains(line, "level=DEBUG") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// eventually waits until check no longer returns an error.
func eventually(t testing.TB, limit time.Duration, what string, check func(context.Context) error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var last error
	for {
		if err := check(ctx); err == nil {
			return
		} else if ctx.Err() == nil {
			last = err
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting until %s: not after %v: %v", what, limit, last)
		case <-tick.C:
		}
	}
}

func pids(all []process) string {
	var out []string
	for _, p := range all {
		out = append(out, strconv.Itoa(p.pid)+" "+p.program())
	}
	return fmt.Sprint(out)
}
