package eks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/store"
)

// controlPlaneService is who assumes a cluster's role.
const controlPlaneService = "eks.amazonaws.com"

var clusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]{0,99}$`)

// CreateCluster records a cluster; the reconciler makes its control plane.
// Checks come in this order: the name; the token of an earlier request; the
// name's being free; the quota; the shape of the request; the role; subnets,
// VPC and security groups; the service CIDR; one cluster per VPC.
func (s *Service) CreateCluster(ctx context.Context, in *eks.CreateClusterInput) (*eks.CreateClusterOutput, error) {
	on := subject{cluster: str(in.Name)}
	if !clusterName.MatchString(on.cluster) {
		return nil, on.badParameter("Value '%s' at 'name' failed to satisfy constraint: "+
			`Member must satisfy regular expression pattern: ^[0-9A-Za-z][A-Za-z0-9\-_]*, and be 1 to 100 characters long`, on.cluster)
	}
	unsigned := *in
	unsigned.ClientRequestToken = nil
	call, err := newCall("CreateCluster", str(in.ClientRequestToken), unsigned)
	if err != nil {
		return nil, err
	}
	var c Cluster
	look := func(tx *store.Tx) (earlier bool, err error) {
		c, earlier, err = s.mayCreateCluster(tx, call, on)
		return earlier, err
	}
	if earlier, err := s.ask(ctx, look); err != nil || earlier {
		return createdCluster(c, err)
	}
	planned, err := s.planCluster(ctx, in, on)
	if err != nil {
		return nil, err
	}
	planned.Request = call.key
	admin := s.creatorEntry(planned, s.ids.UUID())
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if earlier, err := look(tx); err != nil || earlier {
			return err
		}
		c = planned
		return s.putNewCluster(tx, c, admin, call)
	})
	return createdCluster(c, err)
}

func createdCluster(c Cluster, err error) (*eks.CreateClusterOutput, error) {
	if err != nil {
		return nil, err
	}
	return &eks.CreateClusterOutput{Cluster: c.describe()}, nil
}

// ask runs a look at the records in a transaction that writes nothing.
func (s *Service) ask(ctx context.Context, look func(*store.Tx) (bool, error)) (yes bool, err error) {
	err = s.store.Update(ctx, func(tx *store.Tx) (err error) {
		yes, err = look(tx)
		return err
	})
	return yes, err
}

// mayCreateCluster gives the cluster that an earlier call with the same token
// made, or a refusal that the records alone justify.
func (s *Service) mayCreateCluster(tx *store.Tx, call call, on subject) (c Cluster, earlier bool, err error) {
	r, earlier, err := s.replayed(tx, call, on)
	if err != nil {
		return Cluster{}, false, err
	}
	if earlier {
		c, err = s.clusters.GetIn(tx, r.Cluster)
		return c, true, err
	}
	if s.clusters.HasIn(tx, on.cluster) {
		return Cluster{}, false, on.inUse("Cluster already exists with name: %s", on.cluster)
	}
	index, err := s.indexIn(tx)
	if err != nil {
		return Cluster{}, false, err
	}
	if len(index.VPCs) >= s.quotas.Clusters {
		return Cluster{}, false, on.overLimit("Account has reached its limit of %d clusters", s.quotas.Clusters)
	}
	return Cluster{}, false, nil
}

func (s *Service) indexIn(tx *store.Tx) (clusterIndex, error) {
	index, err := s.index.GetIn(tx, indexKey)
	if errors.Is(err, store.ErrNotFound) {
		return clusterIndex{VPCs: map[string]string{}}, nil
	}
	return index, err
}

// putNewCluster writes a cluster and its creator's access, unless its VPC has
// a cluster.
func (s *Service) putNewCluster(tx *store.Tx, c Cluster, admin AccessEntry, call call) error {
	on := subject{cluster: c.Name}
	index, err := s.indexIn(tx)
	if err != nil {
		return err
	}
	for other, vpc := range index.VPCs {
		if vpc == c.VPC {
			// The router of a VPC holds the service addresses of one cluster.
			return on.badRequest("VPC %s already has cluster %s: a VPC can hold one cluster for now", vpc, other)
		}
	}
	index.VPCs[c.Name] = c.VPC
	if err := s.index.PutIn(tx, indexKey, index); err != nil {
		return err
	}
	if c.usesEntries() && c.CreatorIsAdmin {
		if err := s.putEntry(tx, admin); err != nil {
			return err
		}
	}
	if err := s.remember(tx, call, on); err != nil {
		return err
	}
	return s.clusters.CreateIn(tx, c.Name, c)
}

// planCluster makes the record of what is asked for, or says why it cannot be.
func (s *Service) planCluster(ctx context.Context, in *eks.CreateClusterInput, on subject) (Cluster, error) {
	c := Cluster{
		Name: on.cluster, ARN: s.scope.Regional("eks", "cluster/"+on.cluster),
		Status: types.ClusterStatusCreating, Creator: s.creator(ctx), CreatedAt: s.now(),
		SelfManagedAddons:  in.BootstrapSelfManagedAddons == nil || *in.BootstrapSelfManagedAddons,
		DeletionProtection: aws.ToBool(in.DeletionProtection),
		Tags:               maps.Clone(in.Tags),
	}
	if err := c.applyShape(in, on); err != nil {
		return Cluster{}, err
	}
	if err := s.applyClusterRole(ctx, &c, str(in.RoleArn), on); err != nil {
		return Cluster{}, err
	}
	if err := s.applyNetwork(ctx, &c, in, on); err != nil {
		return Cluster{}, err
	}
	c.ID = s.ids.Hex(32)
	c.OIDCID = s.ids.UpperHex(32)
	c.Issuer = s.issuer(c.OIDCID)
	return c, nil
}

// applyShape takes over what needs nothing but the request itself.
func (c *Cluster) applyShape(in *eks.CreateClusterInput, on subject) error {
	version := str(in.Version)
	if in.Version == nil {
		version = DefaultVersion
	}
	r, ok := findRelease(version)
	if !ok {
		return on.badParameter("unsupported Kubernetes version %s", version)
	}
	c.Version, c.PlatformVersion = r.version, r.platform
	if err := supported(in, on); err != nil {
		return err
	}
	if err := c.applyAccess(in.AccessConfig, on); err != nil {
		return err
	}
	c.Support = types.SupportTypeExtended
	if in.UpgradePolicy != nil && in.UpgradePolicy.SupportType != "" {
		c.Support = in.UpgradePolicy.SupportType
	}
	if wrong := checkTags(in.Tags); wrong != "" {
		return on.badParameter("%s", wrong)
	}
	return c.applyEndpoint(in.ResourcesVpcConfig, on)
}

func (c *Cluster) applyAccess(in *types.CreateAccessConfigRequest, on subject) error {
	c.AuthenticationMode, c.CreatorIsAdmin = types.AuthenticationModeConfigMap, true
	if in == nil {
		return nil
	}
	if in.AuthenticationMode != "" {
		c.AuthenticationMode = in.AuthenticationMode
	}
	if !slices.Contains(c.AuthenticationMode.Values(), c.AuthenticationMode) {
		return on.badParameter("Unsupported authenticationMode: %s", c.AuthenticationMode)
	}
	if in.BootstrapClusterCreatorAdminPermissions != nil {
		c.CreatorIsAdmin = *in.BootstrapClusterCreatorAdminPermissions
	}
	if c.AuthenticationMode == types.AuthenticationModeConfigMap && !c.CreatorIsAdmin {
		return on.badParameter("bootstrapClusterCreatorAdminPermissions must be true if cluster authentication mode is set to CONFIG_MAP")
	}
	return nil
}

func (c *Cluster) applyEndpoint(in *types.VpcConfigRequest, on subject) (err error) {
	if in == nil {
		return on.badParameter("resourcesVpcConfig is required")
	}
	c.PublicAccess = in.EndpointPublicAccess == nil || *in.EndpointPublicAccess
	c.PrivateAccess = aws.ToBool(in.EndpointPrivateAccess)
	if !c.PublicAccess && !c.PrivateAccess {
		return on.badParameter("Private and public endpoint access cannot both be false")
	}
	c.PublicAccessCIDRs, err = publicCIDRs(in.PublicAccessCidrs, on)
	return err
}

// supported refuses what EKS has and Berth has not: a cluster that looks as if
// it had it would be a lie.
func supported(in *eks.CreateClusterInput, on subject) error {
	logs := in.Logging != nil && slices.ContainsFunc(in.Logging.ClusterLogging,
		func(l types.LogSetup) bool { return aws.ToBool(l.Enabled) && len(l.Types) > 0 })
	net, vpc := in.KubernetesNetworkConfig, in.ResourcesVpcConfig
	for _, f := range []struct {
		name  string
		asked bool
	}{
		{"outpostConfig", in.OutpostConfig != nil},
		{"encryptionConfig", len(in.EncryptionConfig) > 0},
		{"remoteNetworkConfig", in.RemoteNetworkConfig != nil},
		{"computeConfig", in.ComputeConfig != nil && aws.ToBool(in.ComputeConfig.Enabled)},
		{"storageConfig", in.StorageConfig != nil && in.StorageConfig.BlockStorage != nil && aws.ToBool(in.StorageConfig.BlockStorage.Enabled)},
		{"kubernetesNetworkConfig.elasticLoadBalancing", net != nil && net.ElasticLoadBalancing != nil && aws.ToBool(net.ElasticLoadBalancing.Enabled)},
		{"kubernetesNetworkConfig.ipFamily ipv6", net != nil && net.IpFamily == types.IpFamilyIpv6},
		{"zonalShiftConfig", in.ZonalShiftConfig != nil && aws.ToBool(in.ZonalShiftConfig.Enabled)},
		{"controlPlaneScalingConfig", in.ControlPlaneScalingConfig != nil && in.ControlPlaneScalingConfig.Tier != "" && in.ControlPlaneScalingConfig.Tier != types.ProvisionedControlPlaneTierStandard},
		{"kubeApiServerConfig", in.KubeApiServerConfig != nil},
		{"kubeControllerManagerConfig", in.KubeControllerManagerConfig != nil},
		{"kubeSchedulerConfig", in.KubeSchedulerConfig != nil},
		{"controlPlaneEgressMode", vpc != nil && vpc.ControlPlaneEgressMode != "" && vpc.ControlPlaneEgressMode != types.ControlPlaneEgressModeTypeAwsManaged},
		{"logging", logs},
	} {
		if f.asked {
			return on.badParameter("%s is not supported by Berth", f.name)
		}
	}
	return nil
}

func (s *Service) applyClusterRole(ctx context.Context, c *Cluster, role string, on subject) error {
	a, err := arn.Parse(role)
	if err != nil || a.Service != "iam" || a.ResourceType() != "role" {
		return on.badParameter("Invalid Role Arn: '%s'", role)
	}
	if a.Account != s.scope.Account {
		return on.refuse(403, "AccessDeniedException", "Cross-account pass role is not allowed.")
	}
	trust, err := s.roles.Trusts(ctx, Assumption{
		Role: a, Service: controlPlaneService, SourceARN: c.ARN, SourceAccount: s.scope.Account,
	})
	if err != nil {
		return fmt.Errorf("checking role %s of cluster %s: %w", a, c.Name, err)
	}
	if !trust.Exists || !trust.Allowed {
		return on.badParameter("Role with arn: %s, could not be assumed because it does not exist or the trusted entity is not correct", role)
	}
	c.Role = a
	return nil
}

// applyNetwork takes over subnets, VPC, security groups and service addresses.
func (s *Service) applyNetwork(ctx context.Context, c *Cluster, in *eks.CreateClusterInput, on subject) error {
	subnets, err := s.describeSubnets(ctx, in.ResourcesVpcConfig.SubnetIds, on)
	if err != nil {
		return err
	}
	zones := map[string]bool{}
	for _, n := range subnets {
		zones[n.AvailabilityZone] = true
		if n.VPC != subnets[0].VPC {
			return on.badParameter("Subnets specified must be in the same VPC: %s is in %s, %s is in %s",
				subnets[0].ID, subnets[0].VPC, n.ID, n.VPC)
		}
	}
	if len(zones) < 2 {
		return on.badParameter("Subnets specified must be in at least two different AZs")
	}
	c.VPC = subnets[0].VPC
	for _, n := range subnets {
		c.Subnets = append(c.Subnets, n.ID)
	}
	if err := s.applySecurityGroups(ctx, c, in.ResourcesVpcConfig.SecurityGroupIds, on); err != nil {
		return err
	}
	vpc, err := s.net.VPC(ctx, c.VPC)
	if err != nil {
		return fmt.Errorf("describing VPC %s of cluster %s: %w", c.VPC, c.Name, err)
	}
	asked := ""
	if in.KubernetesNetworkConfig != nil {
		asked = str(in.KubernetesNetworkConfig.ServiceIpv4Cidr)
	}
	c.ServiceCIDR, err = serviceCIDR(asked, vpc, on)
	return err
}

// describeSubnets gives the subnets in the order of their ids, each once; all
// of them must exist.
func (s *Service) describeSubnets(ctx context.Context, ids []string, on subject) ([]Subnet, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	found, err := s.net.Subnets(ctx, ids)
	if err != nil {
		return nil, fmt.Errorf("describing subnets %v: %w", ids, err)
	}
	var subnets []Subnet
	for i, id := range ids {
		if slices.Contains(ids[:i], id) {
			continue
		}
		at := slices.IndexFunc(found, func(n Subnet) bool { return n.ID == id })
		if at < 0 {
			return nil, on.badParameter("The subnet ID '%s' does not exist", id)
		}
		subnets = append(subnets, found[at])
	}
	return subnets, nil
}

func (s *Service) applySecurityGroups(ctx context.Context, c *Cluster, ids []string, on subject) error {
	if len(ids) == 0 {
		return nil
	}
	if len(ids) > s.quotas.ControlPlaneSecurityGroups {
		return on.badParameter("A cluster can have at most %d security groups", s.quotas.ControlPlaneSecurityGroups)
	}
	found, err := s.net.SecurityGroups(ctx, ids)
	if err != nil {
		return fmt.Errorf("describing security groups %v: %w", ids, err)
	}
	for _, id := range ids {
		at := slices.IndexFunc(found, func(g SecurityGroup) bool { return g.ID == id })
		if at < 0 {
			return on.badParameter("The security group ID '%s' does not exist", id)
		}
		if found[at].VPC != c.VPC {
			return on.badParameter("Security group(s) [%s] are not in the same VPC as the subnets. "+
				"Please specify a security group that is associated with the VPC: %s.", id, c.VPC)
		}
	}
	c.SecurityGroups = slices.Clone(ids)
	return nil
}
