package work

import (
	"context"
	"errors"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"
)

func run(t *testing.T, do Func) *Queue {
	t.Helper()
	q := New("test", do, Options{Workers: 2, Log: slog.New(slog.DiscardHandler)})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { q.Run(ctx); close(done) }()
	t.Cleanup(func() { cancel(); <-done })
	return q
}

func TestRetriesWithBackOffThenForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		start := time.Now()
		q := run(t, func(context.Context, string) (time.Duration, error) {
			at = append(at, time.Since(start))
			if len(at) < 4 {
				return 0, errors.New("not yet")
			}
			return 0, nil
		})
		q.Add("a")
		time.Sleep(time.Hour)
		synctest.Wait()
		want := []time.Duration{0, 50 * time.Millisecond, 150 * time.Millisecond, 350 * time.Millisecond}
		if len(at) != len(want) {
			t.Fatalf("attempts at %v, want %v", at, want)
		}
		for i := range want {
			if at[i] != want[i] {
				t.Errorf("attempt %d at %v, want %v", i+1, at[i], want[i])
			}
		}
	})
}

func TestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n := 0
		q := run(t, func(context.Context, string) (time.Duration, error) {
			n++
			if n == 3 {
				return 0, nil
			}
			return time.Minute, nil
		})
		q.Add("a")
		time.Sleep(90 * time.Second)
		synctest.Wait()
		if n != 2 {
			t.Errorf("%d steps after 90 s, want 2", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n != 3 {
			t.Errorf("%d steps in the end, want 3", n)
		}
	})
}

func TestOneKeyIsNeverWorkedTwiceAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		busy, steps := false, 0
		q := run(t, func(context.Context, string) (time.Duration, error) {
			if busy {
				t.Error("two steps at once for one key")
			}
			busy = true
			time.Sleep(time.Second)
			busy = false
			steps++
			return 0, nil
		})
		for range 5 {
			q.Add("a")
			time.Sleep(300 * time.Millisecond)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if steps != 3 {
			t.Errorf("%d steps for five overlapping additions, want 3", steps)
		}
	})
}

func TestFollowStartsAFailedSourceAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		seen := make(chan string, 10)
		q := run(t, func(_ context.Context, key string) (time.Duration, error) {
			seen <- key
			return 0, nil
		})
		starts := 0
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() {
			q.Follow(ctx, func(ctx context.Context, f func(string)) error {
				starts++
				if starts < 3 {
					return errors.New("lost")
				}
				f("x/1")
				<-ctx.Done()
				return ctx.Err()
			}, func(k string) string { return k[:1] })
			close(done)
		}()
		if got := <-seen; got != "x" {
			t.Errorf("key = %q, want x", got)
		}
		cancel()
		<-done
		if starts != 3 {
			t.Errorf("source started %d times, want 3", starts)
		}
	})
}
