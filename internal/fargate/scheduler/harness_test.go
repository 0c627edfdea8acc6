package scheduler

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/record"
	clocktesting "k8s.io/utils/clock/testing"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/agent"
	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fargate/profile"
	"berth.dev/berth/internal/pki"
	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/store/storetest"
)

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

var executionRole = arn.ARN{Partition: "aws", Service: "iam", Account: "123456789012", Resource: "role/pods"}

var authority = sync.OnceValues(func() (*pki.Authority, error) { return pki.NewAuthority("kubernetes", epoch) })

// diary is what was done to the world, in order.
type diary struct {
	mu      sync.Mutex
	entries []string
}

func (d *diary) add(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.entries = append(d.entries, fmt.Sprintf(format, args...))
}

// take returns what was done since it was last called.
func (d *diary) take() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	out := d.entries
	d.entries = nil
	return out
}

// host is a fake of the agent: it runs one pod on each node, by its name.
type host struct {
	*diary
	mu    sync.Mutex
	nodes map[string]agent.Launch
	// broken is what every call answers.
	broken error
}

func (h *host) Launch(_ context.Context, l agent.Launch) (dataplane.NodeStatus, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add("launch %s", l.Node.Name)
	if h.broken != nil {
		return dataplane.NodeStatus{}, h.broken
	}
	if _, ok := h.nodes[l.Node.Name]; !ok {
		h.nodes[l.Node.Name] = l
	}
	return dataplane.NodeStatus{Name: l.Node.Name, Phase: dataplane.Starting}, nil
}

func (h *host) Terminate(_ context.Context, l agent.Launch) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.add("terminate %s", l.Node.Name)
	if h.broken != nil {
		return h.broken
	}
	delete(h.nodes, l.Node.Name)
	return nil
}

// runs is the pod for which a node runs.
func (h *host) runs(node string) string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.nodes[node].PodUID
}

// forget is what a restart of the host does.
func (h *host) forget() {
	h.mu.Lock()
	defer h.mu.Unlock()
	clear(h.nodes)
}

// eni is a fake of EC2: subnets with a number of free addresses.
type eni struct {
	*diary
	mu     sync.Mutex
	free   map[string]int
	made   map[string]Interface
	next   int
	noName bool
	// after is what a call answers once it has had its effect.
	after error
}

func (e *eni) Allocate(_ context.Context, r InterfaceRequest) (Interface, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if i, ok := e.made[r.Token]; ok {
		return i, nil
	}
	if e.free[r.Subnet] == 0 {
		e.add("allocate %s: full", r.Subnet)
		return Interface{}, fmt.Errorf("%w: %s", ErrNoAddress, r.Subnet)
	}
	e.free[r.Subnet]--
	e.next++
	ip := netip.AddrFrom4([4]byte{10, 0, 1, byte(e.next)})
	i := Interface{ID: fmt.Sprintf("eni-%d", e.next), Subnet: r.Subnet, AvailabilityZone: "eu-central-1" + r.Subnet[len(r.Subnet)-1:], IP: ip}
	if !e.noName {
		i.PrivateDNSName = "ip-" + strings.ReplaceAll(ip.String(), ".", "-") + ".eu-central-1.compute.internal"
	}
	e.made[r.Token] = i
	e.add("allocate %s: %s", r.Subnet, i.ID)
	return i, e.after
}

func (e *eni) Release(_ context.Context, id string) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.add("release %s", id)
	for token, i := range e.made {
		if i.ID == id {
			e.free[i.Subnet]++
			delete(e.made, token)
		}
	}
	return nil
}

func (e *eni) refill(subnet string, n int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.free[subnet] = n
}

// world is everything around a controller.
type world struct {
	*diary
	t          *testing.T
	client     *fake.Clientset
	host       *host
	interfaces *eni
	clock      *clocktesting.FakeClock
	store      *store.Store

	mu       sync.Mutex
	profiles []Profile
	failing  func(clienttesting.Action) error
}

var stores atomic.Int64

// newStore is empty also when a test is run again in one process, which shares
// its etcd.
func newStore(t *testing.T) *store.Store {
	t.Helper()
	return store.New(storetest.Client(t), fmt.Sprintf("/%s/%d/", t.Name(), stores.Add(1)))
}

func newWorld(t *testing.T, objects ...runtime.Object) *world {
	t.Helper()
	d := &diary{}
	w := &world{
		diary: d, t: t, client: fake.NewClientset(append(objects, mappedRole())...),
		host:       &host{diary: d, nodes: map[string]agent.Launch{}},
		interfaces: &eni{diary: d, free: map[string]int{"subnet-a": 9, "subnet-b": 9}, made: map[string]Interface{}},
		clock:      clocktesting.NewFakeClock(epoch), store: newStore(t),
		profiles: []Profile{{
			Profile: profile.Profile{Name: "fp-default", Selectors: []profile.Selector{{Namespace: "default"}}},
			ID:      "fp-id", Role: executionRole, Subnets: []string{"subnet-a", "subnet-b"},
		}},
	}
	w.client.PrependReactor("*", "*", w.writes)
	return w
}

// writes puts what changes the cluster into the diary, and binds, which the fake
// of the API does not know.
func (w *world) writes(action clienttesting.Action) (bool, runtime.Object, error) {
	if err := w.failure(action); err != nil {
		return true, nil, err
	}
	name := ""
	switch a := action.(type) {
	case clienttesting.CreateActionImpl:
		if a.GetSubresource() == "binding" {
			return w.bound(a.Object.(*corev1.Binding))
		}
		o, err := apiObject(a.Object)
		if err != nil {
			return true, nil, err
		}
		name = o.GetName()
	case clienttesting.UpdateActionImpl:
		o, err := apiObject(a.Object)
		if err != nil {
			return true, nil, err
		}
		name = o.GetName()
	case clienttesting.PatchActionImpl:
		name = a.Name
	case clienttesting.DeleteActionImpl:
		name = a.Name
	default:
		return false, nil, nil
	}
	resource := action.GetResource().Resource
	if resource == "events" {
		return false, nil, nil
	}
	if s := action.GetSubresource(); s != "" {
		resource += "/" + s
	}
	w.add("%s %s %s", action.GetVerb(), resource, name)
	return false, nil, nil
}

func apiObject(o runtime.Object) (metav1.Object, error) {
	m, ok := o.(metav1.Object)
	if !ok {
		return nil, fmt.Errorf("%T is no API object", o)
	}
	return m, nil
}

func (w *world) bound(b *corev1.Binding) (bool, runtime.Object, error) {
	pods := corev1.SchemeGroupVersion.WithResource("pods")
	o, err := w.client.Tracker().Get(pods, b.Namespace, b.Name)
	if err != nil {
		return true, nil, err
	}
	p := o.(*corev1.Pod).DeepCopy()
	if p.Spec.NodeName != "" || p.UID != b.UID {
		return true, nil, apierrors.NewConflict(pods.GroupResource(), b.Name, errors.New("bound already"))
	}
	w.add("bind %s to %s", b.Name, b.Target.Name)
	p.Spec.NodeName = b.Target.Name
	return true, b, w.client.Tracker().Update(pods, p, p.Namespace)
}

// controller makes a controller, as a start of the server does.
func (w *world) controller() *Controller {
	w.t.Helper()
	ca, err := authority()
	if err != nil {
		w.t.Fatal(err)
	}
	return New(Config{
		Cluster: "demo", ClusterID: "0A1B2C3D4E5F60718293A4B5C6D7E8F9", Region: "eu-central-1", Client: w.client, Admin: w.client, CA: ca,
		Host: w.host, Interfaces: w.interfaces, Profiles: func(context.Context) ([]Profile, error) { return w.serving(), nil },
		ConfigMapMode: true, Store: w.store, Clock: w.clock, Log: slog.New(slog.DiscardHandler),
	})
}

func (w *world) serving() []Profile {
	w.mu.Lock()
	defer w.mu.Unlock()
	return slices.Clone(w.profiles)
}

func (w *world) serve(p ...Profile) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.profiles = p
}

// stepper drives a controller one step at a time, without its queue: what it
// sees is what the fake of the API holds at that moment.
type stepper struct {
	*Controller
	w       *world
	factory informers.SharedInformerFactory
	events  *record.FakeRecorder
}

func (w *world) stepper() *stepper {
	w.t.Helper()
	s := &stepper{Controller: w.controller(), w: w, factory: informers.NewSharedInformerFactory(w.client, 0), events: record.NewFakeRecorder(100)}
	if err := s.watch(s.factory); err != nil {
		w.t.Fatal(err)
	}
	s.recorder = s.events
	s.following.Store(true)
	s.look()
	return s
}

// look fills the caches with what is there, and reads the profiles.
func (s *stepper) look() {
	s.w.t.Helper()
	if err := s.Reload(s.w.t.Context()); err != nil {
		s.w.t.Fatal(err)
	}
	core := s.factory.Core().V1()
	fill(s, core.Pods().Informer(), "pods", "Pod")
	fill(s, core.Nodes().Informer(), "nodes", "Node")
	fill(s, core.ConfigMaps().Informer(), "configmaps", "ConfigMap")
	fill(s, core.PersistentVolumeClaims().Informer(), "persistentvolumeclaims", "PersistentVolumeClaim")
	fill(s, core.PersistentVolumes().Informer(), "persistentvolumes", "PersistentVolume")
}

func fill(s *stepper, informer cache.SharedIndexInformer, resource, kind string) {
	s.w.t.Helper()
	v1 := corev1.SchemeGroupVersion
	list, err := s.w.client.Tracker().List(v1.WithResource(resource), v1.WithKind(kind), "")
	if err != nil {
		s.w.t.Fatal(err)
	}
	var items []any
	switch l := list.(type) {
	case *corev1.PodList:
		items = pointers(l.Items)
	case *corev1.NodeList:
		items = pointers(l.Items)
	case *corev1.ConfigMapList:
		items = pointers(l.Items)
	case *corev1.PersistentVolumeClaimList:
		items = pointers(l.Items)
	case *corev1.PersistentVolumeList:
		items = pointers(l.Items)
	}
	if err := informer.GetIndexer().Replace(items, ""); err != nil {
		s.w.t.Fatal(err)
	}
}

func pointers[T any](in []T) []any {
	out := make([]any, len(in))
	for i := range in {
		out[i] = &in[i]
	}
	return out
}

// step looks and takes the next step for a pod.
func (s *stepper) step(uid string) time.Duration {
	s.w.t.Helper()
	s.look()
	again, err := s.reconcile(s.w.t.Context(), uid)
	if err != nil {
		s.w.t.Fatalf("step for pod %s: %v", uid, err)
	}
	return again
}

// told are the events since it was last called.
func (s *stepper) told() []string {
	var out []string
	for {
		select {
		case e := <-s.events.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}

func (s *stepper) records() []Record {
	s.w.t.Helper()
	all, err := s.Records(s.w.t.Context())
	if err != nil {
		s.w.t.Fatal(err)
	}
	return all
}

// did compares what was done since the last look with what was to be done.
func (w *world) did(what string, want ...string) {
	w.t.Helper()
	if diff := cmp.Diff(want, w.take()); diff != "" {
		w.t.Errorf("%s: what was done (-want +got):\n%s", what, diff)
	}
}

// mappedRole is aws-auth with the execution role of the profiles.
func mappedRole() *corev1.ConfigMap {
	m := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: awsAuth, Namespace: "kube-system"}}
	if _, err := addRole(m, executionRole); err != nil {
		panic(err)
	}
	return m
}

// fargatePod is a pod as admission leaves it.
func fargatePod(name string, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Namespace: "default", UID: types.UID("0d7cb3f0-582c-4079-9083-" + fmt.Sprintf("%012x", name)),
			Labels: map[string]string{profileLabel: "fp-default"}, CreationTimestamp: metav1.NewTime(epoch.Add(-time.Second)),
		},
		Spec:   corev1.PodSpec{SchedulerName: Name, Containers: []corev1.Container{{Name: "c", Image: "i"}}},
		Status: corev1.PodStatus{Phase: corev1.PodPending},
	}
	for _, f := range change {
		f(p)
	}
	return p
}

// nodeUp makes the node of a record, as its kubelet does.
func (s *stepper) nodeUp(uid string, ready corev1.ConditionStatus) {
	s.w.t.Helper()
	r, err := s.Controller.records.Get(s.w.t.Context(), uid)
	if err != nil {
		s.w.t.Fatal(err)
	}
	s.w.putNode(r.NodeName, s.providerID(r), ready)
}

func (w *world) putNode(name, providerID string, ready corev1.ConditionStatus) {
	w.t.Helper()
	n := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID("node-" + name)}, Spec: corev1.NodeSpec{ProviderID: providerID},
		Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{
			{Type: corev1.NodeReady, Status: ready, LastTransitionTime: metav1.NewTime(w.clock.Now())},
		}},
	}
	nodes := corev1.SchemeGroupVersion.WithResource("nodes")
	err := w.client.Tracker().Create(nodes, n, "")
	if apierrors.IsAlreadyExists(err) {
		err = w.client.Tracker().Update(nodes, n, "")
	}
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) remove(resource, namespace, name string) {
	w.t.Helper()
	if err := w.client.Tracker().Delete(corev1.SchemeGroupVersion.WithResource(resource), namespace, name); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) put(resource string, o runtime.Object) {
	w.t.Helper()
	m, err := apiObject(o)
	if err != nil {
		w.t.Fatal(err)
	}
	if err := w.client.Tracker().Create(corev1.SchemeGroupVersion.WithResource(resource), o, m.GetNamespace()); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) getPod(name string) *corev1.Pod {
	w.t.Helper()
	o, err := w.client.Tracker().Get(corev1.SchemeGroupVersion.WithResource("pods"), "default", name)
	if err != nil {
		w.t.Fatal(err)
	}
	return o.(*corev1.Pod)
}

// scheduled is the pod's PodScheduled condition, as reason: message.
func (w *world) scheduled(name string) string {
	w.t.Helper()
	for _, c := range w.getPod(name).Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return fmt.Sprintf("%s %s: %s", c.Status, c.Reason, c.Message)
		}
	}
	return ""
}
