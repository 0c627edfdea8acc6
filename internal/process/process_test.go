package process

import (
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain doubles as the child: "exit" ends at once, "wait" writes its pid and
// waits for the lifeline to break, "stubborn" does so and ignores SIGTERM.
func TestMain(m *testing.M) {
	switch os.Getenv("PROCESS_TEST_CHILD") {
	case "exit":
		os.Exit(3)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		_, _ = os.Stdout.WriteString("up\n")
		_, _ = os.NewFile(3, "lifeline").Read(make([]byte, 1))
		os.Exit(0)
	case "wait":
		fd, err := strconv.Atoi(os.Getenv(LifelineEnv))
		if err != nil {
			os.Exit(4)
		}
		_, _ = os.Stdout.WriteString("up " + strconv.Itoa(os.Getpid()) + "\n")
		_, _ = os.NewFile(uintptr(fd), "lifeline").Read(make([]byte, 1))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func child(t *testing.T, mode string) Spec {
	t.Helper()
	return Spec{
		Name: "test/" + mode, Path: os.Args[0], LogFile: filepath.Join(t.TempDir(), "log"),
		Env: []string{"PROCESS_TEST_CHILD=" + mode},
	}
}

func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

func TestRestartsWhatExits(t *testing.T) {
	exits := make(chan error, 100)
	spec := child(t, "exit")
	spec.Exited = func(err error) { exits <- err }
	p := Start(t.Context(), spec, slog.New(slog.DiscardHandler))
	defer p.Stop()
	for range 2 {
		if err := <-exits; err == nil || err.Error() != "exit status 3" {
			t.Fatalf("exit = %v, want exit status 3", err)
		}
	}
	if s := p.Status(); s.Restarts < 2 || s.LastExit == nil {
		t.Errorf("status = %+v, want two restarts and a cause", s)
	}
}

func TestKilledChildComesBackAndStopEndsIt(t *testing.T) {
	p := Start(t.Context(), child(t, "wait"), slog.New(slog.DiscardHandler))
	eventually(t, "the child runs", func() bool { return p.Status().PID != 0 })
	first := p.Status().PID
	if err := syscall.Kill(first, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another child runs", func() bool { pid := p.Status().PID; return pid != 0 && pid != first })
	second := p.Status().PID
	p.Stop()
	if err := syscall.Kill(second, 0); err != syscall.ESRCH {
		t.Errorf("signalling the stopped child: %v, want no such process", err)
	}
}

func TestLifeline(t *testing.T) {
	spec := child(t, "wait")
	p := &Process{spec: spec, log: slog.New(slog.DiscardHandler)}
	cmd, lifeline, err := p.command()
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the child is up", func() bool {
		b, err := os.ReadFile(spec.LogFile)
		return err == nil && strings.HasPrefix(string(b), "up ")
	})
	lifeline.Close()
	if err := cmd.Wait(); err != nil {
		t.Errorf("child ended with %v once its lifeline broke, want exit status 0", err)
	}
}
