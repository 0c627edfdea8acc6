package relay

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// listener is a fake that accepts what it is given, in order.
type listener struct {
	accepts chan any
	closed  chan struct{}
}

func newListener(accepts ...any) *listener {
	l := &listener{accepts: make(chan any, len(accepts)), closed: make(chan struct{})}
	for _, a := range accepts {
		l.accepts <- a
	}
	return l
}

func (l *listener) Accept() (net.Conn, error) {
	select {
	case a := <-l.accepts:
		if err, ok := a.(error); ok {
			return nil, err
		}
		return a.(net.Conn), nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *listener) Close() error   { close(l.closed); return nil }
func (l *listener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1} }

// TestServeWaitsOutWhatPasses holds that an endpoint answers again once there are
// files for its connections.
func TestServeWaitsOutWhatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, peer := net.Pipe()
		tooMany := &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", syscall.EMFILE)}
		l := newListener(tooMany, tooMany, tooMany, near)
		r := &Relay{Log: slog.New(slog.DiscardHandler), Dial: func(context.Context) (net.Conn, error) {
			a, b := net.Pipe()
			go func() { _, _ = io.Copy(b, b) }()
			return a, nil
		}}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		start := time.Now()
		go func() { done <- r.Serve(ctx, l) }()
		if _, err := io.WriteString(peer, "ping"); err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 4)
		if _, err := io.ReadFull(peer, got); err != nil || string(got) != "ping" {
			t.Errorf("got %q, %v back, want ping", got, err)
		}
		if waited := time.Since(start); waited != 35*time.Millisecond {
			t.Errorf("waited %v, want 5, 10 and 20 ms", waited)
		}
		// The end of the server ends what it carries, and Serve waits for it.
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v, want nil after its end was asked for", err)
		}
		if _, err := peer.Read(got); !errors.Is(err, io.EOF) {
			t.Errorf("reading after the end: %v, want EOF", err)
		}
	})
}

func TestServeEndsWithItsListener(t *testing.T) {
	broken := errors.New("the listener is broken")
	r := &Relay{Log: slog.New(slog.DiscardHandler)}
	if err := r.Serve(t.Context(), newListener(broken)); !errors.Is(err, broken) {
		t.Errorf("Serve = %v, want %v", err, broken)
	}
}

func TestJoinEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, farA := net.Pipe()
		b, farB := net.Pipe()
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); Join(ctx, a, b) }()
		synctest.Wait()
		cancel()
		<-done
		for _, far := range []net.Conn{farA, farB} {
			if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
				t.Errorf("reading after the end: %v, want EOF", err)
			}
		}
	})
}
