package ekstest

import (
	"bytes"
	"context"
	"testing"
	"time"

	"berth.dev/berth/internal/eks"
)

// ControlPlaneContract checks what every eks.ControlPlane promises, on a
// cluster that has none yet: it becomes ready, stays so under repetition with
// the same endpoint and authority, and goes, for good and more than once. It
// gives up after patience.
func ControlPlaneContract(t *testing.T, p eks.ControlPlane, c eks.Cluster, patience time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	ready := func() (seen eks.Observation) {
		until(ctx, t, "the control plane is ready", func() (bool, error) {
			var err error
			if seen, err = p.Ensure(ctx, c); seen.Failed != "" {
				t.Fatalf("control plane failed: %s", seen.Failed)
			}
			if err == nil && !seen.Ready && seen.Message == "" {
				t.Error("an observation that is not ready does not say what is waited for")
			}
			return seen.Ready, err
		})
		return seen
	}
	gone := func() {
		until(ctx, t, "the control plane is gone", func() (bool, error) { return p.Remove(ctx, c) })
	}
	first := ready()
	if first.Endpoint == "" || len(first.CertificateAuthority) == 0 {
		t.Errorf("ready without an endpoint or an authority: %+v", first)
	}
	again := ready()
	if again.Endpoint != first.Endpoint || !bytes.Equal(again.CertificateAuthority, first.CertificateAuthority) {
		t.Errorf("a second observation differs: %+v, first %+v", again, first)
	}
	gone()
	if ok, err := p.Remove(ctx, c); err != nil || !ok {
		t.Errorf("removing what is gone: %v, %v, want gone", ok, err)
	}
	ready()
	gone()
}

// until repeats a step until it is done, pausing between steps that fail or
// are not.
func until(ctx context.Context, t *testing.T, what string, step func() (bool, error)) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		done, err := step()
		if err == nil && done {
			return
		}
		select {
		case <-ctx.Done():
			t.Fatalf("waiting until %s: %v (last error: %v)", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}
