// Package relay carries byte streams between a listener and a dialer: the front
// of a cluster's public endpoint, the cluster's interfaces inside its VPC, the
// way of a container's streams into it. It looks at no byte. The cluster and
// agent packages import it.
package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"syscall"
	"time"
)

// Dialer opens the far side of a connection.
type Dialer func(ctx context.Context) (net.Conn, error)

// Relay accepts from a listener and carries each connection to what Dial opens.
type Relay struct {
	Dial Dialer
	// Admit says whether a peer may connect; nil admits everyone. A peer that
	// may not is disconnected without a word, as a closed firewall does.
	Admit func(peer net.Addr) bool
	Log   *slog.Logger
}

// Serve carries connections until ctx ends or the listener fails for good, then
// closes the listener and waits until every connection is closed. What passes,
// such as too many open files, it waits out.
func (r *Relay) Serve(ctx context.Context, l net.Listener) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { l.Close() })
	defer stop()
	delay := minDelay
	for {
		c, err := l.Accept()
		switch {
		case err == nil:
			delay = minDelay
		case ctx.Err() != nil:
			return nil
		case passes(err):
			r.Log.Warn("accepting connections has to wait", "listener", l.Addr().String(), "error", err)
			wait(ctx, delay)
			delay = min(2*delay, maxDelay)
			continue
		default:
			return err
		}
		if r.Admit != nil && !r.Admit(c.RemoteAddr()) {
			c.Close()
			continue
		}
		wg.Go(func() {
			far, err := r.Dial(ctx)
			if err != nil {
				r.Log.Debug("relay", "listener", l.Addr().String(), "error", err)
				c.Close()
				return
			}
			Join(ctx, c, far)
		})
	}
}

// The bounds of the back-off after a failure that passes.
const (
	minDelay = 5 * time.Millisecond
	maxDelay = time.Second
)

// passes says whether accepting may work again later.
func passes(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM, syscall.ECONNABORTED} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

func wait(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// Join carries bytes both ways until both sides have ended or ctx ends, and
// closes both connections. The end of one direction is passed on as such, so
// that protocols which half-close work.
func Join(ctx context.Context, a, b net.Conn) {
	stop := context.AfterFunc(ctx, func() { a.Close(); b.Close() })
	defer stop()
	var wg sync.WaitGroup
	wg.Go(func() { pour(a, b) })
	wg.Go(func() { pour(b, a) })
	wg.Wait()
	a.Close()
	b.Close()
}

type closeWriter interface{ CloseWrite() error }

func pour(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if c, ok := to.(closeWriter); ok && err == nil {
		_ = c.CloseWrite()
		return
	}
	to.Close()
}
