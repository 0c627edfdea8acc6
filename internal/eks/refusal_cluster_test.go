package eks_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/eks"
)

func vpcConfig(edit func(*types.VpcConfigRequest)) func(*sdk.CreateClusterInput) {
	return func(in *sdk.CreateClusterInput) { edit(in.ResourcesVpcConfig) }
}

func subnets(ids ...string) func(*sdk.CreateClusterInput) {
	return vpcConfig(func(v *types.VpcConfigRequest) { v.SubnetIds = ids })
}

func groups(ids ...string) func(*sdk.CreateClusterInput) {
	return vpcConfig(func(v *types.VpcConfigRequest) { v.SecurityGroupIds = ids })
}

func publicCIDRs(cidrs ...string) func(*sdk.CreateClusterInput) {
	return vpcConfig(func(v *types.VpcConfigRequest) { v.PublicAccessCidrs = cidrs })
}

func role(a string) func(*sdk.CreateClusterInput) {
	return func(in *sdk.CreateClusterInput) { in.RoleArn = aws.String(a) }
}

func serviceCIDR(cidr string) func(*sdk.CreateClusterInput) {
	return func(in *sdk.CreateClusterInput) {
		in.KubernetesNetworkConfig = &types.KubernetesNetworkConfigRequest{ServiceIpv4Cidr: aws.String(cidr)}
	}
}

func access(mode types.AuthenticationMode, admin bool) func(*sdk.CreateClusterInput) {
	return func(in *sdk.CreateClusterInput) {
		in.AccessConfig = &types.CreateAccessConfigRequest{AuthenticationMode: mode, BootstrapClusterCreatorAdminPermissions: aws.Bool(admin)}
	}
}

func TestCreateClusterRefusals(t *testing.T) {
	const badParameter = "InvalidParameterException"
	type edit = func(*sdk.CreateClusterInput)
	tests := []struct {
		name    string
		cluster string
		edit    edit
		status  int
		code    string
		message string
	}{
		{"name begins with a hyphen", "-x", nil, 400, badParameter, "Value '-x' at 'name' failed to satisfy constraint"},
		{"name with a period", "a.b", nil, 400, badParameter, "Value 'a.b' at 'name'"},
		{"name of 101 characters", strings.Repeat("a", 101), nil, 400, badParameter, "Value 'aaa"},
		{"no name", "", nil, 400, badParameter, "Value '' at 'name'"},
		{"name taken", "demo", nil, 409, "ResourceInUseException", "Cluster already exists with name: demo"},
		{"name taken, and a bad version", "demo", func(in *sdk.CreateClusterInput) { in.Version = aws.String("1.1") }, 409, "ResourceInUseException", "Cluster already exists"},
		{"old version", "x", func(in *sdk.CreateClusterInput) { in.Version = aws.String("1.33") }, 400, badParameter, "unsupported Kubernetes version 1.33"},
		{"patch version", "x", func(in *sdk.CreateClusterInput) { in.Version = aws.String("1.36.3") }, 400, badParameter, "unsupported Kubernetes version 1.36.3"},
		{"empty version", "x", func(in *sdk.CreateClusterInput) { in.Version = aws.String("") }, 400, badParameter, "unsupported Kubernetes version"},
		{"no VPC configuration", "x", func(in *sdk.CreateClusterInput) { in.ResourcesVpcConfig = nil }, 400, badParameter, "resourcesVpcConfig is required"},
		{"no endpoint", "x", vpcConfig(func(v *types.VpcConfigRequest) { v.EndpointPublicAccess = aws.Bool(false) }), 400, badParameter, "Private and public endpoint access cannot both be false"},
		{"private public CIDR", "x", publicCIDRs("203.0.113.0/24", "10.1.0.0/16"), 400, badParameter, "The following CIDRs are invalid in publicAccessCidrs: [10.1.0.0/16]"},
		{"malformed public CIDR", "x", publicCIDRs("203.0.113.0"), 400, badParameter, "The following CIDRs are invalid in publicAccessCidrs: [203.0.113.0]"},
		{"IPv6 public CIDR", "x", publicCIDRs("::/0"), 400, badParameter, "The following CIDRs are invalid in publicAccessCidrs: [::/0]"},
		{"41 public CIDRs", "x", publicCIDRs(make([]string, 41)...), 400, badParameter, "publicAccessCidrs can hold at most 40 CIDR blocks"},
		{"unknown mode", "x", access("NONE", true), 400, badParameter, "Unsupported authenticationMode: NONE"},
		{"nobody's admin", "x", access(types.AuthenticationModeConfigMap, false), 400, badParameter, "bootstrapClusterCreatorAdminPermissions must be true if cluster authentication mode is set to CONFIG_MAP"},
		{"reserved tag", "x", func(in *sdk.CreateClusterInput) { in.Tags = map[string]string{"aws:x": "y"} }, 400, badParameter, "Tag keys must not start with aws:"},
		{"IPv6", "x", func(in *sdk.CreateClusterInput) {
			in.KubernetesNetworkConfig = &types.KubernetesNetworkConfigRequest{IpFamily: types.IpFamilyIpv6}
		}, 400, badParameter, "kubernetesNetworkConfig.ipFamily ipv6 is not supported by Berth"},
		{"encryption", "x", func(in *sdk.CreateClusterInput) { in.EncryptionConfig = []types.EncryptionConfig{{}} }, 400, badParameter, "encryptionConfig is not supported by Berth"},
		{"control plane logs", "x", func(in *sdk.CreateClusterInput) {
			in.Logging = &types.Logging{ClusterLogging: []types.LogSetup{{Types: []types.LogType{types.LogTypeApi}, Enabled: aws.Bool(true)}}}
		}, 400, badParameter, "logging is not supported by Berth"},
		{"malformed role", "x", role("cluster"), 400, badParameter, "Invalid Role Arn: 'cluster'"},
		{"user as role", "x", role("arn:aws:iam::123456789012:user/me"), 400, badParameter, "Invalid Role Arn: 'arn:aws:iam::123456789012:user/me'"},
		{"role of another account", "x", role("arn:aws:iam::210987654321:role/cluster"), 403, "AccessDeniedException", "Cross-account pass role is not allowed."},
		{"no such role", "x", role("arn:aws:iam::123456789012:role/gone"), 400, badParameter, "Role with arn: arn:aws:iam::123456789012:role/gone, could not be assumed because it does not exist or the trusted entity is not correct"},
		{"role trusts another", "x", role("arn:aws:iam::123456789012:role/stranger"), 400, badParameter, "Role with arn: arn:aws:iam::123456789012:role/stranger, could not be assumed"},
		{"no subnets", "x", subnets(), 400, badParameter, "Subnets specified must be in at least two different AZs"},
		{"one subnet twice", "x", subnets("subnet-2a", "subnet-2a"), 400, badParameter, "Subnets specified must be in at least two different AZs"},
		{"one zone", "x", subnets("subnet-puba", "subnet-pria"), 400, badParameter, "Subnets specified must be in at least two different AZs"},
		{"no such subnet", "x", subnets("subnet-2a", "subnet-no"), 400, badParameter, "The subnet ID 'subnet-no' does not exist"},
		{"two VPCs", "x", subnets("subnet-2a", "subnet-prib"), 400, badParameter, "Subnets specified must be in the same VPC"},
		{"no such security group", "x", groups("sg-no"), 400, badParameter, "The security group ID 'sg-no' does not exist"},
		{"security group of another VPC", "x", groups("sg-2"), 400, badParameter, "Security group(s) [sg-2] are not in the same VPC as the subnets."},
		{"five security groups", "x", groups("a", "b", "c", "d", "e"), 400, badParameter, "A cluster can have at most 4 security groups"},
		{"malformed service CIDR", "x", serviceCIDR("10.5.0.1/16"), 400, badParameter, "serviceIpv4Cidr is not a valid CIDR block: 10.5.0.1/16"},
		{"public service CIDR", "x", serviceCIDR("176.22.0.0/16"), 400, badParameter, "serviceIpv4Cidr must be within one of the private"},
		{"small service CIDR", "x", serviceCIDR("10.5.0.0/25"), 400, badParameter, "serviceIpv4Cidr must have a size between /24 and /12"},
		{"large service CIDR", "x", serviceCIDR("10.0.0.0/11"), 400, badParameter, "serviceIpv4Cidr must have a size between /24 and /12"},
		{"service CIDR in the VPC", "x", serviceCIDR("192.168.4.0/24"), 400, badParameter, "serviceIpv4Cidr 192.168.4.0/24 overlaps with CIDR block 192.168.0.0/16 of VPC vpc-1"},
		{"second cluster of a VPC", "x", nil, 400, "InvalidRequestException", "VPC vpc-1 already has cluster demo"},
	}
	h := newHarness(t)
	h.active("demo")
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := h.in(t)
			in := clusterInput(tt.cluster)
			if tt.edit != nil {
				tt.edit(in)
			}
			h.refused(func() error { _, err := h.CreateCluster(h.ctx, in); return err },
				tt.status, tt.code, tt.message)
		})
	}
}

func TestClusterQuota(t *testing.T) {
	h := newHarness(t)
	h.quotas.Clusters = 1
	h.restart()
	h.active("demo")
	h.refused(func() error {
		_, err := h.CreateCluster(h.ctx, clusterInput("x", subnets("subnet-2a", "subnet-2b")))
		return err
	},
		400, "ResourceLimitExceededException", "Account has reached its limit of 1 clusters")
}

func TestUnknownCluster(t *testing.T) {
	h := newHarness(t)
	name := aws.String("no")
	const message = "No cluster found for name: no."
	for what, call := range map[string]func() error{
		"DescribeCluster":      func() error { _, err := h.DescribeCluster(h.ctx, &sdk.DescribeClusterInput{Name: name}); return err },
		"DeleteCluster":        func() error { _, err := h.DeleteCluster(h.ctx, &sdk.DeleteClusterInput{Name: name}); return err },
		"CreateFargateProfile": func() error { _, err := h.CreateFargateProfile(h.ctx, profileInput("no", "fp")); return err },
		"ListFargateProfiles": func() error {
			_, err := h.ListFargateProfiles(h.ctx, &sdk.ListFargateProfilesInput{ClusterName: name})
			return err
		},
		"DescribeFargateProfile": func() error {
			_, err := h.DescribeFargateProfile(h.ctx, &sdk.DescribeFargateProfileInput{ClusterName: name})
			return err
		},
		"DeleteFargateProfile": func() error {
			_, err := h.DeleteFargateProfile(h.ctx, &sdk.DeleteFargateProfileInput{ClusterName: name})
			return err
		},
		"ListNodegroups": func() error {
			_, err := h.ListNodegroups(h.ctx, &sdk.ListNodegroupsInput{ClusterName: name})
			return err
		},
		"ListAddons": func() error { _, err := h.ListAddons(h.ctx, &sdk.ListAddonsInput{ClusterName: name}); return err },
		"ListAccessEntries": func() error {
			_, err := h.ListAccessEntries(h.ctx, &sdk.ListAccessEntriesInput{ClusterName: name})
			return err
		},
	} {
		t.Run(what, func(t *testing.T) {
			checkRefusal(t, call(), 404, "ResourceNotFoundException", message)
		})
	}
}

func TestDeleteClusterRefusals(t *testing.T) {
	h := newHarness(t)
	remove := func() error {
		_, err := h.DeleteCluster(h.ctx, &sdk.DeleteClusterInput{Name: aws.String("demo")})
		return err
	}
	h.active("demo")
	h.activeProfile("demo", "fp")
	h.refused(remove, 409, "ResourceInUseException", "Cluster has Fargate Profiles in ACTIVE/CREATING state")

	h2 := newHarness(t)
	h2.active("safe", subnets("subnet-2a", "subnet-2b"), func(in *sdk.CreateClusterInput) { in.DeletionProtection = aws.Bool(true) })
	h2.refused(func() error {
		_, err := h2.DeleteCluster(h2.ctx, &sdk.DeleteClusterInput{Name: aws.String("safe")})
		return err
	},
		400, "InvalidRequestException", "Cluster safe has deletion protection enabled")
}

func TestClusterRequestToken(t *testing.T) {
	h := newHarness(t)
	token := func(in *sdk.CreateClusterInput) { in.ClientRequestToken = aws.String("once/…") }
	first, err := h.CreateCluster(h.ctx, clusterInput("demo", token))
	if err != nil {
		t.Fatal(err)
	}
	before := h.records()
	again, err := h.CreateCluster(h.ctx, clusterInput("demo", token))
	if err != nil || *again.Cluster.Identity.Oidc.Issuer != *first.Cluster.Identity.Oidc.Issuer {
		t.Errorf("the same call again: %v, %v, want the same cluster", again, err)
	}
	if after := h.records(); fmt.Sprint(before) != fmt.Sprint(after) {
		t.Error("the same call again changed records")
	}
	h.refused(func() error { _, err := h.CreateCluster(h.ctx, clusterInput("other", token)); return err },
		400, "InvalidParameterException", "The clientRequestToken was already used by a request with other parameters.")
	if _, err := h.DeleteCluster(h.ctx, &sdk.DeleteClusterInput{Name: aws.String("demo")}); err != nil {
		t.Fatal(err)
	}
	h.settleCluster("demo", "")
	if _, err := h.CreateCluster(h.ctx, clusterInput("other", token)); err != nil {
		t.Errorf("the token of a cluster that is gone: %v", err)
	}
}

func TestClusterDefaults(t *testing.T) {
	h := newHarness(t)
	tests := []struct {
		name string
		edit func(*sdk.CreateClusterInput)
		get  func(eks.Cluster) any
		want any
	}{
		{"services of a VPC in 10.0.0.0/8", subnets("subnet-2a", "subnet-2b"), func(c eks.Cluster) any { return c.ServiceCIDR }, "172.20.0.0/16"},
		{"services as asked", serviceCIDR("10.7.0.0/20"), func(c eks.Cluster) any { return c.ServiceCIDR }, "10.7.0.0/20"},
		{"public CIDRs are masked, each once", publicCIDRs("203.0.113.7/24", "203.0.113.0/24"), func(c eks.Cluster) any { return fmt.Sprint(c.PublicAccessCIDRs) }, "[203.0.113.0/24]"},
		{"add-ons", nil, func(c eks.Cluster) any { return c.SelfManagedAddons }, true},
		{"no add-ons", func(in *sdk.CreateClusterInput) { in.BootstrapSelfManagedAddons = aws.Bool(false) }, func(c eks.Cluster) any { return c.SelfManagedAddons }, false},
		{"support", nil, func(c eks.Cluster) any { return c.Support }, types.SupportTypeExtended},
		{"emulated version", func(in *sdk.CreateClusterInput) { in.Version = aws.String("1.34") }, func(c eks.Cluster) any { return c.Version }, "1.34"},
		{"security groups", groups("sg-1"), func(c eks.Cluster) any { return fmt.Sprint(c.SecurityGroups) }, "[sg-1]"},
		{"creator without admin", access(types.AuthenticationModeApi, false), func(c eks.Cluster) any { return c.CreatorIsAdmin }, false},
		{"caller from inside", nil, func(c eks.Cluster) any { return c.Creator }, arn.ARN{Partition: "aws", Service: "iam", Account: "123456789012", Resource: "role/team/admin"}},
	}
	for _, tt := range tests {
		in := clusterInput("demo")
		if tt.edit != nil {
			tt.edit(in)
		}
		if _, err := h.CreateCluster(h.ctx, in); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		c, err := h.Cluster(h.ctx, "demo")
		if err != nil {
			t.Fatal(err)
		}
		if got := tt.get(c); got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, got, tt.want)
		}
		if _, err := h.DeleteCluster(h.ctx, &sdk.DeleteClusterInput{Name: aws.String("demo")}); err != nil {
			t.Fatal(err)
		}
		h.settleCluster("demo", "")
	}
}
