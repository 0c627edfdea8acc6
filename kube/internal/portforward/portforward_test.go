package portforward

import (
	"context"
	"io"
	"net"
	"testing"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

type pipe struct {
	io.Reader
	io.Writer
}

func (pipe) Close() error { return nil }

// TestPortForward sends through a listener that answers what it was sent.
func TestPortForward(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		_, _ = io.Copy(conn, conn)
		conn.Close()
	}()
	in, feed := io.Pipe()
	got, out := io.Pipe()
	done := make(chan error, 1)
	port := int32(listener.Addr().(*net.TCPAddr).Port)
	go func() {
		err := dialer{}.PortForward(context.Background(), "127.0.0.1", port, pipe{in, out})
		out.Close()
		done <- err
	}()
	if _, err := io.WriteString(feed, "through"); err != nil {
		t.Fatal(err)
	}
	feed.Close()
	b, err := io.ReadAll(got)
	if err != nil || string(b) != "through" {
		t.Errorf("got %q back, %v; want through", b, err)
	}
	if err := <-done; err != nil {
		t.Errorf("PortForward = %v", err)
	}
}

func TestPortForwardRefused(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	port := int32(listener.Addr().(*net.TCPAddr).Port)
	listener.Close()
	if err := (dialer{}).PortForward(context.Background(), "127.0.0.1", port, pipe{nil, io.Discard}); err == nil {
		t.Error("forwarding to a closed port succeeded")
	}
}

func TestRuntimeAnswersWithAStreamOfTheNode(t *testing.T) {
	s, err := Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r, err := s.Runtime(nil, "10.0.0.5").PortForward(t.Context(), &runtimeapi.PortForwardRequest{PodSandboxId: "x", Port: []int32{80}})
	if err != nil || r.GetUrl() == "" {
		t.Errorf("PortForward = %v, %v; want a URL", r, err)
	}
}
