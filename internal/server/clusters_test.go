package server

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"
)

// TestKeepRunning holds that a cluster's Fargate side comes back: without it no
// pod of the cluster gets a node until the server is started again.
func TestKeepRunning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		away := errors.New("etcd is away")
		runs, stops := 0, 0
		start := time.Now()
		keepRunning(ctx, clock.RealClock{}, func(ctx context.Context) error {
			if runs++; runs < 3 {
				return away
			}
			cancel()
			return nil
		}, func(err error) {
			stops++
			if !errors.Is(err, away) {
				t.Errorf("stopped by %v, want %v", err, away)
			}
		})
		if runs != 3 || stops != 2 || time.Since(start) != 2*runAgain {
			t.Errorf("%d runs, %d stops in %v; want 3, 2 and %v", runs, stops, time.Since(start), 2*runAgain)
		}
		keepRunning(ctx, clock.RealClock{}, func(context.Context) error { return away }, func(error) {
			t.Error("an end that was asked for counts as a stop")
		})
	})
}
