package kubelet

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientset "k8s.io/client-go/kubernetes"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/rest"
	cloudproviderapi "k8s.io/cloud-provider/api"

	"berth.dev/berth/dataplane"
)

// transport is a kubelet's one connection to the API server. Upstream's cache
// of transports is not used, because it keeps every certificate's for ever.
type transport struct {
	http.Transport

	mu     sync.Mutex
	conns  map[net.Conn]struct{}
	closed bool
}

var errClosed = errors.New("the node was removed")

func newTransport(config dataplane.Config, node dataplane.Node) (*transport, error) {
	cert, err := tls.X509KeyPair(node.ClientCert, node.ClientKey)
	if err != nil {
		return nil, fmt.Errorf("reading client certificate of node %s: %w", node.Name, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(config.CAData) {
		return nil, errors.New("reading the cluster's certificate authority: no certificate in it")
	}
	t := &transport{conns: map[net.Conn]struct{}{}}
	t.TLSClientConfig = &tls.Config{
		Certificates: []tls.Certificate{cert}, RootCAs: pool, MinVersion: tls.VersionTLS12,
	}
	t.DialContext = t.dial
	t.ForceAttemptHTTP2 = true
	t.TLSHandshakeTimeout = 10 * time.Second
	t.IdleConnTimeout = 90 * time.Second
	// A connection that died unnoticed would stop the node's heartbeat.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	return t, nil
}

func (t *transport) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second}
	conn, err := dialer.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		conn.Close()
		return nil, errClosed
	}
	t.conns[conn] = struct{}{}
	return &trackedConn{Conn: conn, forget: func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		delete(t.conns, conn)
	}}, nil
}

// close ends every request and refuses new ones.
func (t *transport) close() {
	t.mu.Lock()
	t.closed = true
	for conn := range t.conns {
		conn.Close()
	}
	t.mu.Unlock()
	t.CloseIdleConnections()
}

type trackedConn struct {
	net.Conn
	once   sync.Once
	forget func()
}

func (c *trackedConn) Close() error {
	c.once.Do(c.forget)
	return c.Conn.Close()
}

// clients are a kubelet's clients of the API server, all on one connection.
type clients struct {
	kube      *kubeClient
	heartbeat clientset.Interface
	events    clientset.Interface
}

func newClients(config dataplane.Config, node dataplane.Node, t *transport, registered func()) (*clients, error) {
	client := func(qps float32, burst int, timeout time.Duration) (*clientset.Clientset, error) {
		restConfig := &rest.Config{
			Host: config.APIServer, QPS: qps, Burst: burst, Timeout: timeout,
			UserAgent: rest.DefaultKubernetesUserAgent(),
			ContentConfig: rest.ContentConfig{
				ContentType:        runtime.ContentTypeProtobuf,
				AcceptContentTypes: runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON,
			},
		}
		return clientset.NewForConfigAndClient(restConfig, &http.Client{Transport: t, Timeout: timeout})
	}
	kube, err := client(50, 100, 0)
	if err != nil {
		return nil, err
	}
	heartbeat, err := client(-1, 0, 10*time.Second)
	if err != nil {
		return nil, err
	}
	events, err := client(50, 100, 0)
	if err != nil {
		return nil, err
	}
	return &clients{
		kube:      &kubeClient{Interface: kube, node: node, registered: registered},
		heartbeat: heartbeat,
		events:    events,
	}, nil
}

// kubeClient registers the node the way a cloud's controller leaves it: with
// all its addresses, and initialised. The kubelet, told that its cloud provider
// is external, leaves addresses alone from then on.
type kubeClient struct {
	clientset.Interface
	node       dataplane.Node
	registered func()
}

func (c *kubeClient) CoreV1() corev1.CoreV1Interface {
	return &coreClient{c.Interface.CoreV1(), c}
}

type coreClient struct {
	corev1.CoreV1Interface
	client *kubeClient
}

func (c *coreClient) Nodes() corev1.NodeInterface {
	return &nodeClient{c.CoreV1Interface.Nodes(), c.client}
}

type nodeClient struct {
	corev1.NodeInterface
	client *kubeClient
}

func (c *nodeClient) Create(ctx context.Context, node *v1.Node, opts metav1.CreateOptions) (*v1.Node, error) {
	created, err := c.NodeInterface.Create(ctx, initialised(node, c.client.node), opts)
	if err == nil || apierrors.IsAlreadyExists(err) {
		c.client.registered()
	}
	return created, err
}

// initialised is the registration of a node with its cloud's part done.
func initialised(node *v1.Node, wanted dataplane.Node) *v1.Node {
	node = node.DeepCopy()
	node.Status.Addresses = []v1.NodeAddress{
		{Type: v1.NodeInternalIP, Address: wanted.IP},
		{Type: v1.NodeInternalDNS, Address: wanted.Hostname},
		{Type: v1.NodeHostName, Address: wanted.Hostname},
	}
	var kept []v1.Taint
	for _, taint := range node.Spec.Taints {
		if taint.Key != cloudproviderapi.TaintExternalCloudProvider {
			kept = append(kept, taint)
		}
	}
	node.Spec.Taints = kept
	return node
}
