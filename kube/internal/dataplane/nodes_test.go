package dataplane

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	protocol "berth.dev/berth/dataplane"
)

// fake is a kubelet of which only the life matters.
type fake struct {
	name      string
	sandboxes []*runtimeapi.PodSandbox
	stopErr   error
}

func (f *fake) Status() protocol.NodeStatus {
	return protocol.NodeStatus{Name: f.name, Phase: protocol.Running}
}
func (f *fake) Sandboxes(context.Context) ([]*runtimeapi.PodSandbox, error) { return f.sandboxes, nil }
func (f *fake) Stop(context.Context) error                                  { return f.stopErr }

func newTestNodes(kubelets map[string]*fake) *nodes {
	start := func(node protocol.Node) (running, error) {
		if k := kubelets[node.Name]; k != nil {
			return k, nil
		}
		return nil, errors.New("no certificate")
	}
	return &nodes{start: start, now: func() time.Time { return time.Unix(1, 0) }, byName: map[string]*entry{}}
}

func sandbox(state runtimeapi.PodSandboxState) []*runtimeapi.PodSandbox {
	return []*runtimeapi.PodSandbox{{State: state, Metadata: &runtimeapi.PodSandboxMetadata{Namespace: "n", Name: "p"}}}
}

func TestPut(t *testing.T) {
	n := newTestNodes(map[string]*fake{"a": {name: "a"}})
	node := protocol.Node{Name: "a", IP: "10.0.0.1", Labels: map[string]string{"x": "y"}}
	for _, attempt := range []string{"first", "same again"} {
		status, err := n.put(node)
		if err != nil || status.Phase != protocol.Running {
			t.Fatalf("%s: put = %+v, %v; want Running", attempt, status, err)
		}
	}
	other := node
	other.Labels = map[string]string{"x": "z"}
	if _, err := n.put(other); !errors.Is(err, errConflict) {
		t.Errorf("put with another label = %v, want a conflict", err)
	}
	if _, err := n.put(protocol.Node{Name: "broken"}); err == nil {
		t.Error("a kubelet that does not start was put")
	}
	if list := n.list(); len(list) != 1 {
		t.Errorf("nodes are %+v, want only a", list)
	}
}

func TestDelete(t *testing.T) {
	tests := []struct {
		name     string
		kubelet  *fake
		force    bool
		conflict bool
		fails    bool
		left     protocol.Phase
	}{
		{name: "idle", kubelet: &fake{}},
		{name: "ended pod", kubelet: &fake{sandboxes: sandbox(runtimeapi.PodSandboxState_SANDBOX_NOTREADY)}},
		{name: "running pod", kubelet: &fake{sandboxes: sandbox(runtimeapi.PodSandboxState_SANDBOX_READY)}, conflict: true, left: protocol.Running},
		{name: "running pod, forced", kubelet: &fake{sandboxes: sandbox(runtimeapi.PodSandboxState_SANDBOX_READY)}, force: true},
		{name: "stuck", kubelet: &fake{stopErr: errors.New("busy")}, fails: true, left: protocol.Failed},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			n := newTestNodes(map[string]*fake{"a": test.kubelet})
			if _, err := n.put(protocol.Node{Name: "a"}); err != nil {
				t.Fatal(err)
			}
			err := n.delete(t.Context(), "a", test.force)
			if errors.Is(err, errConflict) != test.conflict || (err != nil) != (test.conflict || test.fails) {
				t.Errorf("delete = %v, want conflict %v, failure %v", err, test.conflict, test.fails)
			}
			status, err := n.get("a")
			if status.Phase != test.left || (err == nil) != (test.left != "") {
				t.Errorf("node is left as %+v, %v; want %q", status, err, test.left)
			}
		})
	}
}

func TestDeleteAgain(t *testing.T) {
	kubelet := &fake{stopErr: errors.New("busy")}
	n := newTestNodes(map[string]*fake{"a": kubelet})
	if _, err := n.put(protocol.Node{Name: "a"}); err != nil {
		t.Fatal(err)
	}
	if err := n.delete(t.Context(), "a", false); err == nil {
		t.Fatal("a busy node was deleted")
	}
	if _, err := n.put(protocol.Node{Name: "a"}); !errors.Is(err, errConflict) {
		t.Errorf("put of a node that is being removed = %v, want a conflict", err)
	}
	kubelet.stopErr = nil
	for range 2 {
		if err := n.delete(t.Context(), "a", false); err != nil {
			t.Errorf("delete = %v", err)
		}
	}
}

func TestHandler(t *testing.T) {
	tests := []struct {
		name, method, path, body string
		code                     int
	}{
		{name: "put", method: "PUT", path: "/nodes/a", body: `{"name":"a","ip":"10.0.0.1","hostname":"h","providerID":"","maxPods":1,"size":{},"capacity":{}}`, code: 200},
		{name: "put unknown field", method: "PUT", path: "/nodes/a", body: `{"nme":"a"}`, code: 400},
		{name: "put another name", method: "PUT", path: "/nodes/a", body: `{"name":"b","ip":"10.0.0.1","hostname":"h"}`, code: 400},
		{name: "put a path", method: "PUT", path: "/nodes/..%2Fx", body: `{"name":"../x","ip":"10.0.0.1","hostname":"h"}`, code: 400},
		{name: "get absent", method: "GET", path: "/nodes/z", code: 404},
		{name: "delete absent", method: "DELETE", path: "/nodes/z", code: 204},
		{name: "list", method: "GET", path: "/nodes", code: 200},
		{name: "not healthy", method: "GET", path: "/healthz", code: 503},
	}
	handler := newHandler(newTestNodes(map[string]*fake{"a": {name: "a"}}), func() bool { return false })
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			recorder := httptest.NewRecorder()
			handler.ServeHTTP(recorder, httptest.NewRequest(test.method, test.path, strings.NewReader(test.body)))
			if recorder.Code != test.code {
				t.Errorf("%s %s = %d %s, want %d", test.method, test.path, recorder.Code, recorder.Body, test.code)
			}
			if recorder.Code >= http.StatusBadRequest && !strings.Contains(recorder.Body.String(), `"message"`) {
				t.Errorf("error without a message: %s", recorder.Body)
			}
		})
	}
}
