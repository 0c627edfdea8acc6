package acceptance

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// start makes the network, the roles, a cluster and a profile.
func (s *scene) start(t *testing.T) {
	s.roles(t)
	s.n = s.network(t)
	s.c = s.create(t, clusterInput("demo", s.n))
	s.k = s.kube(t, s.c)
	s.k.account(t, "default")

	want := map[string]string{
		"arn": "arn:aws:eks:" + region + ":" + account + ":cluster/demo", "version": "1.36", "role": clusterRole,
		"vpc": s.n.vpc, "services": "10.100.0.0/16", "authentication": "CONFIG_MAP",
	}
	got := map[string]string{
		"arn": aws.ToString(s.c.Arn), "version": aws.ToString(s.c.Version), "role": aws.ToString(s.c.RoleArn),
		"vpc": aws.ToString(s.c.ResourcesVpcConfig.VpcId), "services": aws.ToString(s.c.KubernetesNetworkConfig.ServiceIpv4Cidr),
		"authentication": string(s.c.AccessConfig.AuthenticationMode),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("cluster (-want +got):\n%s", diff)
	}
	if !strings.HasPrefix(aws.ToString(s.c.ResourcesVpcConfig.ClusterSecurityGroupId), "sg-") {
		t.Errorf("cluster security group = %q", aws.ToString(s.c.ResourcesVpcConfig.ClusterSecurityGroupId))
	}
	if subnets := slices.Concat(s.n.public, s.n.private); !sameSet(subnets, s.c.ResourcesVpcConfig.SubnetIds) {
		t.Errorf("subnets = %v, want %v", s.c.ResourcesVpcConfig.SubnetIds, subnets)
	}
	v, err := s.k.Discovery().ServerVersion()
	if err != nil || v.Major+"."+v.Minor != "1.36" {
		t.Errorf("version of the API server = %v, %v", v, err)
	}
	p := s.profile(t, profileInput("demo", "fp-default", s.n.private, selector("default"), selector("kube-system")))
	if prefix := "arn:aws:eks:" + region + ":" + account + ":fargateprofile/demo/fp-default/"; !strings.HasPrefix(*p.FargateProfileArn, prefix) {
		t.Errorf("ARN of the profile = %s, want %s…", *p.FargateProfileArn, prefix)
	}
}

func sameSet(a, b []string) bool {
	return cmp.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// identity is who gets in, and who does not.
func (s *scene) identity(t *testing.T) {
	who, err := s.sts().GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || aws.ToString(who.Arn) != "arn:aws:iam::"+account+":root" {
		t.Errorf("caller = %v, %v", who, err)
	}
	review, err := s.k.AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if u := review.Status.UserInfo; u.Username != "arn:aws:iam::"+account+":root" || !slices.Contains(u.Groups, "system:masters") {
		t.Errorf("the creator is %s in %v, want its ARN in system:masters", u.Username, u.Groups)
	}
	now := time.Now()
	ann := s.user(t, "ann")
	for _, tt := range []struct{ name, token string }{
		{"another user", token(t, ann, "demo", now)},
		{"a token of sixteen minutes ago", token(t, root, "demo", now.Add(-16*time.Minute))},
		{"a token for another cluster", token(t, root, "other", now)},
		{"a wrong secret", token(t, aws.Credentials{AccessKeyID: "test", SecretAccessKey: "wrong"}, "demo", now)},
		{"an unknown key", token(t, aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "x"}, "demo", now)},
		{"nonsense", "k8s-aws-v1.nonsense"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			config := restConfig(t, s.c)
			config.BearerToken = tt.token
			_, err := client(t, config).CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
			if !apierrors.IsUnauthorized(err) {
				t.Errorf("listing namespaces: %v, want Unauthorized", err)
			}
		})
	}
	t.Run("nobody", func(t *testing.T) {
		_, err := client(t, restConfig(t, s.c)).CoreV1().Namespaces().List(t.Context(), metav1.ListOptions{})
		if !apierrors.IsForbidden(err) && !apierrors.IsUnauthorized(err) {
			t.Errorf("listing namespaces: %v, want a refusal", err)
		}
	})
	t.Run("a user that aws-auth maps", func(t *testing.T) { s.mapped(t, ann) })
	t.Run("aws eks get-token", s.awsCLI)
}

// mapped lets a user in as administrators do: by the ConfigMap aws-auth.
func (s *scene) mapped(t *testing.T, key aws.Credentials) {
	patch := text(t, map[string]any{"data": map[string]string{
		"mapUsers": "- userarn: arn:aws:iam::" + account + ":user/ann\n  username: ann\n  groups: [viewers]\n"}})
	_, err := s.k.CoreV1().ConfigMaps("kube-system").Patch(t.Context(), "aws-auth", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	config := restConfig(t, s.c)
	config.BearerToken = token(t, key, "demo", time.Now())
	review, err := client(t, config).AuthenticationV1().SelfSubjectReviews().Create(t.Context(), &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if u := review.Status.UserInfo; u.Username != "ann" || !slices.Contains(u.Groups, "viewers") || slices.Contains(u.Groups, "system:masters") {
		t.Errorf("ann is %s in %v, want ann in viewers", u.Username, u.Groups)
	}
	if _, err := client(t, config).CoreV1().Secrets("kube-system").List(t.Context(), metav1.ListOptions{}); !apierrors.IsForbidden(err) {
		t.Errorf("ann lists secrets: %v, want Forbidden", err)
	}
}

// user makes an IAM user that may do everything in AWS, with a key.
func (b *berth) user(t *testing.T, name string) aws.Credentials {
	t.Helper()
	if _, err := b.iam().CreateUser(t.Context(), &iam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	_, err := b.iam().PutUserPolicy(t.Context(), &iam.PutUserPolicyInput{UserName: &name, PolicyName: aws.String("all"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)})
	if err != nil {
		t.Fatal(err)
	}
	key, err := b.iam().CreateAccessKey(t.Context(), &iam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return aws.Credentials{AccessKeyID: *key.AccessKey.AccessKeyId, SecretAccessKey: *key.AccessKey.SecretAccessKey}
}

// awsCLI is how users do it: aws writes the kubeconfig, and kubectl asks aws for
// tokens.
func (s *scene) awsCLI(t *testing.T) {
	program, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("this machine has no aws command")
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	kubeconfig := filepath.Join(s.base, "kubeconfig")
	env := append(os.Environ(), "AWS_ENDPOINT_URL="+s.endpoint, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test",
		"AWS_REGION="+region, "AWS_DEFAULT_REGION="+region, "AWS_PAGER=", "KUBECONFIG="+kubeconfig)
	update := exec.CommandContext(ctx, program, "eks", "update-kubeconfig", "--name", "demo")
	update.Env = env
	if out, err := update.CombinedOutput(); err != nil {
		t.Fatalf("aws eks update-kubeconfig: %v\n%s", err, out)
	}
	get := exec.CommandContext(ctx, filepath.Join(s.Bin, "berth-kube"), "kubectl", "get", "namespace", "kube-system", "-o", "name")
	get.Env = env
	out, err := get.Output()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		t.Fatalf("kubectl: %v\n%s", err, exit.Stderr)
	}
	if err != nil || strings.TrimSpace(string(out)) != "namespace/kube-system" {
		t.Errorf("kubectl printed %q, %v", out, err)
	}
}
