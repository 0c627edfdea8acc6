package server

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"
	"k8s.io/utils/clock"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/agent"
	"berth.dev/berth/internal/agent/vpc"
	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/awsapi"
	"berth.dev/berth/internal/cluster"
	"berth.dev/berth/internal/ec2"
	"berth.dev/berth/internal/eks"
	"berth.dev/berth/internal/iam"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/id"
	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/sts"
	"berth.dev/berth/internal/vpcnet"
	"berth.dev/berth/internal/vpcnet/linux"
	"berth.dev/berth/internal/work"
)

// Run runs a Berth until ctx ends or a part of it fails.
//
//	lock ─► etcd ─► host ─► services ─► reconcilers ─► front door ─► ready
func Run(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	// client-go logs through klog, which knows one destination a process.
	klog.SetSlogLogger(o.Log.With("component", "client-go"))
	if err := os.MkdirAll(o.DataDir, 0o700); err != nil {
		return fmt.Errorf("making the data folder: %w", err)
	}
	unlock, err := lock(o.DataDir)
	if err != nil {
		return err
	}
	defer unlock()
	listener, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return fmt.Errorf("listening for the AWS APIs: %w", err)
	}
	defer listener.Close()
	s, err := newServer(ctx, o)
	if err != nil {
		return err
	}
	defer s.close()
	return s.run(ctx, listener)
}

// server is the parts of a running Berth.
type server struct {
	options  Options
	lacks    []string
	database *database
	vpcs     agent.VPCs
	agent    *agent.Agent
	ec2      *ec2.Service
	eks      *eks.Service
	clusters *clusters
	handler  http.Handler
	log      *slog.Logger
	// life ends when the parts are to stop.
	life context.Context
	end  context.CancelFunc
}

func newServer(ctx context.Context, o Options) (_ *server, err error) {
	s := &server{options: o, log: o.Log}
	s.life, s.end = context.WithCancel(context.WithoutCancel(ctx))
	defer func() {
		if err != nil {
			s.close()
		}
	}()
	if s.database, err = openDatabase(ctx, o); err != nil {
		return nil, err
	}
	records := store.New(s.database.client, "/berth/")
	if err := s.openHost(records); err != nil {
		return nil, err
	}
	if err := s.openServices(records); err != nil {
		return nil, err
	}
	return s, nil
}

// openHost makes the host's network and its agent.
func (s *server) openHost(records *store.Store) error {
	o := s.options
	flat := !canNamespace()
	if flat && o.Runtime != dataplane.Hollow {
		return fmt.Errorf("this process may not make network namespaces and cgroups (it is not root, or lacks CAP_SYS_ADMIN and CAP_NET_ADMIN), which runtime %s needs: run as root, or choose --runtime hollow, with which pods are Running but execute nothing", o.Runtime)
	}
	if flat {
		s.lacks = append(s.lacks, "network namespaces: VPCs are records without a network, and only kubelets can be reached")
		s.vpcs = vpc.NewFlat()
	} else {
		driver, err := linux.New(linux.Options{Log: o.Log})
		if err != nil {
			return err
		}
		instance, err := vpcnet.ParseInstance(o.Instance())
		if err != nil {
			return err
		}
		host := vpc.NewHost(vpc.Config{
			Driver: driver, Instance: instance, Store: records, Log: o.Log,
			Describe: func(ctx context.Context, id string) (vpcnet.Network, bool, error) {
				return describe(ctx, s.ec2, o.Region, id, s.clusters)
			},
		})
		s.vpcs = attaching{VPCs: host, attached: func(ctx context.Context, id string) error {
			return s.ec2.AttachInterface(ctx, id, interfaceOwner)
		}}
	}
	if o.Runtime == dataplane.Hollow {
		s.lacks = append(s.lacks, "sandboxes (runtime hollow was chosen): pods are Running but execute nothing")
	}
	s.agent = agent.New(agent.Config{
		Dir: filepath.Join(o.DataDir, "agent"), Bin: o.Bin, Runtime: o.Runtime, VPCs: s.vpcs, Flat: flat,
		CgroupParent: "/" + o.Instance(), Registry: registry(o.Region), Log: o.Log,
	})
	return nil
}

// canNamespace says whether this process may make network namespaces.
func canNamespace() bool {
	if os.Geteuid() != 0 {
		return false
	}
	// A thread in a new namespace of its own is thrown away with its goroutine.
	result := make(chan error, 1)
	go func() { result <- tryNamespace() }()
	return <-result == nil
}

// registry is the one of EKS's own images in a region.
func registry(region string) string {
	suffix := ".amazonaws.com"
	if arn.PartitionOf(region) == "aws-cn" {
		suffix += ".cn"
	}
	return "602401143452.dkr.ecr." + region + suffix
}

// openServices makes the domain services and the front door.
func (s *server) openServices(records *store.Store) error {
	o := s.options
	scope := arn.Scope{Partition: arn.PartitionOf(o.Region), Region: o.Region, Account: o.Account}
	ids := id.Source{Random: rand.Reader}
	identities, err := iam.New(iam.Config{
		Store: records, Scope: scope, Clock: clock.RealClock{}, IDs: ids, Log: o.Log,
		Root: iam.Key{ID: o.AccessKeyID, Secret: credential.Secret(o.SecretAccessKey)},
	})
	if err != nil {
		return err
	}
	tokens, err := sts.New(sts.Config{Scope: scope, Identities: identities, RootMayAssumeRoles: true, Log: o.Log})
	if err != nil {
		return err
	}
	s.ec2 = ec2.New(ec2.Config{
		Store: records, Scope: scope, IDs: ids, Log: o.Log,
		Realizer: ec2.RealizerFunc(func(ctx context.Context, vpcID string, _ int64) error { return s.vpcs.Sync(ctx, vpcID) }),
	})
	s.clusters = &clusters{
		options: o, ec2: s.ec2, agent: s.agent, vpcs: s.vpcs, keys: keys{identities}, store: records,
		etcd: s.database.client, clock: clock.RealClock{}, log: o.Log, run: s.life, running: map[string]*fargate{},
	}
	_, s.clusters.flat = s.vpcs.(*vpc.Flat)
	if s.clusters.coreDNS, err = builtImage(o, "eks/coredns"); err != nil {
		return err
	}
	s.clusters.manager = cluster.NewManager(cluster.Config{
		Store: records, Dir: filepath.Join(o.DataDir, "clusters"), Binary: filepath.Join(o.Bin, "berth-kube"),
		Etcd: s.database.access, Hooks: s.clusters.hooks(), Listen: "127.0.0.1", Clock: clock.RealClock{}, Log: o.Log,
	})
	s.eks, err = eks.New(eks.Config{
		Store: records, Scope: scope, ControlPlane: s.clusters, Pods: s.clusters, Network: network{s.ec2},
		Roles: roles{identities}, Clock: clock.RealClock{}, IDs: ids, Log: o.Log,
	})
	if err != nil {
		return err
	}
	s.clusters.eks = s.eks
	s.handler, err = awsapi.New(awsapi.Config{
		Services: []awsapi.Service{
			awsapi.EKS(eksOperations(s.eks)...), awsapi.IAM(iamOperations(identities)...),
			awsapi.STS(stsOperations(tokens)...), awsapi.EC2(ec2Operations(s.ec2)...),
		},
		Keys: keys{identities}, Authorizer: authorizer(identities), Clock: clock.RealClock{}, IDs: ids, Log: o.Log, Region: o.Region,
	})
	return err
}

// builtImage is the name, in EKS's registry, of an image of the build.
func builtImage(o Options, name string) (string, error) {
	all, err := agent.BuiltImages(o.Bin)
	if err != nil {
		return "", err
	}
	for _, i := range all {
		if i.Name == name {
			return registry(o.Region) + "/" + i.Name + ":" + i.Tag, nil
		}
	}
	return "", fmt.Errorf("the build made no image %s", name)
}

// run serves until ctx ends or a part fails.
func (s *server) run(ctx context.Context, listener net.Listener) error {
	state := State{
		PID: os.Getpid(), StartedAt: time.Now(), Endpoint: "http://" + listener.Addr().String(),
		Region: s.options.Region, Account: s.options.Account, Runtime: s.options.Runtime, Lacks: s.lacks,
		AccessKeyID: s.options.AccessKeyID, SecretAccessKey: s.options.SecretAccessKey,
	}
	if err := writeState(s.options.DataDir, state); err != nil {
		return err
	}
	defer os.Remove(statePath(s.options.DataDir))
	if err := s.agent.Start(ctx); err != nil {
		return fmt.Errorf("starting the host: %w", err)
	}
	if err := s.syncVPCs(ctx); err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return ended(ctx, s.eks.Run(ctx)) })
	g.Go(func() error { s.followVPCs(ctx); return nil })
	front := &http.Server{Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, ErrorLog: slog.NewLogLogger(s.log.Handler(), slog.LevelDebug)}
	g.Go(func() error { return ended(ctx, front.Serve(listener)) })
	g.Go(func() error {
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		return front.Shutdown(stopping)
	})
	g.Go(func() error { return s.watchDatabase(ctx) })
	state.Ready = true
	if err := writeState(s.options.DataDir, state); err != nil {
		return errors.Join(err, g.Wait())
	}
	s.log.Info("ready", "endpoint", state.Endpoint, "runtime", state.Runtime, "region", state.Region)
	return g.Wait()
}

// ended drops what a part returns because it was told to stop.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil || errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

func (s *server) watchDatabase(ctx context.Context) error {
	if s.database.server == nil {
		<-ctx.Done()
		return nil
	}
	select {
	case <-ctx.Done():
		return nil
	case err := <-s.database.server.Failed():
		return fmt.Errorf("etcd failed: %w", err)
	}
}

// syncVPCs makes the host what the records say before anything relies on it,
// and takes off it what went while no server ran.
func (s *server) syncVPCs(ctx context.Context) error {
	declared, err := s.ec2.VPCs(ctx)
	if err != nil {
		return err
	}
	carried, err := s.vpcs.Carried(ctx)
	if err != nil {
		return err
	}
	seen := map[string]bool{}
	for _, id := range append(declared, carried...) {
		if seen[id] {
			continue
		}
		seen[id] = true
		if err := s.vpcs.Sync(ctx, id); err != nil {
			return fmt.Errorf("setting up the VPCs: %w", err)
		}
	}
	return nil
}

// followVPCs keeps the host what the records say.
func (s *server) followVPCs(ctx context.Context) {
	queue := work.New("vpcs", func(ctx context.Context, id string) (time.Duration, error) {
		if err := s.vpcs.Sync(ctx, id); err != nil {
			return 0, err
		}
		return s.ec2.Reconcile(ctx, id)
	}, work.Options{Clock: clock.RealClock{}, Log: s.log})
	var wg sync.WaitGroup
	wg.Go(func() { queue.Run(ctx) })
	wg.Go(func() { queue.Follow(ctx, s.ec2.VPCsChanged, nil) })
	wg.Wait()
}

// close stops the parts in the reverse of the order in which they started.
func (s *server) close() {
	if s.clusters != nil && s.clusters.manager != nil {
		s.clusters.stop()
	}
	s.end()
	if s.vpcs != nil {
		s.vpcs.Stop()
	}
	if s.database != nil {
		s.database.close()
	}
}

// lock keeps a second server out of a data folder.
func lock(dataDir string) (unlock func(), err error) {
	f, err := os.OpenFile(filepath.Join(dataDir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the lock of the data folder: %w", err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("another berth server uses the data folder %s: stop it with `berth down`, or choose another --data-dir", dataDir)
	}
	return func() { f.Close() }, nil
}
