package eks

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/store"
)

// DescribeFargateProfile shows a profile.
func (s *Service) DescribeFargateProfile(ctx context.Context, in *eks.DescribeFargateProfileInput) (*eks.DescribeFargateProfileOutput, error) {
	set, err := s.clusterProfiles(ctx, str(in.ClusterName))
	if err != nil {
		return nil, err
	}
	p, ok := set.Profiles[str(in.FargateProfileName)]
	if !ok {
		return nil, noProfile(str(in.ClusterName), str(in.FargateProfileName))
	}
	return &eks.DescribeFargateProfileOutput{FargateProfile: p.describe()}, nil
}

// ListFargateProfiles lists the names of a cluster's profiles, in order.
func (s *Service) ListFargateProfiles(ctx context.Context, in *eks.ListFargateProfilesInput) (*eks.ListFargateProfilesOutput, error) {
	set, err := s.clusterProfiles(ctx, str(in.ClusterName))
	if err != nil {
		return nil, err
	}
	names, next, err := page(slices.Sorted(maps.Keys(set.Profiles)), in.MaxResults, in.NextToken,
		subject{cluster: str(in.ClusterName)})
	if err != nil {
		return nil, err
	}
	return &eks.ListFargateProfilesOutput{FargateProfileNames: nonNil(names), NextToken: next}, nil
}

// DeleteFargateProfile records the intent to remove a profile and its pods;
// asked again, it shows how the removal stands. While another profile of the
// cluster is being created or deleted it is refused.
func (s *Service) DeleteFargateProfile(ctx context.Context, in *eks.DeleteFargateProfileInput) (*eks.DeleteFargateProfileOutput, error) {
	on := subject{str(in.ClusterName), str(in.FargateProfileName)}
	now := s.now()
	var p Profile
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		if !s.clusters.HasIn(tx, on.cluster) {
			return noCluster(on.cluster)
		}
		set, err := s.profilesIn(tx, on.cluster)
		if err != nil {
			return err
		}
		var ok bool
		if p, ok = set.Profiles[on.profile]; !ok {
			return noProfile(on.cluster, on.profile)
		}
		if p.Status == types.FargateProfileStatusDeleting {
			return nil
		}
		if other, ok := set.busy(); ok {
			return on.inUse("Cannot delete Fargate profile %s because cluster %s currently has Fargate profile %s in status %s",
				on.profile, on.cluster, other.Name, other.Status)
		}
		p.Status, p.StatusSince, p.Issues = types.FargateProfileStatusDeleting, now, nil
		set.Profiles[p.Name] = p
		return s.profiles.PutIn(tx, on.cluster, set)
	})
	if err != nil {
		return nil, err
	}
	return &eks.DeleteFargateProfileOutput{FargateProfile: p.describe()}, nil
}

// clusterProfiles is the profiles of a cluster, which must exist.
func (s *Service) clusterProfiles(ctx context.Context, cluster string) (set profileSet, err error) {
	if _, err := s.clusters.Get(ctx, cluster); err != nil {
		return profileSet{}, absent(err, noCluster(cluster))
	}
	set, err = s.profiles.Get(ctx, cluster)
	if errors.Is(err, store.ErrNotFound) {
		return profileSet{}, nil
	}
	return set, err
}

func (p Profile) describe() *types.FargateProfile {
	out := &types.FargateProfile{
		FargateProfileName: aws.String(p.Name), FargateProfileArn: aws.String(p.ARN.String()),
		ClusterName: aws.String(p.Cluster), CreatedAt: aws.Time(p.CreatedAt),
		PodExecutionRoleArn: aws.String(p.Role.String()), Subnets: p.Subnets, Status: p.Status,
		Tags: p.Tags, Health: &types.FargateProfileHealth{Issues: nonNil(p.Issues)},
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	for _, sel := range p.Selectors {
		shown := types.FargateProfileSelector{Namespace: aws.String(sel.Namespace)}
		if len(sel.Labels) > 0 {
			shown.Labels = sel.Labels
		}
		out.Selectors = append(out.Selectors, shown)
	}
	return out
}
