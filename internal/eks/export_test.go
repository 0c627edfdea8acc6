package eks

import (
	"context"
	"time"
)

// ReconcileCluster takes one step, for tests.
func (s *Service) ReconcileCluster(ctx context.Context, name string) (time.Duration, error) {
	return s.reconcileCluster(ctx, name)
}

// ReconcileProfiles takes one step, for tests.
func (s *Service) ReconcileProfiles(ctx context.Context, cluster string) (time.Duration, error) {
	return s.reconcileProfiles(ctx, cluster)
}
