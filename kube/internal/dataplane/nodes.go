package dataplane

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	protocol "berth.dev/berth/dataplane"
	"berth.dev/berth/kube/internal/kubelet"
)

var (
	errNotFound = errors.New("no such node")
	errConflict = errors.New("conflict")
)

// running is a kubelet, as nodes use it.
type running interface {
	Status() protocol.NodeStatus
	// Sandboxes lists what of the node is left in the runtime.
	Sandboxes(ctx context.Context) ([]*runtimeapi.PodSandbox, error)
	// Stop also removes the sandboxes. It may be called again when it failed.
	Stop(ctx context.Context) error
}

// nodes are the kubelets of a process, by name.
//
//	(absent) ──put──► starting ──► running ──delete──► stopping ──► (absent)
//	                     │            ▲                    │
//	                     └─► (absent) └── delete refused   └─► failed ──delete──► stopping
type nodes struct {
	start func(protocol.Node) (running, error)
	now   func() time.Time

	// starts is held while a kubelet starts: upstream's constructors must not overlap.
	starts sync.Mutex

	mu     sync.Mutex
	byName map[string]*entry
}

// entry is one node. Its lock is held while the node starts or stops.
type entry struct {
	node protocol.Node
	busy sync.Mutex

	// Guarded by nodes.mu.
	kubelet running
	phase   protocol.Phase // overrides the kubelet's unless empty
	reason  string
	since   time.Time
}

func newNodes(host *kubelet.Host) *nodes {
	start := func(node protocol.Node) (running, error) {
		k, err := kubelet.Start(host, node)
		if err != nil {
			return nil, err
		}
		return k, nil
	}
	return &nodes{start: start, now: host.Now, byName: map[string]*entry{}}
}

func (n *nodes) put(node protocol.Node) (protocol.NodeStatus, error) {
	n.mu.Lock()
	if found := n.byName[node.Name]; found != nil {
		defer n.mu.Unlock()
		if found.phase == protocol.Stopping || found.phase == protocol.Failed {
			return protocol.NodeStatus{}, fmt.Errorf("%w: node %s is being removed", errConflict, node.Name)
		}
		if !reflect.DeepEqual(found.node, node) {
			return protocol.NodeStatus{}, fmt.Errorf("%w: node %s runs with another description", errConflict, node.Name)
		}
		return found.status(), nil
	}
	e := &entry{node: node, phase: protocol.Starting, since: n.now()}
	n.byName[node.Name] = e
	e.busy.Lock()
	n.mu.Unlock()
	defer e.busy.Unlock()

	n.starts.Lock()
	k, err := n.start(node)
	n.starts.Unlock()

	n.mu.Lock()
	defer n.mu.Unlock()
	if err != nil {
		delete(n.byName, node.Name)
		return protocol.NodeStatus{}, err
	}
	e.kubelet, e.phase = k, ""
	return e.status(), nil
}

func (n *nodes) delete(ctx context.Context, name string, force bool) error {
	n.mu.Lock()
	e := n.byName[name]
	n.mu.Unlock()
	if e == nil {
		return nil
	}
	e.busy.Lock()
	defer e.busy.Unlock()
	n.mu.Lock()
	current := n.byName[name]
	n.mu.Unlock()
	if current != e {
		return nil // removed, or never started, while this call waited
	}
	if !force {
		if err := idle(ctx, e.kubelet, name); err != nil {
			return err
		}
	}
	n.mark(e, protocol.Stopping, "")
	if err := e.kubelet.Stop(ctx); err != nil {
		n.mark(e, protocol.Failed, err.Error())
		return fmt.Errorf("stopping node %s: %w", name, err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.byName, name)
	return nil
}

// idle is nil when nothing of the node runs any more. What has ended, and waits
// for the kubelet's garbage collection, does not count.
func idle(ctx context.Context, k running, name string) error {
	sandboxes, err := k.Sandboxes(ctx)
	if err != nil {
		return err
	}
	for _, sandbox := range sandboxes {
		if sandbox.GetState() == runtimeapi.PodSandboxState_SANDBOX_READY {
			pod := sandbox.GetMetadata()
			return fmt.Errorf("%w: node %s still runs pod %s/%s", errConflict, name, pod.GetNamespace(), pod.GetName())
		}
	}
	return nil
}

func (n *nodes) mark(e *entry, phase protocol.Phase, reason string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	e.phase, e.reason = phase, reason
}

func (n *nodes) get(name string) (protocol.NodeStatus, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if e := n.byName[name]; e != nil {
		return e.status(), nil
	}
	return protocol.NodeStatus{}, fmt.Errorf("%w: %s", errNotFound, name)
}

func (n *nodes) list() []protocol.NodeStatus {
	n.mu.Lock()
	defer n.mu.Unlock()
	list := make([]protocol.NodeStatus, 0, len(n.byName))
	for _, e := range n.byName {
		list = append(list, e.status())
	}
	slices.SortFunc(list, func(a, b protocol.NodeStatus) int { return strings.Compare(a.Name, b.Name) })
	return list
}

// status is called with nodes.mu held.
func (e *entry) status() protocol.NodeStatus {
	status := protocol.NodeStatus{Name: e.node.Name, StartedAt: e.since}
	if e.kubelet != nil {
		status = e.kubelet.Status()
	}
	if e.phase != "" {
		status.Phase, status.Reason = e.phase, e.reason
	}
	return status
}
