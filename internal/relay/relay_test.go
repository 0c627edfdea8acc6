package relay

import (
	"context"
	"io"
	"log/slog"
	"net"
	"testing"
)

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// upper answers what it was sent, doubled, once the sender has half-closed.
func doubler(t *testing.T) net.Listener {
	l := listen(t)
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			b, _ := io.ReadAll(c)
			_, _ = c.Write(append(b, b...))
			c.Close()
		}
	}()
	return l
}

func serve(t *testing.T, r *Relay) string {
	t.Helper()
	l := listen(t)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.Serve(ctx, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Serve = %v", err)
		}
	})
	return l.Addr().String()
}

func exchange(t *testing.T, addr, send string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, send); err != nil {
		return ""
	}
	_ = c.(*net.TCPConn).CloseWrite()
	b, _ := io.ReadAll(c)
	return string(b)
}

func TestRelay(t *testing.T) {
	far := doubler(t)
	dial := func(ctx context.Context) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "tcp", far.Addr().String())
	}
	log := slog.New(slog.DiscardHandler)
	tests := []struct {
		name  string
		relay Relay
		want  string
	}{
		{"carries both ways and half-closes", Relay{Dial: dial, Log: log}, "abab"},
		{"disconnects a peer that may not connect", Relay{Dial: dial, Log: log, Admit: func(net.Addr) bool { return false }}, ""},
		{"closes when the far side cannot be reached", Relay{Log: log, Dial: func(context.Context) (net.Conn, error) { return nil, io.EOF }}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := exchange(t, serve(t, &tt.relay), "ab"); got != tt.want {
				t.Errorf("got %q back, want %q", got, tt.want)
			}
		})
	}
}
