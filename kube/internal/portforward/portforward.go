// Package portforward serves kubectl port-forward into sandboxes that have a
// network stack of their own. A container runtime dials the pod's loopback
// address in the pod's network namespace, where nobody listens when the stack is
// in the sandbox; here the pod's own address is dialled from the router, as any
// other client does. A server that listens on the pod's loopback address alone is
// therefore not reached. The protocol is upstream's. Only package dataplane
// imports it.
package portforward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// Server carries the streams of every node of a dataplane.
type Server struct {
	streams streaming.Server
}

// Start serves on a loopback port, which the kubelets of this process connect
// to, until ctx ends.
func Start(ctx context.Context) (*Server, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listening for port-forward: %w", err)
	}
	config := streaming.DefaultConfig
	config.Addr = listener.Addr().String()
	config.BaseURL = &url.URL{Scheme: "http", Host: config.Addr}
	streams, err := streaming.NewServer(config, dialer{})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("making the port-forward server: %w", err), listener.Close())
	}
	server := &http.Server{Handler: streams, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	go func() { _ = server.Serve(listener) }()
	return &Server{streams: streams}, nil
}

// Runtime returns a node's runtime whose port-forwards go to the node's address.
func (s *Server) Runtime(runtime internalapi.RuntimeService, ip string) internalapi.RuntimeService {
	return &forwarding{RuntimeService: runtime, streams: s.streams, ip: ip}
}

type forwarding struct {
	internalapi.RuntimeService
	streams streaming.Server
	ip      string
}

// PortForward prepares a stream to the node's address, which stands in for the
// sandbox's identifier from here on.
func (f *forwarding) PortForward(_ context.Context, r *runtimeapi.PortForwardRequest) (*runtimeapi.PortForwardResponse, error) {
	return f.streams.GetPortForward(&runtimeapi.PortForwardRequest{PodSandboxId: f.ip, Port: r.GetPort()})
}

// dialer implements streaming.Runtime.
type dialer struct{}

var errNotHere = errors.New("the container runtime serves this stream itself")

func (dialer) Exec(context.Context, string, []string, io.Reader, io.WriteCloser, io.WriteCloser, bool, <-chan remotecommand.TerminalSize) error {
	return errNotHere
}

func (dialer) Attach(context.Context, string, io.Reader, io.WriteCloser, io.WriteCloser, bool, <-chan remotecommand.TerminalSize) error {
	return errNotHere
}

// PortForward carries a stream to a port of an address until either side ends.
func (dialer) PortForward(ctx context.Context, ip string, port int32, stream io.ReadWriteCloser) error {
	defer stream.Close()
	conn, err := (&net.Dialer{Timeout: 10 * time.Second}).DialContext(ctx, "tcp", net.JoinHostPort(ip, strconv.Itoa(int(port))))
	if err != nil {
		return fmt.Errorf("forwarding to port %d of the pod: %w", port, err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	sent := make(chan error, 1)
	go func() {
		_, err := io.Copy(conn, stream)
		if tcp, ok := conn.(*net.TCPConn); ok {
			err = errors.Join(err, tcp.CloseWrite())
		}
		sent <- err
	}()
	// The pod's end of stream ends the forward, whatever the client still sends.
	_, err = io.Copy(stream, conn)
	select {
	case e := <-sent:
		err = errors.Join(err, e)
	default:
	}
	return err
}
