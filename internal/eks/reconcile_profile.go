package eks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/store"
)

// reconcileProfiles takes one step for the profile of a cluster that is being
// created or deleted; there is at most one.
func (s *Service) reconcileProfiles(ctx context.Context, cluster string) (time.Duration, error) {
	set, err := s.profiles.Get(ctx, cluster)
	if errors.Is(err, store.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	p, ok := set.busy()
	if !ok {
		return 0, nil
	}
	c, err := s.clusters.Get(ctx, cluster)
	if err != nil {
		return 0, err
	}
	if p.Status == types.FargateProfileStatusCreating {
		return s.createProfile(ctx, c, p)
	}
	return s.deleteProfile(ctx, c, p)
}

// createProfile waits until the profile is observed in the cluster.
func (s *Service) createProfile(ctx context.Context, c Cluster, p Profile) (time.Duration, error) {
	served, err := s.profileServed(ctx, c, p)
	switch {
	case served:
		return 0, s.writeProfile(ctx, p, func(p *Profile) { p.Status, p.Issues = types.FargateProfileStatusActive, nil })
	case s.waited(p) >= s.times.ProfileCreation:
		message := "The cluster did not take the Fargate profile into service in time"
		return 0, errors.Join(err, s.failProfile(ctx, p, types.FargateProfileStatusCreateFailed, message))
	default:
		return s.times.Poll, err
	}
}

func (s *Service) profileServed(ctx context.Context, c Cluster, p Profile) (bool, error) {
	if err := s.roles.EnsureServiceLinkedRole(ctx, fargateService); err != nil {
		return false, fmt.Errorf("ensuring the service-linked role of %s: %w", fargateService, err)
	}
	served, err := s.pods.ProfileServed(ctx, c, p)
	if err != nil {
		return false, fmt.Errorf("looking for Fargate profile %s in cluster %s: %w", p.Name, c.Name, err)
	}
	return served, nil
}

// deleteProfile waits until no pod is left on the profile, then drops it.
func (s *Service) deleteProfile(ctx context.Context, c Cluster, p Profile) (time.Duration, error) {
	left, err := s.pods.Evict(ctx, c, p)
	if err == nil && left == 0 {
		return 0, s.dropProfile(ctx, p)
	}
	if err != nil {
		err = fmt.Errorf("evicting the pods of Fargate profile %s in cluster %s: %w", p.Name, c.Name, err)
	}
	if s.waited(p) >= s.times.ProfileDeletion {
		message := fmt.Sprintf("%d pods of the Fargate profile were not gone in time", left)
		return 0, errors.Join(err, s.failProfile(ctx, p, types.FargateProfileStatusDeleteFailed, message))
	}
	return s.times.Poll, err
}

func (s *Service) failProfile(ctx context.Context, p Profile, status types.FargateProfileStatus, message string) error {
	return s.writeProfile(ctx, p, func(p *Profile) {
		p.Status = status
		p.Issues = []types.FargateProfileIssue{{
			Code: types.FargateProfileIssueCodeClusterUnreachable, Message: aws.String(message), ResourceIds: []string{p.Cluster},
		}}
	})
}

// waited is how long this process has waited for a profile to leave its
// status: what passed while no process ran does not count.
func (s *Service) waited(p Profile) time.Duration {
	return min(s.clock.Since(p.StatusSince), s.clock.Since(s.started))
}

// writeProfile changes the status of a profile, if it is still the one that
// was observed, in the state it was observed in.
func (s *Service) writeProfile(ctx context.Context, seen Profile, edit func(*Profile)) error {
	now := s.now()
	return s.editProfiles(ctx, seen, func(_ *store.Tx, set profileSet) error {
		p := set.Profiles[seen.Name]
		edit(&p)
		p.StatusSince = now
		set.Profiles[p.Name] = p
		return nil
	})
}

// dropProfile removes the record of a profile and what was made with it.
func (s *Service) dropProfile(ctx context.Context, seen Profile) error {
	return s.editProfiles(ctx, seen, func(tx *store.Tx, set profileSet) error {
		delete(set.Profiles, seen.Name)
		s.forget(tx, seen.Request)
		return s.dropProfileEntry(tx, seen, set)
	})
}

func (s *Service) editProfiles(ctx context.Context, seen Profile, edit func(*store.Tx, profileSet) error) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		set, err := s.profilesIn(tx, seen.Cluster)
		if err != nil {
			return err
		}
		if p := set.Profiles[seen.Name]; p.ID != seen.ID || p.Status != seen.Status {
			return nil
		}
		if err := edit(tx, set); err != nil {
			return err
		}
		return s.profiles.PutIn(tx, seen.Cluster, set)
	})
}
