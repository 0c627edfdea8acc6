package eks

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"

	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/work"
)

// Run works the reconcilers until ctx ends and every step has returned. Every
// record is looked at when it starts, so that it goes on where an earlier run,
// however it ended, stopped.
func (s *Service) Run(ctx context.Context) error {
	clusters := work.New("eks/clusters", s.reconcileCluster, s.options())
	profiles := work.New("eks/fargate-profiles", s.reconcileProfiles, s.options())
	var wg sync.WaitGroup
	wg.Go(func() { clusters.Run(ctx) })
	wg.Go(func() { profiles.Run(ctx) })
	wg.Go(func() { clusters.Follow(ctx, s.ClustersChanged, nil) })
	wg.Go(func() { profiles.Follow(ctx, s.ProfilesChanged, nil) })
	wg.Wait()
	return ctx.Err()
}

// ClustersChanged calls f with the name of every cluster, then with that of
// each cluster whose record changes or goes; it is a work.Source.
func (s *Service) ClustersChanged(ctx context.Context, f func(name string)) error {
	return s.clusters.Keys(ctx, "", f)
}

// ProfilesChanged calls f with the name of every cluster that has had Fargate
// profiles, then with each cluster's whose profiles change; it is a work.Source.
func (s *Service) ProfilesChanged(ctx context.Context, f func(cluster string)) error {
	return s.profiles.Keys(ctx, "", f)
}

// Clusters is every cluster, in the order of their names.
func (s *Service) Clusters(ctx context.Context) ([]Cluster, error) {
	entries, err := s.clusters.List(ctx, "")
	if err != nil {
		return nil, err
	}
	clusters := make([]Cluster, 0, len(entries))
	for _, e := range entries {
		clusters = append(clusters, e.Value)
	}
	return clusters, nil
}

// Cluster is the cluster of a name; store.ErrNotFound when there is none.
func (s *Service) Cluster(ctx context.Context, name string) (Cluster, error) {
	return s.clusters.Get(ctx, name)
}

// Profiles is every Fargate profile of a cluster, in the order of their names;
// none for a cluster that does not exist.
func (s *Service) Profiles(ctx context.Context, cluster string) ([]Profile, error) {
	set, err := s.profiles.Get(ctx, cluster)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	profiles := make([]Profile, 0, len(set.Profiles))
	for _, name := range slices.Sorted(maps.Keys(set.Profiles)) {
		profiles = append(profiles, set.Profiles[name])
	}
	return profiles, nil
}
