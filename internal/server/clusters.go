package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/utils/clock"

	"berth.dev/berth/internal/agent"
	"berth.dev/berth/internal/cluster"
	"berth.dev/berth/internal/ec2"
	"berth.dev/berth/internal/eks"
	"berth.dev/berth/internal/fargate/scheduler"
	"berth.dev/berth/internal/kubeauth"
	"berth.dev/berth/internal/pki"
	"berth.dev/berth/internal/principal"
	"berth.dev/berth/internal/relay"
	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/vpcnet"
	"berth.dev/berth/internal/vpcnet/dns"
)

// The tokens of interfaces tell whose they are, and interfaceOwner is whom EC2
// shows as using them.
const (
	podToken       = "fargate-"
	interfaceOwner = "amazon-aws"
)

func clusterToken(clusterID string) string { return "eks-" + clusterID + "-" }

func isPod(e ec2.Interface) bool { return strings.HasPrefix(e.ClientToken, podToken) }

// clusterInterfaces is how many interfaces a cluster has in its VPC.
const clusterInterfaces = 2

// clusters connects the records of EKS with what runs: control planes, the
// host, and the Fargate side of each cluster.
type clusters struct {
	options Options
	eks     *eks.Service
	ec2     *ec2.Service
	manager *cluster.Manager
	agent   *agent.Agent
	vpcs    agent.VPCs
	flat    bool
	keys    keys
	store   *store.Store
	etcd    *clientv3.Client
	clock   clock.WithTicker
	log     *slog.Logger
	// images are the names under which the built images are known.
	coreDNS string
	// run is the life of the server.
	run context.Context

	mu      sync.Mutex
	running map[string]*fargate
}

// fargate is the running Fargate side of a cluster.
type fargate struct {
	controller *scheduler.Controller
	cancel     context.CancelFunc
	done       chan struct{}
}

// Ensure implements eks.ControlPlane.
func (c *clusters) Ensure(ctx context.Context, rec eks.Cluster) (eks.Observation, error) {
	addresses, err := c.interfaces(ctx, rec)
	if err != nil {
		return eks.Observation{}, err
	}
	if err := c.vpcs.Sync(ctx, rec.VPC); err != nil {
		return eks.Observation{}, err
	}
	spec, err := c.spec(rec, addresses)
	if err != nil {
		return eks.Observation{}, err
	}
	o, err := c.manager.Ensure(ctx, spec)
	if err != nil {
		return eks.Observation{}, err
	}
	if o.Ready {
		if err := c.serve(ctx, rec, spec); err != nil {
			return eks.Observation{}, err
		}
	}
	return eks.Observation{Ready: o.Ready, Endpoint: o.Endpoint, CertificateAuthority: o.CA, Message: o.Message}, nil
}

// interfaces makes sure that the cluster has its network interfaces, in subnets
// of different zones, and returns their addresses.
func (c *clusters) interfaces(ctx context.Context, rec eks.Cluster) ([]netip.Addr, error) {
	var out []netip.Addr
	zones := map[string]bool{}
	for _, id := range rec.Subnets {
		if len(out) == clusterInterfaces {
			break
		}
		sn, err := c.ec2.Subnet(ctx, id)
		if err != nil {
			return nil, fmt.Errorf("reading subnet %s of cluster %s: %w", id, rec.Name, err)
		}
		if zones[sn.Zone.Name] {
			continue
		}
		zones[sn.Zone.Name] = true
		e, err := c.ec2.AllocateInterface(ctx, ec2.InterfaceRequest{
			SubnetID: id, Description: "Amazon EKS " + rec.Name, RequesterManaged: true,
			SecurityGroups: append([]string{rec.ClusterSecurityGroup}, rec.SecurityGroups...),
			ClientToken:    clusterToken(rec.ID) + id,
		})
		if err != nil {
			return nil, fmt.Errorf("allocating an interface of cluster %s: %w", rec.Name, err)
		}
		out = append(out, e.IP)
	}
	return out, nil
}

func (c *clusters) spec(rec eks.Cluster, addresses []netip.Addr) (cluster.Spec, error) {
	service, err := netip.ParsePrefix(rec.ServiceCIDR)
	if err != nil {
		return cluster.Spec{}, fmt.Errorf("reading the service range of cluster %s: %w", rec.Name, err)
	}
	var public []netip.Prefix
	for _, s := range rec.PublicAccessCIDRs {
		p, err := netip.ParsePrefix(s)
		if err != nil {
			return cluster.Spec{}, fmt.Errorf("reading the public access ranges of cluster %s: %w", rec.Name, err)
		}
		public = append(public, p)
	}
	return cluster.Spec{
		Name: rec.Name, ID: rec.ID, Version: rec.Version, Region: c.options.Region, ServiceCIDR: service,
		OIDCIssuer: rec.Issuer, Interfaces: addresses, PublicAccess: rec.PublicAccess, PublicAccessCIDRs: public,
		AddOns: rec.SelfManagedAddons, CoreDNSImage: c.coreDNS,
	}, nil
}

// serve starts the cluster's dataplane and its Fargate side, once.
func (c *clusters) serve(ctx context.Context, rec eks.Cluster, spec cluster.Spec) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.running[rec.Name] != nil {
		return nil
	}
	access, ok := c.manager.Access(rec.ID)
	if !ok {
		return fmt.Errorf("serving cluster %s: its control plane does not run", rec.Name)
	}
	v, err := c.ec2.VPC(ctx, rec.VPC)
	if err != nil {
		return fmt.Errorf("reading the VPC of cluster %s: %w", rec.Name, err)
	}
	server := "https://" + spec.Interfaces[0].String()
	if c.flat {
		server = access.Admin.Host
	}
	err = c.agent.Serve(ctx, agent.Cluster{
		Name: rec.Name, ID: rec.ID, VPC: rec.VPC, APIServer: server, CA: access.Material.CA.Cert,
		DNS: spec.DNSAddress(), Resolver: vpcnet.ResolverAddress(v.CIDR), SearchDomain: dns.Domain(c.options.Region),
		VPCCIDRs: []string{v.CIDR.String()}, NodeIP: vpcnet.RouterAddress(v.CIDR).String(),
		ProxyCert: access.KubeProxy.Cert, ProxyKey: access.KubeProxy.Key,
	})
	if err != nil {
		return err
	}
	f, err := c.startFargate(rec, access)
	if err != nil {
		return err
	}
	c.running[rec.Name] = f
	return nil
}

func (c *clusters) startFargate(rec eks.Cluster, access cluster.Access) (*fargate, error) {
	ca, err := pki.Load(access.Material.CA)
	if err != nil {
		return nil, err
	}
	client, err := kubernetes.NewForConfig(access.Scheduler)
	if err != nil {
		return nil, fmt.Errorf("making the Fargate scheduler's client of cluster %s: %w", rec.Name, err)
	}
	admin, err := kubernetes.NewForConfig(access.Admin)
	if err != nil {
		return nil, fmt.Errorf("making a client of cluster %s: %w", rec.Name, err)
	}
	k := scheduler.New(scheduler.Config{
		Cluster: rec.Name, ClusterID: rec.ID, Region: c.options.Region, Client: client, Admin: admin, CA: ca,
		Host: c.agent, Interfaces: interfaces{ec2: c.ec2, region: c.options.Region, group: rec.ClusterSecurityGroup},
		Profiles:      func(ctx context.Context) ([]scheduler.Profile, error) { return c.profiles(ctx, rec.Name) },
		ConfigMapMode: rec.AuthenticationMode != "API",
		Store:         c.store, Clock: c.clock, Log: c.log,
	})
	ctx, cancel := context.WithCancel(c.run)
	f := &fargate{controller: k, cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(f.done)
		keepRunning(ctx, c.clock, k.Run, func(err error) {
			c.log.Error("the Fargate side of a cluster stopped, starting it again", "cluster", rec.Name, "error", err)
		})
	}()
	return f, nil
}

// runAgain is how long what stopped is left alone before it is run again.
const runAgain = time.Second

// keepRunning runs what should end with ctx alone, again when it ends before.
func keepRunning(ctx context.Context, c clock.Clock, run func(context.Context) error, stopped func(error)) {
	for {
		err := run(ctx)
		if ctx.Err() != nil {
			return
		}
		stopped(err)
		timer := c.NewTimer(runAgain)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
	}
}

func (c *clusters) profiles(ctx context.Context, name string) ([]scheduler.Profile, error) {
	all, err := c.eks.Profiles(ctx, name)
	if err != nil {
		return nil, err
	}
	var out []scheduler.Profile
	for _, p := range all {
		if p.Serving() {
			out = append(out, scheduler.Profile{Profile: p.Matching(), ID: p.ID, Role: p.Role, Subnets: p.Subnets})
		}
	}
	return out, nil
}

// Remove implements eks.ControlPlane.
func (c *clusters) Remove(ctx context.Context, rec eks.Cluster) (bool, error) {
	c.mu.Lock()
	f := c.running[rec.Name]
	delete(c.running, rec.Name)
	c.mu.Unlock()
	if f != nil {
		f.cancel()
		<-f.done
	}
	if err := c.agent.Withdraw(rec.ID); err != nil {
		return false, fmt.Errorf("withdrawing the dataplane of cluster %s: %w", rec.Name, err)
	}
	if err := c.manager.Remove(ctx, rec.ID); err != nil {
		return false, err
	}
	if _, err := c.etcd.Delete(ctx, "/clusters/"+rec.ID+"/", clientv3.WithPrefix()); err != nil {
		return false, fmt.Errorf("removing the objects of cluster %s: %w", rec.Name, err)
	}
	n, err := c.ec2.Network(ctx, rec.VPC)
	if missing(err) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for _, e := range n.Interfaces {
		if strings.HasPrefix(e.ClientToken, clusterToken(rec.ID)) {
			if err := c.ec2.ReleaseInterface(ctx, e.ID); err != nil {
				return false, fmt.Errorf("releasing the interfaces of cluster %s: %w", rec.Name, err)
			}
		}
	}
	return true, c.vpcs.Sync(ctx, rec.VPC)
}

// controller is the Fargate side of a cluster that runs.
func (c *clusters) controller(name string) (*scheduler.Controller, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f := c.running[name]
	if f == nil {
		return nil, false
	}
	return f.controller, true
}

// ProfileServed implements eks.Pods.
func (c *clusters) ProfileServed(ctx context.Context, rec eks.Cluster, p eks.Profile) (bool, error) {
	k, ok := c.controller(rec.Name)
	if !ok {
		return false, nil
	}
	return k.Served(ctx, scheduler.Profile{Profile: p.Matching(), ID: p.ID, Role: p.Role, Subnets: p.Subnets})
}

// Evict implements eks.Pods.
func (c *clusters) Evict(ctx context.Context, rec eks.Cluster, p eks.Profile) (int, error) {
	k, ok := c.controller(rec.Name)
	if !ok {
		return 0, fmt.Errorf("evicting the pods of Fargate profile %s: the Fargate side of cluster %s does not run yet", p.Name, rec.Name)
	}
	return k.Evict(ctx, p.Name)
}

// serviceCIDRs are the service ranges of the clusters in a VPC.
func (c *clusters) serviceCIDRs(ctx context.Context, vpcID string) ([]netip.Prefix, error) {
	all, err := c.eks.Clusters(ctx)
	if err != nil {
		return nil, err
	}
	var out []netip.Prefix
	for _, rec := range all {
		if rec.VPC != vpcID {
			continue
		}
		p, err := netip.ParsePrefix(rec.ServiceCIDR)
		if err != nil {
			return nil, fmt.Errorf("reading the service range of cluster %s: %w", rec.Name, err)
		}
		out = append(out, p)
	}
	return out, nil
}

// hooks connect the control planes with the host.
func (c *clusters) hooks() cluster.Hooks {
	return cluster.Hooks{
		DialVPC: func(s cluster.Spec) cluster.DialFunc {
			return func(ctx context.Context, network, address string) (net.Conn, error) {
				rec, err := c.eks.Cluster(ctx, s.Name)
				if err != nil {
					return nil, err
				}
				return c.vpcs.Dial(ctx, rec.VPC, network, address)
			}
		},
		Webhooks: c.webhooks,
		ServeVPC: c.serveVPC,
	}
}

// webhooks are a control plane's own.
func (c *clusters) webhooks(name string) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/authenticate", &kubeauth.Webhook{Cluster: name, Keys: c.keys, Mapper: c, Now: c.clock.Now, Log: c.log})
	mux.HandleFunc("POST /mutate", func(w http.ResponseWriter, r *http.Request) {
		var admit http.Handler = scheduler.Admit(func(ctx context.Context) ([]scheduler.Profile, error) { return c.profiles(ctx, name) })
		if k, ok := c.controller(name); ok {
			admit = k
		}
		admit.ServeHTTP(w, r)
	})
	return mux
}

// serveVPC makes the cluster's interfaces answer.
func (c *clusters) serveVPC(ctx context.Context, s cluster.Spec, dial func(context.Context) (net.Conn, error)) error {
	if c.flat {
		return nil
	}
	rec, err := c.eks.Cluster(ctx, s.Name)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for _, a := range s.Interfaces {
		l, err := c.vpcs.Listen(ctx, rec.VPC, "tcp4", netip.AddrPortFrom(a, 443).String())
		if err != nil {
			return errors.Join(err, context.Cause(ctx))
		}
		r := &relay.Relay{Dial: dial, Log: c.log}
		g.Go(func() error { return r.Serve(ctx, l) })
	}
	// What EC2 shows is no reason to stop answering.
	if err := c.attachInterfaces(ctx, rec); err != nil && ctx.Err() == nil {
		c.log.Warn("the interfaces of a cluster are not shown as in use", "cluster", rec.Name, "error", err)
	}
	return g.Wait()
}

// attachInterfaces tells EC2 that the cluster's interfaces are in use.
func (c *clusters) attachInterfaces(ctx context.Context, rec eks.Cluster) error {
	n, err := c.ec2.Network(ctx, rec.VPC)
	if err != nil {
		return fmt.Errorf("reading the interfaces of cluster %s: %w", rec.Name, err)
	}
	for _, e := range n.Interfaces {
		if !strings.HasPrefix(e.ClientToken, clusterToken(rec.ID)) || e.Attachment != nil {
			continue
		}
		if err := c.ec2.AttachInterface(ctx, e.ID, interfaceOwner); err != nil {
			return fmt.Errorf("attaching the interfaces of cluster %s: %w", rec.Name, err)
		}
	}
	return nil
}

// clusterAdmin is the access policy of who may do everything in a cluster.
const clusterAdmin = "cluster-access-policy/AmazonEKSClusterAdminPolicy"

// entry maps a principal by the cluster's access entries.
func (c *clusters) entry(ctx context.Context, name string, p principal.Principal) (kubeauth.User, bool, error) {
	all, err := c.eks.AccessEntries(ctx, name)
	if err != nil {
		return kubeauth.User{}, false, err
	}
	for _, e := range all {
		if e.Principal != p.Issuer() {
			continue
		}
		m := kubeauth.Mapping{Username: e.Username, Groups: e.Groups}
		if e.Type == eks.FargateEntry {
			m.Groups = scheduler.ExecutionGroups()
		}
		for _, policy := range e.Policies {
			if policy.ARN.Resource == clusterAdmin && len(policy.Namespaces) == 0 {
				m.Groups = append(m.Groups, "system:masters")
			}
		}
		return m.User(p), true, nil
	}
	return kubeauth.User{}, false, nil
}

// Map implements kubeauth.Mapper: access entries come before aws-auth, and the
// creator is admin.
func (c *clusters) Map(ctx context.Context, name string, p principal.Principal) (kubeauth.User, bool, error) {
	rec, err := c.eks.Cluster(ctx, name)
	if err != nil {
		return kubeauth.User{}, false, err
	}
	if rec.CreatorIsAdmin && rec.Creator == p.Issuer() {
		return kubeauth.Admin(p), true, nil
	}
	if u, ok, err := c.entry(ctx, name, p); ok || err != nil || rec.AuthenticationMode == "API" {
		return u, ok, err
	}
	access, ok := c.manager.Access(rec.ID)
	if !ok {
		return kubeauth.User{}, false, errors.New("the control plane does not run")
	}
	m, err := authConfig(ctx, access.Admin)
	if err != nil {
		return kubeauth.User{}, false, err
	}
	u, ok := m.Map(p)
	return u, ok, nil
}

// authConfig reads a cluster's aws-auth.
func authConfig(ctx context.Context, config *rest.Config) (kubeauth.ConfigMap, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return kubeauth.ConfigMap{}, err
	}
	m, err := client.CoreV1().ConfigMaps(metav1.NamespaceSystem).Get(ctx, "aws-auth", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return kubeauth.ConfigMap{}, nil
	}
	if err != nil {
		return kubeauth.ConfigMap{}, err
	}
	// What cannot be read maps nobody; what can be read counts.
	parsed, _ := kubeauth.ParseConfigMap(m.Data)
	return parsed, nil
}

// stop ends the Fargate sides, then dataplanes and control planes.
func (c *clusters) stop() {
	c.mu.Lock()
	all := c.running
	c.running = map[string]*fargate{}
	c.mu.Unlock()
	for _, f := range all {
		f.cancel()
		<-f.done
	}
	c.agent.Stop()
	c.manager.Stop()
}
