package eks

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/store"
)

// DescribeCluster shows a cluster.
func (s *Service) DescribeCluster(ctx context.Context, in *eks.DescribeClusterInput) (*eks.DescribeClusterOutput, error) {
	c, err := s.clusters.Get(ctx, str(in.Name))
	if err != nil {
		return nil, absent(err, noCluster(str(in.Name)))
	}
	return &eks.DescribeClusterOutput{Cluster: c.describe()}, nil
}

// ListClusters lists the names of all clusters, in order.
func (s *Service) ListClusters(ctx context.Context, in *eks.ListClustersInput) (*eks.ListClustersOutput, error) {
	entries, err := s.clusters.List(ctx, "")
	if err != nil {
		return nil, err
	}
	names := make([]string, 0, len(entries))
	for _, e := range entries {
		names = append(names, e.Value.Name)
	}
	names, next, err := page(names, in.MaxResults, in.NextToken, subject{})
	if err != nil {
		return nil, err
	}
	return &eks.ListClustersOutput{Clusters: names, NextToken: next}, nil
}

// DeleteCluster records the intent to remove a cluster that has no Fargate
// profile; asked again, it shows how the removal stands. A cluster that is
// still being created may be deleted.
func (s *Service) DeleteCluster(ctx context.Context, in *eks.DeleteClusterInput) (*eks.DeleteClusterOutput, error) {
	on := subject{cluster: str(in.Name)}
	var c Cluster
	err := s.store.Update(ctx, func(tx *store.Tx) (err error) {
		if c, err = s.clusters.GetIn(tx, on.cluster); err != nil {
			return absent(err, noCluster(on.cluster))
		}
		if c.Status == types.ClusterStatusDeleting {
			return nil
		}
		if c.DeletionProtection {
			return on.badRequest("Cluster %s has deletion protection enabled", c.Name)
		}
		set, err := s.profilesIn(tx, c.Name)
		if err != nil {
			return err
		}
		if len(set.Profiles) > 0 {
			return on.inUse("Cluster has Fargate Profiles in ACTIVE/CREATING state")
		}
		c.Status = types.ClusterStatusDeleting
		return s.clusters.PutIn(tx, c.Name, c)
	})
	if err != nil {
		return nil, err
	}
	return &eks.DeleteClusterOutput{Cluster: c.describe()}, nil
}

// DescribeClusterVersions shows the versions that clusters may run, newest first.
func (s *Service) DescribeClusterVersions(_ context.Context, in *eks.DescribeClusterVersionsInput) (*eks.DescribeClusterVersionsOutput, error) {
	// Keys sort as the releases do.
	found := map[string]types.ClusterVersionInformation{}
	var keys []string
	for i, r := range releases {
		info := r.information(s.now())
		switch {
		case str(in.ClusterType) != "" && str(in.ClusterType) != "eks",
			len(in.ClusterVersions) > 0 && !slices.Contains(in.ClusterVersions, r.version),
			aws.ToBool(in.DefaultOnly) && !info.DefaultVersion,
			in.Status != "" && in.Status != info.Status,
			in.VersionStatus != "" && in.VersionStatus != info.VersionStatus,
			info.VersionStatus == types.VersionStatusUnsupported && !aws.ToBool(in.IncludeAll):
			continue
		}
		key := fmt.Sprintf("%03d", i)
		found[key] = info
		keys = append(keys, key)
	}
	keys, next, err := page(keys, in.MaxResults, in.NextToken, subject{})
	if err != nil {
		return nil, err
	}
	out := &eks.DescribeClusterVersionsOutput{ClusterVersions: []types.ClusterVersionInformation{}, NextToken: next}
	for _, key := range keys {
		out.ClusterVersions = append(out.ClusterVersions, found[key])
	}
	return out, nil
}

// describe shows a cluster as EKS does: members of what Berth does not offer
// have the value that they have on EKS when they are off.
func (c Cluster) describe() *types.Cluster {
	out := &types.Cluster{
		Name: aws.String(c.Name), Arn: aws.String(c.ARN.String()), RoleArn: aws.String(c.Role.String()),
		CreatedAt: aws.Time(c.CreatedAt), Status: c.Status,
		Version: aws.String(c.Version), PlatformVersion: aws.String(c.PlatformVersion),
		AccessConfig: &types.AccessConfigResponse{AuthenticationMode: c.AuthenticationMode},
		ResourcesVpcConfig: &types.VpcConfigResponse{
			VpcId: aws.String(c.VPC), SubnetIds: c.Subnets, SecurityGroupIds: nonNil(c.SecurityGroups),
			EndpointPublicAccess: c.PublicAccess, EndpointPrivateAccess: c.PrivateAccess,
			PublicAccessCidrs: c.PublicAccessCIDRs,
		},
		KubernetesNetworkConfig: &types.KubernetesNetworkConfigResponse{
			ServiceIpv4Cidr: aws.String(c.ServiceCIDR), IpFamily: types.IpFamilyIpv4,
			ElasticLoadBalancing: &types.ElasticLoadBalancing{Enabled: aws.Bool(false)},
		},
		Logging: &types.Logging{ClusterLogging: []types.LogSetup{
			{Types: types.LogType("").Values(), Enabled: aws.Bool(false)},
		}},
		Identity:                  &types.Identity{Oidc: &types.OIDC{Issuer: aws.String(c.Issuer)}},
		UpgradePolicy:             &types.UpgradePolicyResponse{SupportType: c.Support},
		ControlPlaneScalingConfig: &types.ControlPlaneScalingConfig{Tier: types.ProvisionedControlPlaneTierStandard},
		DeletionProtection:        aws.Bool(c.DeletionProtection),
		Health:                    &types.ClusterHealth{Issues: nonNil(c.Issues)},
		Tags:                      c.Tags,
		CertificateAuthority:      &types.Certificate{},
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	if c.ClusterSecurityGroup != "" {
		out.ResourcesVpcConfig.ClusterSecurityGroupId = aws.String(c.ClusterSecurityGroup)
	}
	if c.Endpoint != "" {
		out.Endpoint = aws.String(c.Endpoint)
		out.CertificateAuthority.Data = aws.String(base64.StdEncoding.EncodeToString(c.CertificateAuthority))
	}
	return out
}

// nonNil makes a list that is empty and not null on the wire.
func nonNil[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
