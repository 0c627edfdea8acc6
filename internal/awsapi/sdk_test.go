package awsapi_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"testing"

	"berth.dev/berth/internal/principal"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	ststypes "github.com/aws/aws-sdk-go-v2/service/sts/types"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

func sha256Hex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}

var unexported = cmpopts.IgnoreUnexported(
	eks.CreateClusterInput{}, ekstypes.VpcConfigRequest{}, ekstypes.CreateAccessConfigRequest{}, ekstypes.Logging{}, ekstypes.LogSetup{}, ekstypes.EncryptionConfig{}, ekstypes.Provider{},
	eks.CreateFargateProfileInput{}, ekstypes.FargateProfileSelector{}, eks.DescribeAccessEntryInput{}, eks.UntagResourceInput{}, eks.ListClustersInput{},
	iam.CreateRoleInput{}, iamtypes.Tag{}, iam.ListRolesInput{}, sts.AssumeRoleInput{}, ststypes.Tag{}, ststypes.PolicyDescriptorType{},
)

// sent is one call of an SDK client and what it sends.
type sent struct {
	name string
	in   any
	call func() error
}

func calls(t *testing.T, d *door) (tests []sent) {
	e, i, s := eks.NewFromConfig(d.config), iam.NewFromConfig(d.config), sts.NewFromConfig(d.config)
	add := func(name string, in any, call func() error) { tests = append(tests, sent{name, in, call}) }
	cluster := &eks.CreateClusterInput{
		Name: aws.String("demo"), RoleArn: aws.String("arn:aws:iam::123456789012:role/x"), ClientRequestToken: aws.String("t"), Version: aws.String("1.36"),
		ResourcesVpcConfig: &ekstypes.VpcConfigRequest{SubnetIds: []string{"subnet-1"}, EndpointPrivateAccess: aws.Bool(true), PublicAccessCidrs: []string{}},
		AccessConfig:       &ekstypes.CreateAccessConfigRequest{AuthenticationMode: ekstypes.AuthenticationModeApiAndConfigMap},
		Logging:            &ekstypes.Logging{ClusterLogging: []ekstypes.LogSetup{{Enabled: aws.Bool(true), Types: []ekstypes.LogType{"api", "audit"}}}},
		Tags:               map[string]string{"é \"": "☃\n", "b": ""},
		EncryptionConfig:   []ekstypes.EncryptionConfig{{Resources: []string{"secrets"}, Provider: &ekstypes.Provider{KeyArn: aws.String("k")}}},
	}
	add("create cluster", cluster, func() error { _, err := e.CreateCluster(t.Context(), cluster); return err })
	profile := &eks.CreateFargateProfileInput{
		ClusterName: aws.String("demo"), FargateProfileName: aws.String("fp"), PodExecutionRoleArn: aws.String("r"), ClientRequestToken: aws.String("t"),
		Selectors: []ekstypes.FargateProfileSelector{{Namespace: aws.String("default"), Labels: map[string]string{"a": "b*"}}, {Namespace: aws.String("kube-system")}},
	}
	add("create fargate profile", profile, func() error { _, err := e.CreateFargateProfile(t.Context(), profile); return err })
	entry := &eks.DescribeAccessEntryInput{ClusterName: aws.String("a b%2F/c"), PrincipalArn: aws.String("arn:aws:iam::123456789012:role/path/x")}
	add("labels with slashes", entry, func() error { _, err := e.DescribeAccessEntry(t.Context(), entry); return err })
	untag := &eks.UntagResourceInput{ResourceArn: aws.String("arn:aws:eks:eu-west-1:1:cluster/x"), TagKeys: []string{"a b", "c&d"}}
	add("list in the query", untag, func() error { _, err := e.UntagResource(t.Context(), untag); return err })
	list := &eks.ListClustersInput{MaxResults: aws.Int32(7), NextToken: aws.String("a+b="), Include: []string{"all"}}
	add("query", list, func() error { _, err := e.ListClusters(t.Context(), list); return err })
	role := &iam.CreateRoleInput{
		RoleName: aws.String("r"), AssumeRolePolicyDocument: aws.String(`{"a": "b&c=d+e"}`), MaxSessionDuration: aws.Int32(3600),
		Tags: []iamtypes.Tag{{Key: aws.String("a"), Value: aws.String("")}, {Key: aws.String("ß"), Value: aws.String("é")}},
	}
	add("create role", role, func() error { _, err := i.CreateRole(t.Context(), role); return err })
	roles := &iam.ListRolesInput{PathPrefix: aws.String("/x/")}
	add("list roles", roles, func() error { _, err := i.ListRoles(t.Context(), roles); return err })
	assume := &sts.AssumeRoleInput{
		RoleArn: aws.String("arn:aws:iam::123456789012:role/x"), RoleSessionName: aws.String("s1"), PolicyArns: []ststypes.PolicyDescriptorType{{Arn: aws.String("arn:aws:iam::aws:policy/X")}},
		TransitiveTagKeys: []string{"k"}, Tags: []ststypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}},
	}
	add("assume role", assume, func() error { _, err := s.AssumeRole(t.Context(), assume); return err })
	return tests
}

func TestInputsArriveAsTheSDKSentThem(t *testing.T) {
	d := open(t)
	for _, tt := range calls(t, d) {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.call(); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.in, d.asked, unexported); diff != "" {
				t.Errorf("arrived otherwise (-sent +arrived):\n%s", diff)
			}
			if d.caller != root {
				t.Errorf("caller = %v, want root", d.caller)
			}
		})
	}
}

func TestOutputsArriveAsTheDomainGaveThem(t *testing.T) {
	d := open(t)
	cluster, err := eks.NewFromConfig(d.config).DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("demo")})
	if err != nil {
		t.Fatal(err)
	}
	c := cluster.Cluster
	if !c.CreatedAt.Equal(created) || c.Tags["a\"b"] != "c\nd" || c.Tags["é"] != "☃" || c.Status != "ACTIVE" ||
		len(c.ResourcesVpcConfig.SubnetIds) != 2 || !c.ResourcesVpcConfig.EndpointPublicAccess || c.Health.Issues == nil ||
		c.Logging.ClusterLogging[0].Types[0] != "api" {
		t.Errorf("cluster = %+v", c)
	}
	roles, err := iam.NewFromConfig(d.config).ListRoles(t.Context(), &iam.ListRolesInput{})
	if err != nil {
		t.Fatal(err)
	}
	if r := roles.Roles[0]; *r.RoleName != "r" || *r.Tags[0].Key != "<k>" || r.CreateDate.Unix() != created.Unix() || roles.IsTruncated {
		t.Errorf("role = %+v", r)
	}
	summary, err := iam.NewFromConfig(d.config).GetAccountSummary(t.Context(), &iam.GetAccountSummaryInput{})
	if err != nil || summary.SummaryMap["Users"] != 2 {
		t.Errorf("summary = %v, %v", summary, err)
	}
	who, err := sts.NewFromConfig(d.config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil || *who.Account != "123456789012" {
		t.Errorf("identity = %v, %v", who, err)
	}
	if _, err := iam.NewFromConfig(d.config).DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("r")}); err != nil {
		t.Errorf("an operation without a result: %v", err)
	}
}

func TestIdentities(t *testing.T) {
	d := open(t)
	temporary := d.config.Copy()
	temporary.Credentials = credentials.NewStaticCredentialsProvider("ASIATEST", "temporary", "token")
	if _, err := eks.NewFromConfig(temporary).ListClusters(t.Context(), &eks.ListClustersInput{}); err != nil {
		t.Fatal(err)
	}
	if d.caller != role {
		t.Errorf("caller = %v, want the role", d.caller)
	}
	presigned, err := sts.NewPresignClient(sts.NewFromConfig(d.config)).PresignGetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Get(presigned.URL)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Errorf("presigned GetCallerIdentity = %s", resp.Status)
	}
	if _, err := sts.NewFromConfig(aws.Config{Region: region, BaseEndpoint: &d.url, Credentials: aws.AnonymousCredentials{}}).AssumeRoleWithWebIdentity(t.Context(),
		&sts.AssumeRoleWithWebIdentityInput{RoleArn: aws.String("arn:aws:iam::123456789012:role/x"), RoleSessionName: aws.String("ss"), WebIdentityToken: aws.String("jwtx")}); err != nil {
		t.Errorf("unsigned AssumeRoleWithWebIdentity: %v", err)
	}
	if (d.caller != principal.Principal{}) {
		t.Errorf("caller of an unsigned request = %v, want none", d.caller)
	}
}

func TestAuthorisation(t *testing.T) {
	d := open(t)
	e := eks.NewFromConfig(d.config)
	if _, err := e.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("demo")}); err != nil {
		t.Fatal(err)
	}
	got := d.access[len(d.access)-1]
	if got.Action != "eks:DescribeCluster" || got.Resource != "arn:aws:eks:eu-west-1:123456789012:cluster/demo" || got.Conditions["aws:SourceIp"][0] != "127.0.0.1" {
		t.Errorf("access = %+v", got)
	}
	d.deny, d.asked = "eks:DescribeCluster", nil
	_, err := e.DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("demo")})
	var api smithy.APIError
	want := "User: arn:aws:iam::123456789012:root is not authorized to perform: eks:DescribeCluster on resource: arn:aws:eks:eu-west-1:123456789012:cluster/demo because no identity-based policy allows the eks:DescribeCluster action"
	if !errors.As(err, &api) || api.ErrorCode() != "AccessDeniedException" || api.ErrorMessage() != want || d.asked != nil {
		t.Errorf("denied: %v; asked %v", err, d.asked)
	}
	n := len(d.access)
	if _, err := sts.NewFromConfig(d.config).GetCallerIdentity(t.Context(), &sts.GetCallerIdentityInput{}); err != nil || len(d.access) != n {
		t.Errorf("GetCallerIdentity asked for permission: %v", err)
	}
}

func TestDomainErrorsReachTheSDK(t *testing.T) {
	d := open(t)
	d.answer = mustFault("ResourceNotFoundException", 404)
	_, err := eks.NewFromConfig(d.config).DescribeCluster(t.Context(), &eks.DescribeClusterInput{Name: aws.String("x")})
	var missing *ekstypes.ResourceNotFoundException
	if !errors.As(err, &missing) || *missing.Message != "No cluster found for name: x." || *missing.ClusterName != "x" || missing.NodegroupName != nil {
		t.Errorf("error = %v", err)
	}
	d.answer = mustFault("NoSuchEntity", 404)
	_, err = iam.NewFromConfig(d.config).DeleteRole(t.Context(), &iam.DeleteRoleInput{RoleName: aws.String("x")})
	var none *iamtypes.NoSuchEntityException
	if !errors.As(err, &none) {
		t.Errorf("error = %v", err)
	}
	d.answer = errors.New("private detail")
	_, err = eks.NewFromConfig(d.config).ListClusters(t.Context(), &eks.ListClustersInput{})
	var server *ekstypes.ServerException
	if !errors.As(err, &server) || strings.Contains(err.Error(), "private") {
		t.Errorf("error = %v", err)
	}
	if !strings.Contains(d.log.String(), "level=WARN") || !strings.Contains(d.log.String(), `cause="private detail"`) {
		t.Errorf("the log lacks the cause:\n%s", d.log)
	}
}
