package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"berth.dev/berth/internal/pki"
	"berth.dev/berth/internal/process"
	"berth.dev/berth/internal/relay"
)

// Pair is a certificate and its key.
type Pair = pki.Pair

// Conn is a connection.
type Conn = net.Conn

// controlPlane is one running control plane.
type controlPlane struct {
	manager  *Manager
	spec     Spec
	material Material
	etcd     Etcd
	dir      string
	log      *slog.Logger
	pairs    map[string]pki.Pair
	children map[string]*process.Process
	cancel   context.CancelFunc
	tasks    sync.WaitGroup

	mu           sync.Mutex
	bootstrapped bool
}

// start brings up sockets and children; it does not wait for any of them.
func (c *controlPlane) start() error {
	ctx, cancel := context.WithCancel(context.Background())
	c.cancel = cancel
	if err := c.writeFiles(c.manager.Clock.Now()); err != nil {
		return err
	}
	if err := c.serveSockets(ctx); err != nil {
		return err
	}
	c.children = map[string]*process.Process{}
	c.child(ctx, "apiserver", append([]string{"apiserver"}, c.apiServerFlags()...))
	controllers := append([]string{"controllers"}, c.controllerManagerFlags()...)
	controllers = append(append(controllers, "--"), c.schedulerFlags()...)
	c.child(ctx, "controllers", controllers)
	c.tasks.Go(func() {
		err := c.manager.Hooks.ServeVPC(ctx, c.spec, c.dialAPIServer)
		if err != nil && ctx.Err() == nil {
			c.log.Error("the interfaces of the cluster stopped answering", "error", err)
		}
	})
	if c.spec.PublicAccess {
		return c.serveEndpoint(ctx)
	}
	return nil
}

func (c *controlPlane) child(ctx context.Context, name string, args []string) {
	c.children[name] = process.Start(ctx, process.Spec{
		Name: c.spec.Name + "/" + name, Path: c.manager.Binary, Args: args, LogFile: c.path(name + ".log"),
	}, c.log)
}

// serveSockets opens the API server's ways out: into the VPC, and to the
// control plane's own webhooks.
func (c *controlPlane) serveSockets(ctx context.Context) error {
	webhook := c.pairs["webhook"]
	cert, err := tls.X509KeyPair(webhook.Cert, webhook.Key)
	if err != nil {
		return fmt.Errorf("reading the webhooks' certificate: %w", err)
	}
	servers := []struct {
		socket  string
		handler http.Handler
		tls     *tls.Config
	}{
		{"cluster.sock", &egressProxy{dial: c.manager.Hooks.DialVPC(c.spec), log: c.log}, nil},
		{"controlplane.sock", &egressProxy{dial: c.dialControlPlane, log: c.log}, nil},
		{"webhook.sock", c.manager.Hooks.Webhooks(c.spec.Name), &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}},
	}
	for _, s := range servers {
		l, err := listenUnix(c.path(s.socket))
		if err != nil {
			return err
		}
		if s.tls != nil {
			l = tls.NewListener(l, s.tls)
		}
		server := &http.Server{
			Handler: s.handler, BaseContext: func(net.Listener) context.Context { return ctx },
			ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(c.log.Handler(), slog.LevelDebug),
		}
		context.AfterFunc(ctx, func() { server.Close() })
		c.tasks.Go(func() {
			if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
				c.log.Error("a socket of the control plane stopped answering", "socket", s.socket, "error", err)
			}
		})
	}
	return nil
}

// serveEndpoint opens the cluster's public endpoint.
func (c *controlPlane) serveEndpoint(ctx context.Context) error {
	l, err := net.Listen("tcp", net.JoinHostPort(c.manager.Listen, fmt.Sprint(c.material.EndpointPort)))
	if err != nil {
		return fmt.Errorf("listening at the endpoint: %w", err)
	}
	r := &relay.Relay{Dial: c.dialAPIServer, Admit: c.admits, Log: c.log}
	c.tasks.Go(func() {
		if err := r.Serve(ctx, l); err != nil {
			c.log.Error("the endpoint stopped answering", "error", err)
		}
	})
	return nil
}

// admits says whether publicAccessCidrs contain a peer.
func (c *controlPlane) admits(peer net.Addr) bool {
	a, err := netip.ParseAddrPort(peer.String())
	if err != nil {
		return false
	}
	for _, p := range c.spec.PublicAccessCIDRs {
		if p.Contains(a.Addr().Unmap()) {
			return true
		}
	}
	return false
}

func (c *controlPlane) dialAPIServer(ctx context.Context) (net.Conn, error) {
	return (&net.Dialer{}).DialContext(ctx, "tcp", fmt.Sprintf("127.0.0.1:%d", c.material.APIServerPort))
}

func (c *controlPlane) endpoint() string {
	return fmt.Sprintf("https://127.0.0.1:%d", c.material.EndpointPort)
}

// client is a client of the API server with one of the control plane's identities.
func (c *controlPlane) client(identity string) *rest.Config {
	return &rest.Config{
		Host: fmt.Sprintf("https://127.0.0.1:%d", c.material.APIServerPort),
		TLSClientConfig: rest.TLSClientConfig{
			CAData: c.material.CA.Cert, CertData: c.pairs[identity].Cert, KeyData: c.pairs[identity].Key,
		},
		QPS: 500, Burst: 1000,
	}
}

// observe probes the control plane and installs its objects once it answers.
func (c *controlPlane) observe(ctx context.Context) (Observation, error) {
	o := Observation{Endpoint: c.endpoint(), CA: c.material.CA.Cert}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	admin, err := kubernetes.NewForConfig(c.client("admin"))
	if err != nil {
		return o, fmt.Errorf("making a client of cluster %s: %w", c.spec.Name, err)
	}
	if err := readyz(ctx, admin); err != nil {
		o.Message = "the API server is not ready: " + err.Error()
		return o, nil
	}
	if err := c.bootstrap(ctx); err != nil {
		o.Message = "the cluster's first objects are not installed: " + err.Error()
		return o, nil
	}
	// The controllers have been at work when the default service account exists.
	if _, err := admin.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{}); err != nil {
		o.Message = "the controllers are not at work: " + err.Error()
		return o, nil
	}
	// Where publicAccessCidrs shut this host out, nobody here can look from outside.
	if c.spec.PublicAccess && c.admits(&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)}) {
		through := c.client("admin")
		through.Host = o.Endpoint
		outside, err := kubernetes.NewForConfig(through)
		if err != nil {
			return o, fmt.Errorf("making a client of cluster %s: %w", c.spec.Name, err)
		}
		if err := readyz(ctx, outside); err != nil {
			o.Message = "the endpoint does not answer: " + err.Error()
			return o, nil
		}
	}
	o.Ready = true
	return o, nil
}

func readyz(ctx context.Context, client kubernetes.Interface) error {
	return client.Discovery().RESTClient().Get().AbsPath("/readyz").Do(ctx).Error()
}

// stop ends the children, closes the sockets and waits for both.
func (c *controlPlane) stop() {
	c.cancel()
	var wg sync.WaitGroup
	for _, p := range c.children {
		wg.Go(p.Stop)
	}
	wg.Wait()
	c.tasks.Wait()
}
