package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/tools/cache"
)

// podSeen is when a pod was first seen to be what, by this program's clock:
// conditions and timestamps of the API have whole seconds alone.
type podSeen struct {
	uid, node               string
	bound, sandbox, running time.Time
	gone                    bool
}

// nodeSeen is the same of a node.
type nodeSeen struct{ created, ready time.Time }

// observer watches the pods of the measured namespace, and the nodes.
type observer struct {
	mu      sync.Mutex
	pods    map[string]*podSeen
	nodes   map[string]*nodeSeen
	changed chan struct{}
}

// observe watches until ctx ends.
func (c *cluster) observe(ctx context.Context) (*observer, error) {
	o := &observer{pods: map[string]*podSeen{}, nodes: map[string]*nodeSeen{}, changed: make(chan struct{})}
	pods := informers.NewSharedInformerFactoryWithOptions(c.client, 0, informers.WithNamespace(namespace))
	nodes := informers.NewSharedInformerFactory(c.client, 0)
	if _, err := pods.Core().V1().Pods().Informer().AddEventHandler(handler(o.pod)); err != nil {
		return nil, err
	}
	if _, err := nodes.Core().V1().Nodes().Informer().AddEventHandler(handler(o.node)); err != nil {
		return nil, err
	}
	pods.Start(ctx.Done())
	nodes.Start(ctx.Done())
	for _, f := range []informers.SharedInformerFactory{pods, nodes} {
		for kind, synced := range f.WaitForCacheSync(ctx.Done()) {
			if !synced {
				return nil, fmt.Errorf("listing %s: %w", kind, ctx.Err())
			}
		}
	}
	return o, nil
}

func handler[T any](f func(object T, gone bool, now time.Time)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerFuncs{
		AddFunc:    func(o any) { f(o.(T), false, time.Now()) },
		UpdateFunc: func(_, o any) { f(o.(T), false, time.Now()) },
		DeleteFunc: func(o any) {
			if d, ok := o.(cache.DeletedFinalStateUnknown); ok {
				o = d.Obj
			}
			f(o.(T), true, time.Now())
		},
	}
}

func (o *observer) pod(p *corev1.Pod, gone bool, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := o.pods[p.Name]
	if seen == nil {
		seen = &podSeen{uid: string(p.UID)}
		o.pods[p.Name] = seen
	}
	seen.gone, seen.node = gone, p.Spec.NodeName
	if p.Spec.NodeName != "" {
		first(&seen.bound, now)
	}
	for _, condition := range p.Status.Conditions {
		if condition.Type == corev1.PodReadyToStartContainers && condition.Status == corev1.ConditionTrue {
			first(&seen.sandbox, now)
		}
	}
	if p.Status.Phase == corev1.PodRunning {
		first(&seen.running, now)
	}
	o.signal()
}

func (o *observer) node(n *corev1.Node, gone bool, now time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := o.nodes[n.Name]
	if seen == nil {
		seen = &nodeSeen{created: now}
		o.nodes[n.Name] = seen
	}
	if gone {
		delete(o.nodes, n.Name)
	}
	for _, condition := range n.Status.Conditions {
		if condition.Type == corev1.NodeReady && condition.Status == corev1.ConditionTrue {
			first(&seen.ready, now)
		}
	}
	o.signal()
}

func first(at *time.Time, now time.Time) {
	if at.IsZero() {
		*at = now
	}
}

// signal wakes who waits; the lock is held.
func (o *observer) signal() {
	close(o.changed)
	o.changed = make(chan struct{})
}

// wait returns once ok, which is called with the lock held.
func (o *observer) wait(ctx context.Context, what string, ok func() bool) error {
	for {
		o.mu.Lock()
		done, changed := ok(), o.changed
		o.mu.Unlock()
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w", what, ctx.Err())
		case <-changed:
		}
	}
}

// running waits until the pods run, and returns what was seen of each.
func (o *observer) running(ctx context.Context, names []string) ([]podSeen, error) {
	count := 0
	all := func() bool {
		count = 0
		for _, name := range names {
			if p := o.pods[name]; p != nil && !p.running.IsZero() {
				count++
			}
		}
		return count == len(names)
	}
	if err := o.wait(ctx, "pods run", all); err != nil {
		return nil, fmt.Errorf("%d of %d: %w", count, len(names), err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	seen := make([]podSeen, len(names))
	for i, name := range names {
		seen[i] = *o.pods[name]
	}
	return seen, nil
}

// remove deletes pods and waits until they and their nodes are gone.
func (c *cluster) remove(ctx context.Context, o *observer, names []string) error {
	err := atOnce(len(names), func(i int) error {
		return c.client.CoreV1().Pods(namespace).Delete(ctx, names[i], metav1.DeleteOptions{})
	})
	if err != nil {
		return err
	}
	return o.wait(ctx, "pods and their nodes are gone", func() bool {
		for _, name := range names {
			p := o.pods[name]
			if p == nil || !p.gone || o.nodes[p.node] != nil {
				return false
			}
		}
		return true
	})
}

// workers is how many calls atOnce makes at a time.
const workers = 32

// atOnce calls f for 0 to n-1 and returns an error of them.
func atOnce(n int, f func(int) error) error {
	queue, errs := make(chan int), make(chan error, n)
	var wg sync.WaitGroup
	for range min(n, workers) {
		wg.Go(func() {
			for i := range queue {
				if err := f(i); err != nil {
					errs <- err
				}
			}
		})
	}
	for i := range n {
		queue <- i
	}
	close(queue)
	wg.Wait()
	close(errs)
	return <-errs
}
