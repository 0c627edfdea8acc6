package scheduler

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// running runs a controller as the server does, with its informers and queue.
func (w *world) running() *Controller {
	w.t.Helper()
	k := w.controller()
	ctx, cancel := context.WithCancel(w.t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	w.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run = %v", err)
		}
	})
	return k
}

// until waits for a condition, which the controller brings about by itself.
func until(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.NewTimer(20 * time.Second)
	defer deadline.Stop()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !f() {
		select {
		case <-deadline.C:
			t.Fatalf("waited in vain until %s", what)
		case <-tick.C:
		}
	}
}

// TestRun connects what the other tests take apart: every change in the cluster
// that matters for a pod brings on the pod's next step.
func TestRun(t *testing.T) {
	w := newWorld(t)
	maps := w.client.CoreV1().ConfigMaps("kube-system")
	if err := maps.Delete(t.Context(), awsAuth, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	k := w.running()
	p := fargatePod("web")
	// A pod of another scheduler is none of ours.
	other := fargatePod("other", func(p *corev1.Pod) { p.Spec.SchedulerName = "default-scheduler" })
	until(t, "the watches are open", func() bool { return watches(w, "pods") && watches(w, "nodes") && watches(w, "configmaps") })
	for _, p := range []*corev1.Pod{other, p} {
		if _, err := w.client.CoreV1().Pods("default").Create(t.Context(), p, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	until(t, "the pod is told that its role is not mapped", func() bool { return w.scheduled("web") != "" })

	if _, err := maps.Create(t.Context(), mappedRole(), metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "aws-auth brings the node on", func() bool { return w.host.runs(firstNode) != "" })

	r, err := k.records.Get(t.Context(), string(p.UID))
	if err != nil {
		t.Fatal(err)
	}
	w.putNode(firstNode, k.providerID(r), corev1.ConditionTrue)
	until(t, "the Ready node brings the bind on", func() bool { return w.getPod("web").Spec.NodeName == firstNode })
	until(t, "the events are written", func() bool { return scheduledEvent(t, w) })

	if err := w.client.CoreV1().Pods("default").Delete(t.Context(), "web", metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, "the end of the pod ends the record", func() bool {
		all, err := k.Records(t.Context())
		return err == nil && len(all) == 0
	})
	if got := w.host.runs(firstNode); got != "" {
		t.Errorf("the node still runs for pod %q", got)
	}
	if got := w.scheduled("other"); got != "" {
		t.Errorf("a pod of another scheduler was told %q", got)
	}
}

// TestRunRetriesByItsClock steps the clock over the wait for an address.
func TestRunRetriesByItsClock(t *testing.T) {
	p := fargatePod("web")
	w := newWorld(t, p)
	w.interfaces.refill("subnet-a", 0)
	w.interfaces.refill("subnet-b", 0)
	w.running()
	until(t, "the pod is told that there is no address", func() bool { return w.scheduled("web") != "" })
	w.interfaces.refill("subnet-a", 1)
	until(t, "the next try has an address", func() bool {
		w.clock.Step(time.Second)
		return w.host.runs(firstNode) != ""
	})
}

func watches(w *world, resource string) bool {
	for _, a := range w.client.Actions() {
		if a.GetVerb() == "watch" && a.GetResource().Resource == resource {
			return true
		}
	}
	return false
}

func scheduledEvent(t *testing.T, w *world) bool {
	t.Helper()
	all, err := w.client.CoreV1().Events("default").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range all.Items {
		if e.Reason == "Scheduled" && e.Source.Component == Name && e.InvolvedObject.Name == "web" {
			return true
		}
	}
	return false
}

// TestRunAgain holds that a controller whose start failed can be run again.
func TestRunAgain(t *testing.T) {
	p := fargatePod("web")
	w := newWorld(t, p)
	k := w.controller()
	away := errors.New("etcd is away")
	profiles := k.Profiles
	k.Profiles = func(context.Context) ([]Profile, error) { return nil, away }
	if err := k.Run(t.Context()); !errors.Is(err, away) {
		t.Fatalf("Run = %v, want %v", err, away)
	}
	k.Profiles = profiles
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	until(t, "the pod gets its node", func() bool { return w.host.runs(firstNode) != "" })
	cancel()
	if err := <-done; err != nil {
		t.Errorf("Run = %v", err)
	}
}
