package awsapi_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/awsapi"
	"berth.dev/berth/internal/awsapi/sigv4"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/id"
	"berth.dev/berth/internal/principal"
	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	ekstypes "github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"k8s.io/utils/clock"
)

const region = "eu-west-1"

var root = principal.Principal{
	Kind: principal.Root, ARN: arn.ARN{Partition: "aws", Service: "iam", Account: "123456789012", Resource: "root"},
	Account: "123456789012", UserID: "123456789012", AccessKeyID: "test",
}

var role = principal.Principal{
	Kind: principal.AssumedRole, ARN: arn.ARN{Partition: "aws", Service: "sts", Account: "123456789012", Resource: "assumed-role/r/s"},
	Account: "123456789012", UserID: "AROAX:s", AccessKeyID: "ASIATEST",
	Role: arn.ARN{Partition: "aws", Service: "iam", Account: "123456789012", Resource: "role/r"}, SessionName: "s",
}

type fakeKeys struct{}

func (fakeKeys) Lookup(_ context.Context, id string) (sigv4.Key, error) {
	switch id {
	case "test":
		return sigv4.Key{Secret: "test", Principal: root}, nil
	case "ASIATEST":
		return sigv4.Key{Secret: "temporary", SessionToken: "token", Principal: role}, nil
	case "BROKEN":
		return sigv4.Key{}, errors.New("the store is away")
	}
	return sigv4.Key{}, sigv4.ErrUnknownKey
}

// ec2 shapes, as the domain would have them.
type describeVpcsInput struct {
	DryRun     *bool
	VpcIds     []string `ec2:"VpcId"`
	MaxResults int
}

type vpc struct {
	VpcId string
	Tags  []tag `ec2:"Tag/tagSet"`
}

type tag struct{ Key, Value string }

type describeVpcsOutput struct {
	Vpcs      []vpc   `ec2:"vpcSet"`
	NextToken *string `ec2:",omitempty"`
}

type deleteVpcInput struct {
	VpcId string `ec2:",required"`
}

type deleteVpcOutput struct{}

// domain is the services behind the door; it keeps what it was asked.
type domain struct {
	mu     sync.Mutex
	asked  any
	caller principal.Principal
	answer error
}

func ask[I, O any](d *domain, out *O) func(context.Context, *I) (*O, error) {
	return func(ctx context.Context, in *I) (*O, error) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.asked = in
		d.caller, _ = principal.FromContext(ctx)
		return out, d.answer
	}
}

var created = time.UnixMilli(1760000000123).UTC()

func (d *domain) services() []awsapi.Service {
	cluster := &ekstypes.Cluster{
		Name: aws.String("demo"), Status: ekstypes.ClusterStatusActive, CreatedAt: &created, Version: aws.String("1.36"),
		Tags:               map[string]string{"a\"b": "c\nd", "é": "☃"},
		ResourcesVpcConfig: &ekstypes.VpcConfigResponse{SubnetIds: []string{"subnet-1", "subnet-2"}, EndpointPublicAccess: true},
		Logging:            &ekstypes.Logging{ClusterLogging: []ekstypes.LogSetup{{Enabled: aws.Bool(false), Types: []ekstypes.LogType{"api"}}}},
		Health:             &ekstypes.ClusterHealth{Issues: []ekstypes.ClusterIssue{}},
	}
	iamRole := iamtypes.Role{
		RoleName: aws.String("r"), Arn: aws.String("arn:aws:iam::123456789012:role/r"), Path: aws.String("/"), RoleId: aws.String("AROAX"), CreateDate: &created,
		AssumeRolePolicyDocument: aws.String("%7B%7D"), Tags: []iamtypes.Tag{{Key: aws.String("<k>"), Value: aws.String("")}},
	}
	return []awsapi.Service{
		awsapi.EKS(
			awsapi.Op("CreateCluster", ask[eks.CreateClusterInput](d, &eks.CreateClusterOutput{Cluster: cluster})),
			awsapi.Op("DescribeCluster", ask[eks.DescribeClusterInput](d, &eks.DescribeClusterOutput{Cluster: cluster})),
			awsapi.Op("ListClusters", ask[eks.ListClustersInput](d, &eks.ListClustersOutput{Clusters: []string{}})),
			awsapi.Op("CreateFargateProfile", ask[eks.CreateFargateProfileInput](d, &eks.CreateFargateProfileOutput{})),
			awsapi.Op("DescribeAccessEntry", ask[eks.DescribeAccessEntryInput](d, &eks.DescribeAccessEntryOutput{})),
			awsapi.Op("UntagResource", ask[eks.UntagResourceInput](d, &eks.UntagResourceOutput{})),
			awsapi.Op("UpdateClusterConfig", func(context.Context, *eks.UpdateClusterConfigInput) (*eks.UpdateClusterConfigOutput, error) {
				panic("a bug")
			}),
		),
		awsapi.IAM(
			awsapi.Op("CreateRole", ask[iam.CreateRoleInput](d, &iam.CreateRoleOutput{Role: &iamRole})),
			awsapi.Op("DeleteRole", ask[iam.DeleteRoleInput](d, &iam.DeleteRoleOutput{})),
			awsapi.Op("ListRoles", ask[iam.ListRolesInput](d, &iam.ListRolesOutput{Roles: []iamtypes.Role{iamRole}})),
			awsapi.Op("GetAccountSummary", ask[iam.GetAccountSummaryInput](d, &iam.GetAccountSummaryOutput{SummaryMap: map[string]int32{"Roles": 1, "Users": 2}})),
		),
		awsapi.STS(
			awsapi.Op("GetCallerIdentity", ask[sts.GetCallerIdentityInput](d, &sts.GetCallerIdentityOutput{Account: aws.String("123456789012"), Arn: aws.String(root.ARN.String())})).Unchecked(),
			awsapi.Op("AssumeRole", ask[sts.AssumeRoleInput](d, &sts.AssumeRoleOutput{})),
			awsapi.Op("AssumeRoleWithWebIdentity", ask[sts.AssumeRoleWithWebIdentityInput](d, &sts.AssumeRoleWithWebIdentityOutput{Audience: aws.String("sts")})).Anonymous(),
		),
		awsapi.EC2(
			awsapi.Op("DescribeVpcs", ask[describeVpcsInput](d, &describeVpcsOutput{Vpcs: []vpc{{VpcId: "vpc-1", Tags: []tag{{"Name", "a&b"}}}}})),
			awsapi.Op("DeleteVpc", ask[deleteVpcInput](d, &deleteVpcOutput{})),
		),
	}
}

// door is a running front door.
type door struct {
	*domain
	handler http.Handler
	url     string
	config  aws.Config
	log     *bytes.Buffer
	access  []awsapi.Access
	deny    string
}

// config allows everything and logs nothing.
func config(services []awsapi.Service) awsapi.Config {
	return awsapi.Config{
		Services: services, Keys: fakeKeys{}, Clock: clock.RealClock{}, IDs: id.Source{Random: rand.Reader}, Region: region,
		Log:        slog.New(slog.DiscardHandler),
		Authorizer: awsapi.AuthorizerFunc(func(context.Context, awsapi.Access) error { return nil }),
	}
}

func open(t testing.TB) *door {
	t.Helper()
	d := &door{domain: &domain{}, log: &bytes.Buffer{}}
	level := slog.LevelDebug
	if _, bench := t.(*testing.B); bench {
		level = slog.LevelInfo
	}
	cfg := config(d.services())
	cfg.Log = slog.New(slog.NewTextHandler(d.log, &slog.HandlerOptions{Level: level}))
	cfg.Authorizer = awsapi.AuthorizerFunc(func(_ context.Context, a awsapi.Access) error {
		d.access = append(d.access[max(0, len(d.access)-9):], a)
		if a.Action == d.deny {
			return &awsapi.Denied{Reason: "because no identity-based policy allows the " + a.Action + " action"}
		}
		return nil
	})
	h, err := awsapi.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	d.handler = h
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	d.url = server.URL
	d.config = aws.Config{
		Region: region, BaseEndpoint: &server.URL, HTTPClient: server.Client(), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
	}
	return d
}

// raw sends a request that is signed for a service, as it is; service may be
// empty for no signature.
func (d *door) raw(t testing.TB, service, method, path, contentType, body string) (status int, header http.Header, text string) {
	t.Helper()
	return d.send(t, aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, service, region, method, path, contentType, body)
}

func (d *door) send(t testing.TB, creds aws.Credentials, service, region, method, path, contentType, body string) (int, http.Header, string) {
	t.Helper()
	r, err := http.NewRequest(method, d.url+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if contentType != "" {
		r.Header.Set("Content-Type", contentType)
	}
	if service != "" {
		if err := v4.NewSigner().SignHTTP(t.Context(), creds, r, sha256Hex(body), service, region, time.Now()); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, resp.Header, string(b)
}

func mustFault(code string, status int) error {
	return fault.New(status, code, "No cluster found for name: %s.", "x").With("clusterName", "x").With("nodegroupName", nil).Because(fmt.Errorf("private"))
}
