package cluster

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"syscall"
	"time"

	clientcmd "k8s.io/client-go/tools/clientcmd/api"
	clientcmdlatest "k8s.io/client-go/tools/clientcmd/api/latest"

	"k8s.io/apimachinery/pkg/runtime"

	"berth.dev/berth/internal/pki"
)

// leafLife is how long the certificates of a control plane's parts last. They
// are issued again at every start of the server.
const leafLife = 365 * 24 * time.Hour

// Material is what a cluster's identity consists of: made once, kept in the
// store, the same on every server that runs the cluster.
type Material struct {
	// CA signs the API server, its clients and the kubelets.
	CA pki.Pair
	// FrontProxyCA signs the aggregation layer's client.
	FrontProxyCA pki.Pair
	// ServiceAccount signs service account tokens.
	ServiceAccount pki.Pair
	// APIServerPort is where the API server listens on the loopback interface;
	// EndpointPort is the port of the cluster's endpoint.
	APIServerPort, EndpointPort int
	// Bootstrapped says that the cluster's first objects have been installed.
	Bootstrapped bool
}

// newMaterial makes a cluster's identity. taken are the ports of other clusters,
// whose API servers may be away just now.
func newMaterial(now time.Time, taken map[int]bool) (Material, error) {
	ca, err := pki.NewAuthority("kubernetes", now)
	if err != nil {
		return Material{}, err
	}
	front, err := pki.NewAuthority("front-proxy", now)
	if err != nil {
		return Material{}, err
	}
	sa, err := pki.NewServiceAccountKey()
	if err != nil {
		return Material{}, err
	}
	m := Material{CA: ca.Pair, FrontProxyCA: front.Pair, ServiceAccount: sa}
	ports, err := freePorts(2, rand.IntN(lastPort-firstPort), taken)
	if err != nil {
		return Material{}, err
	}
	m.APIServerPort, m.EndpointPort = ports[0], ports[1]
	return m, nil
}

// A cluster keeps its ports for life. They lie below those that the kernel gives
// to connections, 32768 and up by default, so that no connection has one of them
// when the server is started again.
const (
	firstPort = 20000
	lastPort  = 29999
)

// freePorts finds n different loopback ports that nobody listens on and that are
// not taken, looking from one on.
func freePorts(n, from int, taken map[int]bool) ([]int, error) {
	var ports []int
	for i := range lastPort - firstPort + 1 {
		port := firstPort + (from+i)%(lastPort-firstPort+1)
		if taken[port] {
			continue
		}
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if errors.Is(err, syscall.EADDRINUSE) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("finding a free port: %w", err)
		}
		l.Close()
		if ports = append(ports, port); len(ports) == n {
			return ports, nil
		}
	}
	return nil, fmt.Errorf("finding a free port: every port from %d to %d is taken", firstPort, lastPort)
}

// certificates are the leaf certificates of a control plane, by file name.
func (c *controlPlane) certificates(now time.Time) (map[string]pki.Pair, error) {
	ca, err := pki.Load(c.material.CA)
	if err != nil {
		return nil, err
	}
	front, err := pki.Load(c.material.FrontProxyCA)
	if err != nil {
		return nil, err
	}
	end := now.Add(leafLife)
	client := func(name string, orgs ...string) pki.Request {
		return pki.Request{CommonName: name, Organizations: orgs, Client: true, NotAfter: end}
	}
	requests := map[string]pki.Request{
		"apiserver": {
			CommonName: "kube-apiserver", Server: true, NotAfter: end,
			DNSNames: []string{
				"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc",
				"kubernetes.default.svc.cluster.local", c.spec.endpointHost(),
			},
			IPs: c.addresses(),
		},
		"webhook": {
			CommonName: "eks-webhook", Server: true, NotAfter: end,
			DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
		},
		"apiserver-kubelet-client": client("kube-apiserver-kubelet-client", "system:masters"),
		"authenticator":            client("eks:authenticator"),
		"controller-manager":       client("system:kube-controller-manager"),
		"scheduler":                client("system:kube-scheduler"),
		"kube-proxy":               client("system:kube-proxy"),
		"fargate":                  client("eks:fargate-scheduler"),
		"admin":                    client("eks:cluster-bootstrap", "system:masters"),
	}
	pairs := make(map[string]pki.Pair, len(requests)+1)
	for name, r := range requests {
		if pairs[name], err = ca.Issue(r, now); err != nil {
			return nil, err
		}
	}
	pairs["front-proxy-client"], err = front.Issue(client("front-proxy-client"), now)
	return pairs, err
}

// addresses are the IP addresses that the API server answers to.
func (c *controlPlane) addresses() []net.IP {
	ips := []net.IP{net.IPv4(127, 0, 0, 1), c.spec.serviceIP(1).AsSlice()}
	for _, a := range c.spec.Interfaces {
		ips = append(ips, a.AsSlice())
	}
	return ips
}

// writeFiles renders what the children read into the cluster's folder.
func (c *controlPlane) writeFiles(now time.Time) error {
	if err := os.MkdirAll(c.path("pki"), 0o700); err != nil {
		return fmt.Errorf("making the folder of cluster %s: %w", c.spec.Name, err)
	}
	pairs, err := c.certificates(now)
	if err != nil {
		return err
	}
	c.pairs = pairs
	pairs["ca"], pairs["front-proxy-ca"], pairs["sa"] = c.material.CA, c.material.FrontProxyCA, c.material.ServiceAccount
	files := map[string][]byte{"egress.yaml": []byte(c.egressConfig())}
	for name, p := range pairs {
		files["pki/"+name+".crt"], files["pki/"+name+".key"] = p.Cert, p.Key
	}
	server := fmt.Sprintf("https://127.0.0.1:%d", c.material.APIServerPort)
	for _, name := range []string{"controller-manager", "scheduler", "admin"} {
		if files[name+".kubeconfig"], err = Kubeconfig(server, c.material.CA.Cert, pairs[name]); err != nil {
			return err
		}
	}
	if files["authenticator.kubeconfig"], err = Kubeconfig(authenticatorURL, c.material.CA.Cert, pairs["authenticator"]); err != nil {
		return err
	}
	for name, data := range files {
		if err := os.WriteFile(c.path(name), data, 0o600); err != nil {
			return fmt.Errorf("writing %s of cluster %s: %w", name, c.spec.Name, err)
		}
	}
	return nil
}

func (c *controlPlane) path(name string) string { return filepath.Join(c.dir, name) }

// Kubeconfig renders a kubeconfig for a client certificate.
func Kubeconfig(server string, ca []byte, client pki.Pair) ([]byte, error) {
	cfg := clientcmd.NewConfig()
	cfg.Clusters["cluster"] = &clientcmd.Cluster{Server: server, CertificateAuthorityData: ca}
	cfg.AuthInfos["user"] = &clientcmd.AuthInfo{ClientCertificateData: client.Cert, ClientKeyData: client.Key}
	cfg.Contexts["context"] = &clientcmd.Context{Cluster: "cluster", AuthInfo: "user"}
	cfg.CurrentContext = "context"
	b, err := runtime.Encode(clientcmdlatest.Codec, cfg)
	if err != nil {
		return nil, fmt.Errorf("encoding a kubeconfig for %s: %w", server, err)
	}
	return b, nil
}

// nth is the n-th address of a prefix.
func nth(p netip.Prefix, n int) netip.Addr {
	a := p.Masked().Addr()
	for range n {
		a = a.Next()
	}
	return a
}
