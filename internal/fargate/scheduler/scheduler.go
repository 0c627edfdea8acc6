// Package scheduler is the Fargate side of a cluster: the controller that gives
// every pod of the fargate-scheduler a node of its own, and takes the node away
// with the pod. It decides with the pure packages profile, validation and
// sizing, and acts through a host and EC2's network interfaces. It runs no pod
// itself. The composition root imports it.
//
//	pod Pending ─► validate ─► size ─► record ─► interface ─► annotate ─► launch ─► node Ready ─► bind
//	pod gone    ─► terminate ─► delete node ─► release interface ─► delete record
package scheduler

import (
	"context"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	corelisters "k8s.io/client-go/listers/core/v1"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	"k8s.io/utils/clock"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/agent"
	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fargate/admission"
	"berth.dev/berth/internal/fargate/profile"
	"berth.dev/berth/internal/fargate/sizing"
	"berth.dev/berth/internal/fargate/validation"
	"berth.dev/berth/internal/pki"
	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/work"
)

// Name is the scheduler's name in a pod's spec.
const Name = validation.SchedulerName

// The labels and annotations of a Fargate pod.
const (
	profileLabel       = profile.Label
	computeTypeLabel   = admission.ComputeType
	capacityAnnotation = sizing.Annotation
	loggingAnnotation  = "Logging"
)

// Host runs nodes.
type Host interface {
	// Launch starts a node; doing it again does nothing.
	Launch(ctx context.Context, l agent.Launch) (dataplane.NodeStatus, error)
	// Terminate ends a node with everything that runs on it.
	Terminate(ctx context.Context, l agent.Launch) error
}

// Interfaces are EC2's network interfaces.
type Interfaces interface {
	// Allocate takes an address of a subnet; the same token gives the same
	// interface. ErrNoAddress when the subnet has none left.
	Allocate(ctx context.Context, r InterfaceRequest) (Interface, error)
	// Release gives an interface back; an absent one is not an error.
	Release(ctx context.Context, id string) error
}

// InterfaceRequest asks for a pod's interface.
type InterfaceRequest struct{ Subnet, Token, Description string }

// Interface is a pod's network interface.
type Interface struct {
	ID, Subnet, AvailabilityZone string
	IP                           netip.Addr
	// PrivateDNSName is empty where the VPC has no DNS hostnames.
	PrivateDNSName string
}

// Profile is a Fargate profile that new pods may land on.
type Profile struct {
	profile.Profile
	ID      string
	Role    arn.ARN
	Subnets []string
}

// Config makes a Controller.
type Config struct {
	// Cluster is the name, ClusterID the key of the cluster.
	Cluster, ClusterID string
	Region             string
	// Client is the scheduler's, Admin the control plane's own.
	Client, Admin kubernetes.Interface
	// CA is the cluster's authority.
	CA         *pki.Authority
	Host       Host
	Interfaces Interfaces
	// Profiles reads the profiles that serve.
	Profiles func(ctx context.Context) ([]Profile, error)
	// ConfigMapMode says whether execution roles are mapped in aws-auth.
	ConfigMapMode bool
	Store         *store.Store
	Clock         clock.WithTicker
	Log           *slog.Logger
}

// Controller runs the Fargate side of one cluster.
type Controller struct {
	Config
	records  store.Table[Record]
	queue    *work.Queue
	recorder record.EventRecorder

	podIndex cache.Indexer
	nodes    corelisters.NodeLister
	configs  corelisters.ConfigMapLister
	claims   corelisters.PersistentVolumeClaimLister
	volumes  corelisters.PersistentVolumeLister

	profiles atomic.Pointer[[]Profile]
	// loaded is closed once the profiles have been read for the first time.
	loaded   chan struct{}
	loadOnce sync.Once
	// following says that the cluster's pods are known.
	following atomic.Bool

	mu sync.Mutex
	// byNode is the pod of each node.
	byNode map[string]string
	probes map[string]bool
}

// Record is what is remembered of a pod's node from before its first side
// effect until after its last.
type Record struct {
	PodUID, Namespace, Name string
	Profile                 string
	// Subnet is where the interface is, or is going to be, allocated; Tried are
	// the subnets that had no address left.
	Subnet    string
	Tried     []string `json:",omitempty"`
	Interface Interface
	NodeName  string
	Size      dataplane.Size
	// Provisioned is the size as the pod's annotation says it.
	Provisioned string
	Timeline    Timeline
}

// Timeline is when the steps of a pod's launch were taken.
type Timeline struct {
	Created, Accepted, Allocated, NodeReady, Bound time.Time
}

const byUID = "uid"

// New makes a controller.
func New(c Config) *Controller {
	k := &Controller{
		Config: c, records: store.NewTable[Record](c.Store, "fargate/nodes/"+c.ClusterID),
		loaded: make(chan struct{}), byNode: map[string]string{}, probes: map[string]bool{},
	}
	k.Log = c.Log.With("cluster", c.Cluster)
	k.queue = work.New("fargate/"+c.Cluster, k.reconcile, work.Options{
		Workers: 16, MinDelay: 100 * time.Millisecond, MaxDelay: 30 * time.Second, Clock: c.Clock, Log: k.Log,
	})
	return k
}

// Run works until ctx ends.
func (k *Controller) Run(ctx context.Context) error {
	if err := k.Reload(ctx); err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(k.Client, 0)
	if err := k.watch(factory); err != nil {
		return err
	}
	broadcaster := k.record()
	defer broadcaster.Shutdown()
	factory.Start(ctx.Done())
	defer factory.Shutdown()
	for kind, synced := range factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return fmt.Errorf("listing %s of cluster %s: %w", kind, k.Cluster, ctx.Err())
		}
	}
	k.following.Store(true)
	defer k.following.Store(false)
	if err := k.adopt(ctx); err != nil {
		return err
	}
	k.queue.Run(ctx)
	return nil
}

// adopt takes over the nodes of a predecessor. Records whose pod is gone are
// found here; the informers know only pods that are there.
func (k *Controller) adopt(ctx context.Context) error {
	all, err := k.Records(ctx)
	if err != nil {
		return err
	}
	// Of nodes with one name, the one with a pod bound to it is the one that runs.
	slices.SortStableFunc(all, func(a, b Record) int { return compareBound(a.Timeline, b.Timeline) })
	for _, r := range all {
		k.owns(r.NodeName, r.PodUID)
		k.queue.Add(r.PodUID)
	}
	return nil
}

// compareBound puts what was bound before what was not.
func compareBound(a, b Timeline) int {
	switch {
	case a.Bound.IsZero() == b.Bound.IsZero():
		return 0
	case b.Bound.IsZero():
		return -1
	default:
		return 1
	}
}

// watch follows the cluster's pods and nodes.
func (k *Controller) watch(factory informers.SharedInformerFactory) error {
	pods := factory.Core().V1().Pods().Informer()
	if err := pods.AddIndexers(cache.Indexers{byUID: func(o any) ([]string, error) {
		return []string{string(o.(*corev1.Pod).UID)}, nil
	}}); err != nil {
		return fmt.Errorf("indexing pods: %w", err)
	}
	if err := pods.SetTransform(trim); err != nil {
		return fmt.Errorf("trimming pods: %w", err)
	}
	k.podIndex = pods.GetIndexer()
	if _, err := pods.AddEventHandler(handler(func(p *corev1.Pod) {
		if p.Spec.SchedulerName == Name {
			k.queue.Add(string(p.UID))
		}
	})); err != nil {
		return fmt.Errorf("watching pods: %w", err)
	}
	nodes := factory.Core().V1().Nodes()
	k.nodes = nodes.Lister()
	if _, err := nodes.Informer().AddEventHandler(handler(func(n *corev1.Node) {
		if uid, ok := k.podOf(n.Name); ok {
			k.queue.Add(uid)
		}
	})); err != nil {
		return fmt.Errorf("watching nodes: %w", err)
	}
	k.claims = factory.Core().V1().PersistentVolumeClaims().Lister()
	k.volumes = factory.Core().V1().PersistentVolumes().Lister()
	configs := factory.Core().V1().ConfigMaps()
	k.configs = configs.Lister()
	if _, err := configs.Informer().AddEventHandler(handler(func(m *corev1.ConfigMap) {
		if m.Namespace == "kube-system" && m.Name == awsAuth {
			k.requeuePending()
		}
	})); err != nil {
		return fmt.Errorf("watching config maps: %w", err)
	}
	return nil
}

// trim drops what nobody here reads.
func trim(o any) (any, error) {
	if m, ok := o.(metav1.Object); ok {
		m.SetManagedFields(nil)
	}
	return o, nil
}

// handler calls f for whatever becomes of an object.
func handler[T any](f func(T)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { f(o.(T)) },
		UpdateFunc: func(_, o any) { f(o.(T)) },
		DeleteFunc: func(o any) {
			if d, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = d.Obj
			}
			if t, ok := o.(T); ok {
				f(t)
			}
		},
	}
}

// Reload reads the profiles again; new pods are matched with them from then on.
func (k *Controller) Reload(ctx context.Context) error {
	p, err := k.Profiles(ctx)
	if err != nil {
		return fmt.Errorf("reading the Fargate profiles of cluster %s: %w", k.Cluster, err)
	}
	k.profiles.Store(&p)
	k.loadOnce.Do(func() { close(k.loaded) })
	return nil
}

func (k *Controller) profile(name string) (Profile, bool) {
	for _, p := range *k.profiles.Load() {
		if p.Name == name {
			return p, true
		}
	}
	return Profile{}, false
}

// pod finds a pod by its UID; nil when it is gone.
func (k *Controller) pod(uid string) (*corev1.Pod, error) {
	found, err := k.podIndex.ByIndex(byUID, uid)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	return found[0].(*corev1.Pod), nil
}

// pods lists the pods that carry a profile's label.
func (k *Controller) pods(profileName string) ([]*corev1.Pod, error) {
	selector := labels.SelectorFromSet(labels.Set{profileLabel: profileName})
	return corelisters.NewPodLister(k.podIndex).List(selector)
}

// requeuePending looks again at every pod without a node.
func (k *Controller) requeuePending() {
	for _, o := range k.podIndex.List() {
		if p := o.(*corev1.Pod); p.Spec.SchedulerName == Name && p.Spec.NodeName == "" {
			k.queue.Add(string(p.UID))
		}
	}
}

// owns claims a node's name for a pod and says whether it is the pod's.
func (k *Controller) owns(node, uid string) bool {
	if node == "" {
		return false
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if owner, ok := k.byNode[node]; ok && owner != uid {
		return false
	}
	k.byNode[node] = uid
	return true
}

// disowns gives a node's name up.
func (k *Controller) disowns(node, uid string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.byNode[node] == uid {
		delete(k.byNode, node)
	}
}

func (k *Controller) podOf(node string) (string, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	uid, ok := k.byNode[node]
	return uid, ok
}

// Records lists the nodes of the cluster, for `trace` and for tests.
func (k *Controller) Records(ctx context.Context) ([]Record, error) {
	all, err := k.records.List(ctx, "")
	if err != nil {
		return nil, err
	}
	out := make([]Record, len(all))
	for i, e := range all {
		out[i] = e.Value
	}
	return out, nil
}

func podKey(p *corev1.Pod) string {
	return types.NamespacedName{Namespace: p.Namespace, Name: p.Name}.String()
}
