// Package proxy runs upstream's kube-proxy in nftables mode in this process's
// network namespace, which is the router of a VPC: it sees every pod's traffic,
// so one is enough for all of a cluster's nodes on the host.
//
// Upstream's server is used without its node manager: the router is no node, and
// looking for one would delay the start by half a minute. Its settings of the
// connection tracker are left out as well; they are the host's. It needs the
// program nft. Only package dataplane imports it, and starts it once.
package proxy

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"time"

	v1 "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientset "k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/events"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-proxy/app"
	"k8s.io/kubernetes/pkg/proxy"
	proxyconfig "k8s.io/kubernetes/pkg/proxy/apis/config"
	"k8s.io/kubernetes/pkg/proxy/apis/config/scheme"
	"k8s.io/kubernetes/pkg/proxy/healthcheck"
	"k8s.io/kubernetes/pkg/proxy/nftables"
	netutils "k8s.io/utils/net"

	"berth.dev/berth/dataplane"
)

const (
	// syncPeriod is upstream's; minSyncPeriod is shorter than upstream's second,
	// so that a new pod's endpoint is reachable at once.
	syncPeriod    = 30 * time.Second
	minSyncPeriod = 200 * time.Millisecond
	masqueradeBit = 14
)

// Proxy is a running kube-proxy.
type Proxy struct {
	health *healthcheck.ProxyHealthServer
	synced *syncedProxier
	server *app.ProxyServer
}

// Start sets kube-proxy up; it serves from then on, until the process ends,
// since upstream's cannot be stopped.
func Start(ctx context.Context, config dataplane.Config) (*Proxy, error) {
	p := &Proxy{}
	nodeIP := net.ParseIP(config.Proxy.NodeIP)
	if nodeIP == nil {
		return nil, fmt.Errorf("starting kube-proxy: %q is not an address", config.Proxy.NodeIP)
	}
	client, err := newClient(config)
	if err != nil {
		return nil, fmt.Errorf("starting kube-proxy: %w", err)
	}
	local, err := newDetector(config.Proxy.ClusterCIDRs)
	if err != nil {
		return nil, fmt.Errorf("starting kube-proxy: %w", err)
	}
	broadcaster := events.NewBroadcaster(&events.EventSinkImpl{Interface: client.EventsV1()})
	recorder := broadcaster.NewRecorder(scheme.Scheme, "kube-proxy")
	family := v1.IPv4Protocol
	if netutils.IsIPv6(nodeIP) {
		family = v1.IPv6Protocol
	}
	name := config.Cluster
	p.health = healthcheck.NewProxyHealthServer("", 2*syncPeriod, router(name))
	nodePorts := []string{nodeIP.String() + hostMask(nodeIP)}
	ctx = klog.NewContext(ctx, klog.Background().WithValues("proxy", name))
	proxier, err := nftables.NewProxier(ctx, family, syncPeriod, minSyncPeriod, false, masqueradeBit,
		local, name, nodeIP, recorder, p.health, nodePorts, false)
	if err != nil {
		return nil, fmt.Errorf("starting kube-proxy: %w", err)
	}
	p.synced = &syncedProxier{Provider: proxier, node: name}
	p.server = &app.ProxyServer{
		Config: &proxyconfig.KubeProxyConfiguration{
			Mode:             proxyconfig.ProxyModeNFTables,
			ConfigSyncPeriod: metav1.Duration{Duration: 15 * time.Minute},
			SyncPeriod:       metav1.Duration{Duration: syncPeriod},
			MinSyncPeriod:    metav1.Duration{Duration: minSyncPeriod},
		},
		Client:          client,
		Broadcaster:     broadcaster,
		Recorder:        recorder,
		NodeRef:         &v1.ObjectReference{APIVersion: "v1", Kind: "Node", Name: name},
		NodeName:        name,
		PrimaryIPFamily: family,
		NodeIPs:         map[v1.IPFamily]net.IP{family: nodeIP},
		Proxier:         p.synced,
	}
	go func() {
		if err := p.server.Run(ctx); err != nil {
			klog.FromContext(ctx).Error(err, "kube-proxy ended")
		}
	}()
	return p, nil
}

// Synced reports whether the rules of every service and endpoint known at the
// start have been written once.
func (p *Proxy) Synced() bool { return p.synced.done() && p.health.Health().Healthy }

// syncedProxier notes when the proxier has written its first full set of rules:
// it does so within the last of these two calls.
type syncedProxier struct {
	proxy.Provider
	// node is the name of the router's node.
	node                string
	mu                  sync.Mutex
	services, endpoints bool
}

func (p *syncedProxier) OnServiceSynced() {
	p.Provider.OnServiceSynced()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.services = true
}

func (p *syncedProxier) OnEndpointSlicesSynced() {
	p.Provider.OnEndpointSlicesSynced()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.endpoints = true
}

// Every pod is behind this router, so every endpoint is local to it. Upstream
// needs to know for connections that a service leads back to their own pod, which
// it masquerades for local endpoints alone.

func (p *syncedProxier) OnEndpointSliceAdd(s *discovery.EndpointSlice) {
	p.Provider.OnEndpointSliceAdd(p.localise(s))
}

func (p *syncedProxier) OnEndpointSliceUpdate(before, after *discovery.EndpointSlice) {
	p.Provider.OnEndpointSliceUpdate(p.localise(before), p.localise(after))
}

func (p *syncedProxier) OnEndpointSliceDelete(s *discovery.EndpointSlice) {
	p.Provider.OnEndpointSliceDelete(p.localise(s))
}

// localise returns a slice whose endpoints are all on this router's node.
func (p *syncedProxier) localise(s *discovery.EndpointSlice) *discovery.EndpointSlice {
	local := *s
	local.Endpoints = make([]discovery.Endpoint, len(s.Endpoints))
	for i, e := range s.Endpoints {
		e.NodeName = &p.node
		local.Endpoints[i] = e
	}
	return &local
}

func (p *syncedProxier) done() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.services && p.endpoints
}

// router stands for the node where upstream asks whether it is eligible for
// traffic from load balancers.
type router string

func (r router) Node() *v1.Node { return &v1.Node{ObjectMeta: metav1.ObjectMeta{Name: string(r)}} }

func newClient(config dataplane.Config) (clientset.Interface, error) {
	return clientset.NewForConfig(&rest.Config{
		Host: config.APIServer, QPS: 20, Burst: 40,
		TLSClientConfig: rest.TLSClientConfig{
			CAData: config.CAData, CertData: config.Proxy.CertData, KeyData: config.Proxy.KeyData,
		},
		ContentConfig: rest.ContentConfig{
			ContentType:        "application/vnd.kubernetes.protobuf",
			AcceptContentTypes: "application/vnd.kubernetes.protobuf,application/json",
		},
	})
}

func hostMask(ip net.IP) string {
	if netutils.IsIPv6(ip) {
		return "/128"
	}
	return "/32"
}

// detector says which traffic comes from pods. Upstream's looks at one range; a
// VPC may have several.
type detector struct{ local, notLocal []string }

var errNoCIDRs = errors.New("no cluster CIDRs")

func newDetector(cidrs []string) (*detector, error) {
	if len(cidrs) == 0 {
		return nil, errNoCIDRs
	}
	family := "ip"
	for _, cidr := range cidrs {
		if _, _, err := net.ParseCIDR(cidr); err != nil {
			return nil, fmt.Errorf("reading cluster CIDR %q: %w", cidr, err)
		}
		if netutils.IsIPv6CIDRString(cidr) {
			family = "ip6"
		}
	}
	set := "{ " + strings.Join(cidrs, ", ") + " }"
	return &detector{
		local:    []string{family, "saddr", set},
		notLocal: []string{family, "saddr", "!=", set},
	}, nil
}

func (d *detector) IsImplemented() bool     { return true }
func (d *detector) IfLocal() []string       { return nil } // iptables mode is not used
func (d *detector) IfNotLocal() []string    { return nil }
func (d *detector) IfLocalNFT() []string    { return d.local }
func (d *detector) IfNotLocalNFT() []string { return d.notLocal }
