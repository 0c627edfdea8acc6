package cluster

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// echo answers on a Unix socket what it is sent.
func echo(t *testing.T, path string) {
	t.Helper()
	l, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { l.Close(); <-done })
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.Copy(c, c)
			c.Close()
		}
	}()
}

// proxy serves an egress proxy on a Unix socket, as the API server sees it.
func proxy(t *testing.T, dial DialFunc) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "p.sock")
	l, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: &egressProxy{dial: dial, log: slog.New(slog.DiscardHandler)}}
	done := make(chan struct{})
	go func() { defer close(done); _ = server.Serve(l) }()
	t.Cleanup(func() { server.Close(); <-done })
	return path
}

// ask sends a request line to a proxy and reads the answer; what follows it is
// read from the connection.
func ask(t *testing.T, path, request string) (*http.Response, net.Conn, *bufio.Reader) {
	t.Helper()
	c, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := fmt.Fprintf(c, "%s HTTP/1.1\r\nHost: 10.0.1.5:10250\r\n\r\n", request); err != nil {
		t.Fatal(err)
	}
	r := bufio.NewReader(c)
	method, _, _ := strings.Cut(request, " ")
	resp, err := http.ReadResponse(r, &http.Request{Method: method})
	if err != nil {
		t.Fatalf("reading the answer to %s: %v", request, err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp, c, r
}

func TestEgressProxyCarriesBytes(t *testing.T) {
	far := filepath.Join(t.TempDir(), "far.sock")
	echo(t, far)
	asked := make(chan string, 1)
	path := proxy(t, func(ctx context.Context, network, address string) (net.Conn, error) {
		asked <- network + " " + address
		return (&net.Dialer{}).DialContext(ctx, "unix", far)
	})
	resp, c, r := ask(t, path, "CONNECT 10.0.1.5:10250")
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("CONNECT answered %s, want 200", resp.Status)
	}
	if got := <-asked; got != "tcp 10.0.1.5:10250" {
		t.Errorf("dialled %q, want tcp 10.0.1.5:10250", got)
	}
	if _, err := io.WriteString(c, "hello"); err != nil {
		t.Fatal(err)
	}
	if err := c.(*net.UnixConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(r)
	if err != nil || string(got) != "hello" {
		t.Errorf("got %q, %v back, want hello and the end", got, err)
	}
}

func TestEgressProxyRefuses(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		code          int
		text          string
	}{
		{"what is not CONNECT", "GET http://10.0.1.5:10250/", http.StatusMethodNotAllowed, "CONNECT alone"},
		{"what cannot be dialled", "CONNECT 10.0.1.5:10250", http.StatusBadGateway, "no route"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := proxy(t, func(context.Context, string, string) (net.Conn, error) { return nil, errors.New("no route") })
			resp, _, _ := ask(t, path, tt.request)
			// The body of an answer to CONNECT is not read by clients, which see the
			// status alone; upstream puts its first bytes into an error.
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 1000))
			if resp.StatusCode != tt.code || (len(body) > 0 && !strings.Contains(string(body), tt.text)) {
				t.Errorf("answer = %s %q, want %d and %q", resp.Status, body, tt.code, tt.text)
			}
		})
	}
}

func TestListenUnixTakesOverASocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sock")
	// What a killed predecessor leaves: a socket that nobody listens on.
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	l.SetUnlinkOnClose(false)
	l.Close()
	again, err := listenUnix(path)
	if err != nil {
		t.Fatal(err)
	}
	defer again.Close()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode of the socket = %v, want 0600: its peers are API servers", info.Mode().Perm())
	}
}

// TestControlPlaneAddresses holds that the addresses of EKS's own webhooks lead
// into this process, whatever listens on the host.
func TestControlPlaneAddresses(t *testing.T) {
	c := plane(t, KubernetesVersion)
	c.dir = t.TempDir()
	echo(t, c.path("webhook.sock"))
	for _, address := range []string{fargateWebhookAddress, authenticatorAddress} {
		conn, err := c.dialControlPlane(t.Context(), "tcp", address)
		if err != nil {
			t.Errorf("dialling %s: %v", address, err)
			continue
		}
		if conn.RemoteAddr().Network() != "unix" {
			t.Errorf("%s leads to %s, want the socket of this process", address, conn.RemoteAddr())
		}
		conn.Close()
	}
}
