package eks

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/eks"
)

// ListNodegroups lists a cluster's managed node groups: none can be made yet.
func (s *Service) ListNodegroups(ctx context.Context, in *eks.ListNodegroupsInput) (*eks.ListNodegroupsOutput, error) {
	if _, err := s.clusters.Get(ctx, str(in.ClusterName)); err != nil {
		return nil, absent(err, noCluster(str(in.ClusterName)))
	}
	return &eks.ListNodegroupsOutput{Nodegroups: []string{}}, nil
}

// ListAddons lists a cluster's EKS add-ons: none can be made yet. The
// networking add-ons that a cluster is created with are self-managed and so
// not listed.
func (s *Service) ListAddons(ctx context.Context, in *eks.ListAddonsInput) (*eks.ListAddonsOutput, error) {
	if _, err := s.clusters.Get(ctx, str(in.ClusterName)); err != nil {
		return nil, absent(err, noCluster(str(in.ClusterName)))
	}
	return &eks.ListAddonsOutput{Addons: []string{}}, nil
}
