package agent

import (
	"errors"
	"testing"
)

// TestAnEndedNodeIsNotPutAgain takes the state of a restore that has listed the
// nodes before one of them is terminated.
func TestAnEndedNodeIsNotPutAgain(t *testing.T) {
	h := newHost(t)
	if _, err := h.Launch(t.Context(), launch("a")); err != nil {
		t.Fatal(err)
	}
	listed, _ := h.plane.node(launch("a").Node)
	if err := h.Terminate(t.Context(), launch("a")); err != nil {
		t.Fatal(err)
	}
	listed.mu.Lock()
	defer listed.mu.Unlock()
	if _, err := h.plane.put(t.Context(), listed); !errors.Is(err, errEnded) {
		t.Errorf("putting an ended node = %v, want errEnded", err)
	}
	if runs := h.kubelets.runs(); len(runs) != 0 {
		t.Errorf("running nodes = %v, want none", runs)
	}
}

// directory is a flat host's.
type directory map[string]string

func (d directory) Serve(address, listener string) {
	if listener == "" {
		delete(d, address)
		return
	}
	d[address] = listener
}

func TestFlatHostForgetsEndedKubelets(t *testing.T) {
	h := newHost(t)
	d := directory{}
	h.plane.flat = d
	h.kubelets.listen = "127.0.0.1:40001"
	if _, err := h.Launch(t.Context(), launch("a")); err != nil {
		t.Fatal(err)
	}
	if d["10.0.1.5:40001"] != "127.0.0.1:40001" {
		t.Errorf("known kubelets = %v, want 10.0.1.5:40001", d)
	}
	if err := h.Terminate(t.Context(), launch("a")); err != nil {
		t.Fatal(err)
	}
	if len(d) != 0 {
		t.Errorf("known kubelets after the node's end = %v, want none", d)
	}
}
