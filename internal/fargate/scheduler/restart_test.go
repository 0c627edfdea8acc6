package scheduler

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clienttesting "k8s.io/client-go/testing"
)

// TestKilledAtAnyStep ends the server after each call that it makes on a pod's
// way, and starts another: the pod gets one node on one interface, and all of it
// ends with the pod.
func TestKilledAtAnyStep(t *testing.T) {
	killed := errors.New("killed")
	for _, tt := range []struct {
		name string
		// kill makes the call of a step fail after it has had its effect.
		kill func(w *world)
	}{
		{"before the interface", func(w *world) { w.interfaces.after = killed }},
		{"before the annotation", func(w *world) { w.fail("patch", "pods", killed) }},
		{"before the node", func(w *world) { w.host.broken = killed }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := fargatePod("web")
			uid := string(p.UID)
			w := newWorld(t, p)
			tt.kill(w)
			s := w.stepper()
			if _, err := s.reconcile(t.Context(), uid); !errors.Is(err, killed) {
				t.Fatalf("step = %v, want the end of the server", err)
			}
			w.recover()

			s = w.stepper()
			if err := s.adopt(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s.queue.Len() != 1 {
				t.Errorf("%d pods are looked at after a restart, want the one on record", s.queue.Len())
			}
			s.step(uid)
			s.nodeUp(uid, corev1.ConditionTrue)
			s.step(uid)
			if got := w.getPod("web").Spec.NodeName; got != firstNode {
				t.Errorf("pod runs on %q, want %s", got, firstNode)
			}
			if len(w.interfaces.made) != 1 {
				t.Errorf("interfaces = %v, want one", w.interfaces.made)
			}
			w.remove("pods", "default", "web")
			s.step(uid)
			if len(w.interfaces.made) != 0 || len(w.host.nodes) != 0 || len(s.records()) != 0 {
				t.Errorf("left of the pod: interfaces %v, nodes %v, records %v", w.interfaces.made, w.host.nodes, s.records())
			}
		})
	}
}

// TestBoundPodsAreLaunchedAgain is what a host that was restarted relies on: it
// knows no node until it is told of it.
func TestBoundPodsAreLaunchedAgain(t *testing.T) {
	p := fargatePod("web")
	uid := string(p.UID)
	w := newWorld(t, p)
	s := w.stepper()
	s.step(uid)
	s.nodeUp(uid, corev1.ConditionTrue)
	s.step(uid)
	w.host.forget()
	w.take()

	s = w.stepper()
	if err := s.adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.step(uid)
	w.did("a start with a bound pod", "launch "+firstNode)
	if got := w.host.runs(firstNode); got != uid {
		t.Errorf("the node runs for pod %q, want %q", got, uid)
	}
}

// TestPodsThatWentMeanwhile are those whose end no informer tells of.
func TestPodsThatWentMeanwhile(t *testing.T) {
	p := fargatePod("web")
	uid := string(p.UID)
	w := newWorld(t, p)
	s := w.stepper()
	s.step(uid)
	s.nodeUp(uid, corev1.ConditionTrue)
	w.remove("pods", "default", "web")
	w.take()

	s = w.stepper()
	if err := s.adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if s.queue.Len() != 1 {
		t.Fatalf("%d pods are looked at, want the one on record", s.queue.Len())
	}
	s.step(uid)
	w.did("a start after the pod went", "terminate "+firstNode, "delete nodes "+firstNode, "release eni-1")
}

// TestNamelessNodeIsTheBoundPods holds that a restart does not give the one name
// to the pod that waits for it.
func TestNamelessNodeIsTheBoundPods(t *testing.T) {
	w := newWorld(t, fargatePod("a"), fargatePod("b"))
	w.interfaces.noName = true
	bound, waiting := fargatePod("b"), fargatePod("a")
	s := w.stepper()
	s.step(string(bound.UID))
	s.nodeUp(string(bound.UID), corev1.ConditionTrue)
	s.step(string(bound.UID))
	s.step(string(waiting.UID))

	s = w.stepper()
	if err := s.adopt(t.Context()); err != nil {
		t.Fatal(err)
	}
	if uid, _ := s.podOf(namelessNode); uid != string(bound.UID) {
		t.Errorf("%s belongs to pod %s after a restart, want the bound pod %s", namelessNode, uid, bound.UID)
	}
}

func TestBindIsTakenAsItComes(t *testing.T) {
	pods := corev1.Resource("pods")
	for _, tt := range []struct {
		name  string
		err   error
		fails bool
	}{
		{"the pod is gone", apierrors.NewNotFound(pods, "web"), false},
		{"the pod is bound already", apierrors.NewConflict(pods, "web", errors.New("bound")), false},
		{"the API server is away", apierrors.NewServiceUnavailable("away"), true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := fargatePod("web")
			uid := string(p.UID)
			w := newWorld(t, p)
			s := w.stepper()
			s.step(uid)
			s.nodeUp(uid, corev1.ConditionTrue)
			w.fail("create", "pods", tt.err)
			s.told()
			s.look()
			_, err := s.reconcile(t.Context(), uid)
			if (err != nil) != tt.fails {
				t.Errorf("step = %v, want an error: %v", err, tt.fails)
			}
			if got := s.told(); got != nil {
				t.Errorf("told %v of a bind that did not happen", got)
			}
			if r := s.records()[0]; !r.Timeline.Bound.IsZero() {
				t.Errorf("record says bound at %v", r.Timeline.Bound)
			}
		})
	}
}

// fail makes the next calls of a kind fail, until recover.
func (w *world) fail(verb, resource string, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.failing = func(a clienttesting.Action) error {
		if a.GetVerb() == verb && a.GetResource().Resource == resource {
			return err
		}
		return nil
	}
}

func (w *world) failure(a clienttesting.Action) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.failing == nil {
		return nil
	}
	return w.failing(a)
}

// recover ends every failure.
func (w *world) recover() {
	w.host.mu.Lock()
	w.host.broken = nil
	w.host.mu.Unlock()
	w.interfaces.mu.Lock()
	w.interfaces.after = nil
	w.interfaces.mu.Unlock()
	w.mu.Lock()
	w.failing = nil
	w.mu.Unlock()
}
