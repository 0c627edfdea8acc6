package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apiserver/pkg/apis/apiserver"
	"k8s.io/apiserver/pkg/authentication/authenticatorfactory"
	"k8s.io/apiserver/pkg/authorization/authorizerfactory"
	"k8s.io/apiserver/pkg/server/dynamiccertificates"
	genericoptions "k8s.io/apiserver/pkg/server/options"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/klog/v2"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/server"

	"berth.dev/berth/dataplane"
)

// auth admits the cluster's own client certificates and tokens, and asks the API
// server what they may do; upstream's BuildAuth, but for a certificate authority
// in memory.
func auth(node dataplane.Node, ca []byte, client clientset.Interface, c *kubeletconfig.KubeletConfiguration) (server.AuthInterface, error) {
	provider, err := dynamiccertificates.NewStaticCAContent("client-ca", ca)
	if err != nil {
		return nil, fmt.Errorf("reading the cluster's certificate authority: %w", err)
	}
	authenticator, _, err := authenticatorfactory.DelegatingAuthenticatorConfig{
		Anonymous:                          &apiserver.AnonymousAuthConfig{Enabled: c.Authentication.Anonymous.Enabled},
		CacheTTL:                           c.Authentication.Webhook.CacheTTL.Duration,
		ClientCertificateCAContentProvider: provider,
		TokenAccessReviewClient:            client.AuthenticationV1(),
		WebhookRetryBackoff:                genericoptions.DefaultAuthWebhookRetryBackoff(),
	}.New()
	if err != nil {
		return nil, fmt.Errorf("building authenticator: %w", err)
	}
	authorizer, err := authorizerfactory.DelegatingAuthorizerConfig{
		SubjectAccessReviewClient: client.AuthorizationV1(),
		AllowCacheTTL:             c.Authorization.Webhook.CacheAuthorizedTTL.Duration,
		DenyCacheTTL:              c.Authorization.Webhook.CacheUnauthorizedTTL.Duration,
		WebhookRetryBackoff:       genericoptions.DefaultAuthWebhookRetryBackoff(),
	}.New()
	if err != nil {
		return nil, fmt.Errorf("building authorizer: %w", err)
	}
	attributes := server.NewNodeAuthorizerAttributesGetter(types.NodeName(node.Name))
	return server.NewKubeletAuth(authenticator, attributes, authorizer, provider), nil
}

func servingTLS(node dataplane.Node, ca []byte) (*tls.Config, error) {
	cert, err := tls.X509KeyPair(node.ServingCert, node.ServingKey)
	if err != nil {
		return nil, fmt.Errorf("reading serving certificate of node %s: %w", node.Name, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("reading the cluster's certificate authority: no certificate in it")
	}
	return &tls.Config{
		Certificates: []tls.Certificate{cert},
		MinVersion:   tls.VersionTLS12,
		// Certificates are verified by the authenticator; tokens come without one.
		ClientAuth: tls.RequestClientCert,
		ClientCAs:  pool,
		NextProtos: []string{"h2", "http/1.1"},
	}, nil
}

// listen binds the kubelet's address. The address is a pod's, which lives in
// another namespace: binding it needs IP_FREEBIND (or ip_nonlocal_bind).
func listen(ctx context.Context, address string) (net.Listener, error) {
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		var failed error
		err := raw.Control(func(fd uintptr) {
			failed = unix.SetsockoptInt(int(fd), unix.SOL_IP, unix.IP_FREEBIND, 1)
		})
		return errors.Join(err, failed)
	}}
	return config.Listen(ctx, "tcp", address)
}

// bindDelay is the pause between attempts to bind: an address or a port may
// still be held by a connection of the node's predecessor.
const bindDelay = 200 * time.Millisecond

// listenUntil binds, and tries until it works or ctx ends.
func listenUntil(ctx context.Context, ip string) (net.Listener, error) {
	address := net.JoinHostPort(ip, strconv.Itoa(servingPort))
	timer := time.NewTimer(0)
	defer timer.Stop()
	for said := false; ; {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
		}
		listener, err := listen(ctx, address)
		if err == nil {
			return listener, nil
		}
		if !said {
			klog.FromContext(ctx).Error(err, "Binding the kubelet's address, which is tried until it works", "address", address)
			said = true
		}
		timer.Reset(bindDelay)
	}
}

// newHTTPServer has upstream's limits for a kubelet's server.
func newHTTPServer(handler http.Handler, config *tls.Config) *http.Server {
	return &http.Server{
		Handler: handler, TLSConfig: config,
		IdleTimeout:    90 * time.Second,
		ReadTimeout:    4 * time.Hour,
		WriteTimeout:   4 * time.Hour,
		MaxHeaderBytes: 1 << 20,
	}
}
