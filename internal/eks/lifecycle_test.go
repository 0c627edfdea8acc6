package eks_test

import (
	"encoding/base64"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/eks"
	"berth.dev/berth/internal/eks/ekstest"
)

func TestPlaneKeepsTheContract(t *testing.T) {
	ekstest.ControlPlaneContract(t, &ekstest.Plane{Steps: 3}, eks.Cluster{ID: "0123456789abcdef0"}, 10*time.Second)
}

func TestClusterLife(t *testing.T) {
	h := newHarness(t)
	out, err := h.CreateCluster(h.ctx, clusterInput("demo"))
	if err != nil {
		t.Fatal(err)
	}
	c := out.Cluster
	if c.Status != types.ClusterStatusCreating || c.Endpoint != nil || c.CertificateAuthority.Data != nil {
		t.Errorf("a new cluster is %s with endpoint %v, want CREATING and none", c.Status, c.Endpoint)
	}
	for _, check := range []struct{ what, got, want string }{
		{"arn", *c.Arn, "arn:aws:eks:eu-west-1:123456789012:cluster/demo"},
		{"version", *c.Version, "1.36"},
		{"platformVersion", *c.PlatformVersion, "eks.1"},
		{"authenticationMode", string(c.AccessConfig.AuthenticationMode), "CONFIG_MAP"},
		{"serviceIpv4Cidr", *c.KubernetesNetworkConfig.ServiceIpv4Cidr, "10.100.0.0/16"},
		{"vpcId", *c.ResourcesVpcConfig.VpcId, "vpc-1"},
		{"publicAccessCidrs", c.ResourcesVpcConfig.PublicAccessCidrs[0], "0.0.0.0/0"},
	} {
		if check.got != check.want {
			t.Errorf("%s is %s, want %s", check.what, check.got, check.want)
		}
	}
	if issuer := *c.Identity.Oidc.Issuer; len(issuer) != len("https://oidc.eks.eu-west-1.amazonaws.com/id/")+32 {
		t.Errorf("issuer %s does not end in 32 digits", issuer)
	}

	// One step does not make it ACTIVE, nor does a restart in between.
	if _, err := h.ReconcileCluster(h.ctx, "demo"); err != nil {
		t.Fatal(err)
	}
	if got, _ := h.Cluster(h.ctx, "demo"); got.Status != types.ClusterStatusCreating || got.ClusterSecurityGroup == "" {
		t.Errorf("after one step: status %s, security group %q", got.Status, got.ClusterSecurityGroup)
	}
	h.restart()
	got := h.settleCluster("demo", types.ClusterStatusActive)
	if got.Creator != mustARN("arn:aws:iam::123456789012:role/team/admin") || !got.CreatorIsAdmin {
		t.Errorf("creator %s, admin %v, want the role behind the session, true", got.Creator, got.CreatorIsAdmin)
	}
	if !slices.Contains(h.roles.Linked, "eks.amazonaws.com") {
		t.Error("no service-linked role was made for EKS")
	}
	described, err := h.DescribeCluster(h.ctx, &sdk.DescribeClusterInput{Name: aws.String("demo")})
	if err != nil {
		t.Fatal(err)
	}
	ca, err := base64.StdEncoding.DecodeString(*described.Cluster.CertificateAuthority.Data)
	if err != nil || string(ca) != "-----BEGIN CERTIFICATE-----\n" {
		t.Errorf("certificate authority %q, %v", ca, err)
	}

	if _, err := h.DeleteCluster(h.ctx, &sdk.DeleteClusterInput{Name: aws.String("demo")}); err != nil {
		t.Fatal(err)
	}
	again, err := h.DeleteCluster(h.ctx, &sdk.DeleteClusterInput{Name: aws.String("demo")})
	if err != nil || again.Cluster.Status != types.ClusterStatusDeleting {
		t.Errorf("deleting again: %v, %v, want DELETING", again, err)
	}
	h.restart()
	h.settleCluster("demo", "")
	if h.plane.Running() != 0 || len(h.net.ClusterGroups) != 0 {
		t.Errorf("left behind: %d control planes, security groups %v", h.plane.Running(), h.net.ClusterGroups)
	}
	// The name, the VPC and the quota are free again.
	h.active("demo")
}

func TestActiveClusterIsObserved(t *testing.T) {
	h := newHarness(t)
	h.active("demo")
	h.plane.Set(func(p *ekstest.Plane) { p.Failed = "etcd is gone" })
	if _, err := h.ReconcileCluster(h.ctx, "demo"); err != nil {
		t.Fatal(err)
	}
	c, _ := h.Cluster(h.ctx, "demo")
	if c.Status != types.ClusterStatusActive || len(c.Issues) != 1 || *c.Issues[0].Message != "etcd is gone" {
		t.Errorf("status %s, issues %v, want ACTIVE with one issue", c.Status, c.Issues)
	}
	h.plane.Set(func(p *ekstest.Plane) { p.Failed = "" })
	again, err := h.ReconcileCluster(h.ctx, "demo")
	if err != nil || again != eks.DefaultIntervals.Resync {
		t.Errorf("next look after %v, %v, want %v", again, err, eks.DefaultIntervals.Resync)
	}
	if c, _ := h.Cluster(h.ctx, "demo"); len(c.Issues) != 0 {
		t.Errorf("issues %v on a healthy cluster", c.Issues)
	}
}

func TestClusterFails(t *testing.T) {
	h := newHarness(t)
	h.plane.Set(func(p *ekstest.Plane) { p.Err = errors.New("disk is slow") })
	if _, err := h.CreateCluster(h.ctx, clusterInput("demo")); err != nil {
		t.Fatal(err)
	}
	if _, err := h.ReconcileCluster(h.ctx, "demo"); err == nil {
		t.Error("an error of the control plane did not come back for a retry")
	}
	h.plane.Set(func(p *ekstest.Plane) { p.Err, p.Failed = nil, "no such binary" })
	c := h.settleCluster("demo", types.ClusterStatusFailed)
	if len(c.Issues) != 1 || *c.Issues[0].Message != "no such binary" {
		t.Errorf("issues %v, want the cause", c.Issues)
	}
	if _, err := h.DeleteCluster(h.ctx, &sdk.DeleteClusterInput{Name: aws.String("demo")}); err != nil {
		t.Fatal(err)
	}
	h.settleCluster("demo", "")
}

func TestProfileLife(t *testing.T) {
	h := newHarness(t)
	h.active("demo")
	h.pods.Set(func(p *ekstest.Pods) { p.Served, p.Left = false, 2 })
	out, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "fp", func(in *sdk.CreateFargateProfileInput) {
		in.Selectors = append(in.Selectors, types.FargateProfileSelector{
			Namespace: aws.String("dev"), Labels: map[string]string{"env": "dev"},
		})
	}))
	if err != nil {
		t.Fatal(err)
	}
	p := out.FargateProfile
	if want := []string{"subnet-pria", "subnet-prib"}; !slices.Equal(p.Subnets, want) {
		t.Errorf("subnets %v, want the cluster's private ones %v", p.Subnets, want)
	}
	if p.Selectors[0].Labels != nil || p.Selectors[1].Labels["env"] != "dev" {
		t.Errorf("selectors %v", p.Selectors)
	}
	asked := h.roles.Asked[len(h.roles.Asked)-1]
	if asked.SourceARN.String() != *p.FargateProfileArn || asked.Service != "eks-fargate-pods.amazonaws.com" {
		t.Errorf("the role was checked for %+v, want the profile %s", asked, *p.FargateProfileArn)
	}

	again, err := h.ReconcileProfiles(h.ctx, "demo")
	if err != nil || again != eks.DefaultIntervals.Poll || h.profile("demo", "fp").Status != types.FargateProfileStatusCreating {
		t.Errorf("not served: again in %v, %v, status %s", again, err, h.profile("demo", "fp").Status)
	}
	if !slices.Contains(h.roles.Linked, "eks-fargate.amazonaws.com") {
		t.Error("no service-linked role was made for Fargate")
	}
	h.restart()
	h.pods.Set(func(p *ekstest.Pods) { p.Served = true })
	h.settleProfile("demo", "fp", types.FargateProfileStatusActive)

	if _, err := h.DeleteFargateProfile(h.ctx, &sdk.DeleteFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: aws.String("fp")}); err != nil {
		t.Fatal(err)
	}
	if h.profile("demo", "fp").Serving() {
		t.Error("a profile that is being deleted still takes pods")
	}
	if _, err := h.ReconcileProfiles(h.ctx, "demo"); err != nil {
		t.Fatal(err)
	}
	if got := h.profile("demo", "fp").Status; got != types.FargateProfileStatusDeleting {
		t.Errorf("with a pod left the profile is %q, want DELETING", got)
	}
	h.restart()
	h.settleProfile("demo", "fp", "")
	_, err = h.DescribeFargateProfile(h.ctx, &sdk.DescribeFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: aws.String("fp")})
	checkRefusal(t, err, 404, "ResourceNotFoundException", "No Fargate Profile found with name: fp.")
}

func TestProfileFailsWhenNothingServesIt(t *testing.T) {
	h := newHarness(t)
	h.active("demo")
	h.pods.Set(func(p *ekstest.Pods) { p.Served, p.Left, p.Stuck = false, 1, true })
	if _, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "fp")); err != nil {
		t.Fatal(err)
	}
	h.clock.Step(time.Hour)
	h.restart()
	if _, err := h.ReconcileProfiles(h.ctx, "demo"); err != nil {
		t.Fatal(err)
	}
	if got := h.profile("demo", "fp").Status; got != types.FargateProfileStatusCreating {
		t.Errorf("after an hour in which nothing ran the profile is %s, want CREATING", got)
	}
	h.clock.Step(eks.DefaultIntervals.ProfileCreation)
	h.settleProfile("demo", "fp", types.FargateProfileStatusCreateFailed)
	if p := h.profile("demo", "fp"); len(p.Issues) != 1 || p.Issues[0].Code != types.FargateProfileIssueCodeClusterUnreachable {
		t.Errorf("issues %v, want ClusterUnreachable", p.Issues)
	}
	// A failed profile blocks nobody and can be deleted, as often as need be.
	remove := func() {
		t.Helper()
		if _, err := h.DeleteFargateProfile(h.ctx, &sdk.DeleteFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: aws.String("fp")}); err != nil {
			t.Fatal(err)
		}
	}
	remove()
	h.clock.Step(eks.DefaultIntervals.ProfileDeletion)
	h.settleProfile("demo", "fp", types.FargateProfileStatusDeleteFailed)
	h.pods.Set(func(p *ekstest.Pods) { p.Stuck = false })
	remove()
	h.settleProfile("demo", "fp", "")
}
