package process

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestBackOff holds the times at which a child is started that cannot be
// prepared, and that a Stop in between does not wait.
func TestBackOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		cause := errors.New("no disk")
		p := Start(t.Context(), Spec{Name: "test", Path: "/nowhere", Prepare: func(context.Context) error {
			at = append(at, time.Since(start))
			return cause
		}}, slog.New(slog.DiscardHandler))
		time.Sleep(27 * time.Second)
		synctest.Wait()
		s := p.Status()
		stopped := time.Now()
		p.Stop()
		if waited := time.Since(stopped); waited != 0 {
			t.Errorf("Stop waited %v for a child that did not run", waited)
		}
		want := []time.Duration{
			0, 200 * time.Millisecond, 600 * time.Millisecond, 1400 * time.Millisecond, 3 * time.Second, 6200 * time.Millisecond,
			12600 * time.Millisecond, 22600 * time.Millisecond,
		}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
		if s.PID != 0 || s.Restarts != len(want) || !errors.Is(s.LastExit, cause) {
			t.Errorf("status = %+v, want no process, %d failures and %v", s, len(want), cause)
		}
	})
}

// TestBackOffStartsAgain holds that a child that ran for long is not punished for
// what happened before.
func TestBackOffStartsAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		p := Start(t.Context(), Spec{Name: "test", Prepare: func(ctx context.Context) error {
			at = append(at, time.Since(start))
			if len(at) == 3 {
				// It runs for a minute, and then fails.
				timer := time.NewTimer(time.Minute)
				defer timer.Stop()
				select {
				case <-timer.C:
				case <-ctx.Done():
				}
			}
			return errors.New("ended")
		}}, slog.New(slog.DiscardHandler))
		time.Sleep(61500 * time.Millisecond)
		synctest.Wait()
		p.Stop()
		want := []time.Duration{
			0, 200 * time.Millisecond, 600 * time.Millisecond, 60800 * time.Millisecond, 61200 * time.Millisecond,
		}
		if diff := cmp.Diff(want, at); diff != "" {
			t.Errorf("starts (-want +got):\n%s", diff)
		}
	})
}

func TestStopKillsWhatIgnoresIt(t *testing.T) {
	spec := child(t, "stubborn")
	spec.Grace = 50 * time.Millisecond
	p := Start(t.Context(), spec, slog.New(slog.DiscardHandler))
	eventually(t, "the child ignores signals", func() bool {
		b, err := os.ReadFile(spec.LogFile)
		return err == nil && string(b) == "up\n"
	})
	pid := p.Status().PID
	p.Stop()
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("signalling the stopped child: %v, want no such process", err)
	}
}

func TestMissingProgram(t *testing.T) {
	exits := make(chan error, 10)
	spec := child(t, "exit")
	spec.Path, spec.Exited = "/nonexistent/program", func(err error) { exits <- err }
	p := Start(t.Context(), spec, slog.New(slog.DiscardHandler))
	defer p.Stop()
	if err := <-exits; !errors.Is(err, os.ErrNotExist) {
		t.Errorf("exit = %v, want that the program does not exist", err)
	}
}

func TestEndOfContextEndsTheChild(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p := Start(ctx, child(t, "wait"), slog.New(slog.DiscardHandler))
	eventually(t, "the child runs", func() bool { return p.Status().PID != 0 })
	pid := p.Status().PID
	cancel()
	<-p.done
	if err := syscall.Kill(pid, 0); err != syscall.ESRCH {
		t.Errorf("signalling the child of an ended context: %v, want no such process", err)
	}
}
