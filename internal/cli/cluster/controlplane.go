package cluster

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/cli/clusterconfig"
	"berth.dev/berth/internal/cli/network"
)

// zones is how many availability zones a cluster gets.
const zones = 3

// ensureCluster makes the network and the cluster, unless there is a cluster,
// and waits until it is ACTIVE.
func (r *creation) ensureCluster(ctx context.Context) error {
	if r.cluster == nil {
		n, err := r.network(ctx)
		if err != nil {
			return err
		}
		r.log.Infof("creating cluster control plane %q", r.name)
		if _, err := r.aws.EKS.CreateCluster(ctx, r.input(n)); err != nil {
			return fmt.Errorf("creating EKS cluster %q: %w", r.name, err)
		}
	}
	return r.Until(ctx, r.log, fmt.Sprintf("EKS cluster %q to become ACTIVE", r.name), func(ctx context.Context) (bool, error) {
		out, err := r.aws.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &r.name})
		if err != nil {
			return false, fmt.Errorf("unable to describe control plane %q: %w", r.name, err)
		}
		r.cluster = out.Cluster
		switch out.Cluster.Status {
		case types.ClusterStatusActive, types.ClusterStatusUpdating:
			return true, nil
		case types.ClusterStatusFailed, types.ClusterStatusDeleting:
			return false, fmt.Errorf("EKS cluster %q is %s%s", r.name, out.Cluster.Status, clusterIssue(out.Cluster))
		}
		return false, nil
	})
}

func clusterIssue(c *types.Cluster) string {
	if c.Health == nil || len(c.Health.Issues) == 0 {
		return ""
	}
	return fmt.Sprintf(" (%s: %s)", c.Health.Issues[0].Code, aws.ToString(c.Health.Issues[0].Message))
}

// network makes the cluster's network, or checks the subnets that are named.
func (r *creation) network(ctx context.Context) (network.Network, error) {
	if r.Config.VPC.Existing() {
		return r.existingNetwork(ctx)
	}
	names := r.Config.AvailabilityZones
	if len(names) == 0 {
		all, err := r.aws.EC2.AvailabilityZones(ctx)
		if err != nil {
			return network.Network{}, fmt.Errorf("getting availability zones: %w", err)
		}
		for _, z := range all[:min(len(all), zones)] {
			names = append(names, z.Name)
		}
	}
	r.log.Infof("setting availability zones to %v", names)
	cidr := r.Config.VPC.CIDR
	if cidr == "" {
		cidr = network.DefaultCIDR
	}
	b := network.Builder{EC2: r.aws.EC2, Terminal: r.Terminal, Log: r.log}
	return b.Ensure(ctx, network.Plan{Cluster: r.name, CIDR: cidr, Zones: names, NAT: r.Config.VPC.NAT.Gateway, Tags: r.Config.Metadata.Tags})
}

func (r *creation) existingNetwork(ctx context.Context) (network.Network, error) {
	v := r.Config.VPC
	n := network.Network{VPC: v.ID, Private: clusterconfig.IDs(v.Subnets.Private), Public: clusterconfig.IDs(v.Subnets.Public)}
	subnets, err := r.aws.EC2.SubnetsByID(ctx, append(append([]string{}, n.Public...), n.Private...))
	if err != nil {
		return n, fmt.Errorf("describing the subnets: %w", err)
	}
	seen := map[string]bool{}
	for _, s := range subnets {
		if n.VPC == "" {
			n.VPC = s.VPCID
		}
		if s.VPCID != n.VPC {
			return n, fmt.Errorf("given subnet %s is in %s, not in %s", s.ID, s.VPCID, n.VPC)
		}
		seen[s.Zone] = true
	}
	if len(seen) < 2 {
		return n, fmt.Errorf("insufficient number of subnets, at least 2x public and/or 2x private subnets in two availability zones are required")
	}
	r.log.Successf("using existing VPC (%s) and subnets (private:%v public:%v)", n.VPC, n.Private, n.Public)
	r.log.Warnf("custom VPC/subnets will be used; if resulting cluster doesn't function as expected, make sure to review the configuration of VPC/subnets")
	return n, nil
}

// input is the cluster as eksctl's template has it.
func (r *creation) input(n network.Network) *eks.CreateClusterInput {
	c := r.Config
	mode := types.AuthenticationMode(c.AccessConfig.AuthenticationMode)
	if mode == "" {
		mode = types.AuthenticationModeApiAndConfigMap
	}
	admin := c.AccessConfig.BootstrapClusterCreatorAdminPermissions
	if admin == nil {
		admin = aws.Bool(true)
	}
	in := &eks.CreateClusterInput{
		Name: &r.name, RoleArn: &r.service, Version: aws.String(c.Metadata.Version),
		Tags: network.Tags(r.name, c.Metadata.Tags),
		ResourcesVpcConfig: &types.VpcConfigRequest{
			SubnetIds:            append(append([]string{}, n.Public...), n.Private...),
			EndpointPublicAccess: orDefault(c.VPC.ClusterEndpoints.PublicAccess, true), EndpointPrivateAccess: orDefault(c.VPC.ClusterEndpoints.PrivateAccess, false),
			PublicAccessCidrs: c.VPC.PublicAccessCIDRs,
		},
		AccessConfig: &types.CreateAccessConfigRequest{AuthenticationMode: mode, BootstrapClusterCreatorAdminPermissions: admin},
	}
	in.Tags["Name"] = network.Stack(r.name) + "/ControlPlane"
	if cidr := c.KubernetesNetworkConfig.ServiceIPv4CIDR; cidr != "" {
		in.KubernetesNetworkConfig = &types.KubernetesNetworkConfigRequest{ServiceIpv4Cidr: &cidr}
	}
	return in
}

func orDefault(b *bool, otherwise bool) *bool {
	if b == nil {
		return &otherwise
	}
	return b
}

var (
	adjectives = strings.Fields("calm bright brave clear eager early fair fancy gentle grand happy jolly kind lively merry neat proud quick quiet wide")
	nouns      = strings.Fields("anchor bay beacon boat bridge buoy canal coast dock ferry gull harbor jetty keel lagoon mast pier quay sail tide")
)

// generateName makes a name such as calm-harbor-1687012424.
func generateName(random io.Reader, now time.Time) (string, error) {
	var b [2]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("generating the name of a cluster: %w", err)
	}
	return fmt.Sprintf("%s-%s-%d", adjectives[int(b[0])%len(adjectives)], nouns[int(b[1])%len(nouns)], now.Unix()), nil
}
