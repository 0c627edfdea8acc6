package cli

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// Terminal is what a command sees of the world around it.
type Terminal struct {
	In       io.Reader
	Out, Err io.Writer
	// Env looks up an environment variable; one that is not set is empty.
	Env func(name string) string
	// Environ is the whole environment, KEY=VALUE, for a program that is started.
	Environ []string
	Clock   clock.Clock
	// Random is the source of generated names.
	Random io.Reader
	// Poll is the shortest time between two looks at something that is waited for.
	Poll time.Duration
	// Executable is the absolute path of berth.
	Executable string
	// Installation reads what the server of a data folder says of itself.
	Installation func(dataDir string) (Installation, error)
}

// Installation is a Berth on this machine, as a client needs to know it.
type Installation struct {
	Endpoint, Region             string
	AccessKeyID, SecretAccessKey string
}

// Environ makes a lookup of a list of KEY=VALUE, of which the last of a key holds.
func Environ(env []string) func(string) string {
	m := make(map[string]string, len(env))
	for _, e := range env {
		if k, v, ok := strings.Cut(e, "="); ok {
			m[k] = v
		}
	}
	return func(name string) string { return m[name] }
}

const (
	// pollFactor bounds the time between two looks, in units of Terminal.Poll.
	pollFactor = 5
	// progressEvery is how often a wait says that it goes on.
	progressEvery = 15 * time.Second
)

// Until looks again and again until look says yes or fails, and says on the log
// every 15 s what is waited for, such as `cluster "demo" to become ACTIVE`.
func (t *Terminal) Until(ctx context.Context, log *Log, what string, look func(context.Context) (bool, error)) error {
	return t.UntilSaying(ctx, log, func() string { return what }, look)
}

// UntilSaying is Until for something whose state can be said while it is waited for.
func (t *Terminal) UntilSaying(ctx context.Context, log *Log, what func() string, look func(context.Context) (bool, error)) error {
	started := t.Clock.Now()
	said := started
	for delay := t.Poll; ; delay = min(delay*3/2, pollFactor*t.Poll) {
		done, err := look(ctx)
		if err != nil && ctx.Err() == nil {
			return err
		}
		if done && err == nil {
			return nil
		}
		timer := t.Clock.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return t.interrupted(ctx, what(), t.Clock.Since(started))
		case <-timer.C():
		}
		if now := t.Clock.Now(); now.Sub(said) >= progressEvery {
			said = now
			log.Infof("waiting for %s (%s)", what(), now.Sub(started).Round(time.Second))
		}
	}
}

func (t *Terminal) interrupted(ctx context.Context, what string, after time.Duration) error {
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("timed out after %s while waiting for %s: run the command again to go on, or give it more time with --timeout", after.Round(time.Second), what)
	}
	return fmt.Errorf("interrupted while waiting for %s: run the command again to go on", what)
}
