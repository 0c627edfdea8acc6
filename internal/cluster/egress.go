package cluster

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"time"

	"berth.dev/berth/internal/relay"
)

// The addresses at which EKS serves a control plane's own webhooks. No socket
// listens there: the API server reaches them through its egress selector, so
// that any number of clusters on a host have them each.
const (
	fargateWebhookAddress = "127.0.0.1:23445"
	authenticatorAddress  = "127.0.0.1:21362"
	authenticatorURL      = "https://" + authenticatorAddress + "/authenticate"
)

// DialFunc opens a connection.
type DialFunc func(ctx context.Context, network, address string) (net.Conn, error)

// egressConfig sends what the API server dials through our sockets: to nodes,
// services and webhooks by way of the VPC; its own webhooks to this process.
func (c *controlPlane) egressConfig() string {
	const selection = `- name: %s
  connection:
    proxyProtocol: HTTPConnect
    transport:
      uds:
        udsName: %s
`
	return "apiVersion: apiserver.k8s.io/v1beta1\nkind: EgressSelectorConfiguration\negressSelections:\n" +
		fmt.Sprintf(selection, "cluster", c.path("cluster.sock")) +
		fmt.Sprintf(selection, "controlplane", c.path("controlplane.sock"))
}

// dialControlPlane reaches what belongs to the control plane itself.
func (c *controlPlane) dialControlPlane(ctx context.Context, network, address string) (net.Conn, error) {
	if address == fargateWebhookAddress || address == authenticatorAddress {
		network, address = "unix", c.path("webhook.sock")
	}
	return (&net.Dialer{}).DialContext(ctx, network, address)
}

// egressProxy answers HTTP CONNECT on a Unix socket.
type egressProxy struct {
	dial DialFunc
	log  *slog.Logger
}

func (p *egressProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect {
		http.Error(w, "the egress proxy answers CONNECT alone", http.StatusMethodNotAllowed)
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), 30*time.Second)
	defer cancel()
	far, err := p.dial(ctx, "tcp", r.Host)
	if err != nil {
		p.log.Debug("egress", "address", r.Host, "error", err)
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	near, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		far.Close()
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	if _, err := near.Write([]byte("HTTP/1.1 200 Connection Established\r\n\r\n")); err != nil {
		near.Close()
		far.Close()
		return
	}
	relay.Join(r.Context(), near, far)
}

// listenUnix listens on a socket path that a killed predecessor may have left.
func listenUnix(path string) (net.Listener, error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("removing the old socket %s: %w", path, err)
	}
	l, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	return l, os.Chmod(path, 0o600)
}
