package kubeauth

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/google/go-cmp/cmp"
	authenticationv1 "k8s.io/api/authentication/v1"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/awsapi/sigv4"
	"berth.dev/berth/internal/principal"
)

var (
	now  = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	root = principal.Principal{
		Kind: principal.Root, Account: "123456789012", UserID: "123456789012", AccessKeyID: "test",
		ARN: arn.ARN{Partition: "aws", Service: "iam", Account: "123456789012", Resource: "root"},
	}
)

type keys map[string]sigv4.Key

func (k keys) Lookup(_ context.Context, id string) (sigv4.Key, error) {
	if key, ok := k[id]; ok {
		return key, nil
	}
	return sigv4.Key{}, sigv4.ErrUnknownKey
}

var testKeys = keys{"test": {Secret: "test", Principal: root}}

// presign makes a token as clients do, for any STS host.
func presign(t testing.TB, host, cluster, secret string, at time.Time) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, host+"/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set(clusterHeader, cluster)
	const empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
	u, _, err := v4.NewSigner().PresignHTTP(context.Background(), aws.Credentials{AccessKeyID: "test", SecretAccessKey: secret}, r, empty, "sts", "us-east-1", at)
	if err != nil {
		t.Fatal(err)
	}
	return Token(u)
}

func TestVerify(t *testing.T) {
	good := presign(t, "https://sts.us-east-1.amazonaws.com", "demo", "test", now)
	tests := []struct {
		name, token string
		at          time.Time
		ok          bool
		format      string
	}{
		{name: "of AWS's own host", token: good, at: now, ok: true},
		{name: "of an endpoint of ours", token: presign(t, "http://127.0.0.1:4566", "demo", "test", now), at: now, ok: true},
		{name: "after fourteen minutes", token: good, at: now.Add(14 * time.Minute), ok: true},
		{name: "after sixteen minutes", token: good, at: now.Add(16 * time.Minute)},
		{name: "for another cluster", token: presign(t, "https://sts.us-east-1.amazonaws.com", "other", "test", now), at: now},
		{name: "with another secret", token: presign(t, "https://sts.us-east-1.amazonaws.com", "demo", "wrong", now), at: now},
		{name: "without its prefix", token: strings.TrimPrefix(good, prefix), at: now, format: "token is missing expected \"k8s-aws-v1.\" prefix"},
		{name: "too large", token: good + strings.Repeat("A", maxTokenSize), at: now, format: "token is too large"},
		{name: "with a path", token: Token("https://sts.amazonaws.com/x?Action=GetCallerIdentity"), at: now, format: "unexpected path in pre-signed URL"},
		{name: "with another scheme", token: Token("ftp://sts.amazonaws.com/"), at: now, format: "unexpected scheme \"ftp\" in pre-signed URL"},
		{name: "of another action", token: Token("https://sts.amazonaws.com/?Action=AssumeRole"), at: now, format: "unexpected action parameter in pre-signed URL"},
		{name: "with a foreign parameter", token: Token("https://sts.amazonaws.com/?Action=GetCallerIdentity&x=1"), at: now, format: "non-whitelisted query parameter \"x\""},
		{name: "that does not sign the cluster", token: Token("https://sts.amazonaws.com/?Action=GetCallerIdentity&X-Amz-SignedHeaders=host"), at: now, format: "client did not sign the x-k8s-aws-id header in the pre-signed URL"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := Verify(context.Background(), tt.token, "demo", testKeys, tt.at)
			if (err == nil) != tt.ok {
				t.Fatalf("Verify = %v, want success %v", err, tt.ok)
			}
			if tt.ok && p != root {
				t.Errorf("principal = %+v, want root", p)
			}
			var f FormatError
			if tt.format != "" && (!errors.As(err, &f) || f.Message != tt.format) {
				t.Errorf("error = %v, want format error %q", err, tt.format)
			}
			if err != nil && !Denied(err) {
				t.Errorf("error %v does not count as a refusal", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	f.Add(presign(f, "https://sts.us-east-1.amazonaws.com", "demo", "test", now))
	f.Add("k8s-aws-v1.")
	f.Fuzz(func(t *testing.T, token string) {
		u, err := parse(token)
		if err == nil && u == nil {
			t.Error("no URL and no error")
		}
	})
}

func TestConfigMap(t *testing.T) {
	m, err := ParseConfigMap(map[string]string{
		"mapRoles": `
- rolearn: arn:aws:iam::123456789012:role/pods
  username: system:node:{{SessionName}}
  groups: [system:bootstrappers, system:nodes, system:node-proxier]
`,
		"mapUsers": "- {userarn: 'arn:aws:iam::123456789012:user/ann', username: ann, groups: [dev]}",
	})
	if err != nil {
		t.Fatal(err)
	}
	role := func(path, session string) principal.Principal {
		return principal.Principal{Kind: principal.AssumedRole, Account: "123456789012", SessionName: session,
			Role: arn.ARN{Partition: "aws", Service: "iam", Account: "123456789012", Resource: "role/" + path}}
	}
	user := principal.Principal{Kind: principal.User, Account: "123456789012",
		ARN: arn.ARN{Partition: "aws", Service: "iam", Account: "123456789012", Resource: "user/ann"}}
	tests := []struct {
		name string
		p    principal.Principal
		want User
		ok   bool
	}{
		{"role", role("pods", "fargate-ip-10-0-0-5.ec2.internal"), User{"system:node:fargate-ip-10-0-0-5.ec2.internal", []string{"system:bootstrappers", "system:nodes", "system:node-proxier"}}, true},
		{"role with a path", role("team/pods", "a@b"), User{"system:node:a-b", []string{"system:bootstrappers", "system:nodes", "system:node-proxier"}}, true},
		{"user", user, User{"ann", []string{"dev"}}, true},
		{"root is nobody", root, User{}, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := m.Map(tt.p)
			if ok != tt.ok {
				t.Fatalf("mapped = %v, want %v", ok, tt.ok)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("user (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseConfigMapKeepsWhatItCanRead(t *testing.T) {
	m, err := ParseConfigMap(map[string]string{"mapRoles": "- rolearn: a\n  username: b\n", "mapUsers": "{"})
	if err == nil || len(m.Roles) != 1 {
		t.Errorf("ParseConfigMap = %+v, %v; want the role and an error", m, err)
	}
}

type creator struct{}

func (creator) Map(_ context.Context, _ string, p principal.Principal) (User, bool, error) {
	return Admin(p), p == root, nil
}

func TestWebhook(t *testing.T) {
	w := &Webhook{Cluster: "demo", Keys: testKeys, Mapper: creator{}, Now: func() time.Time { return now }, Log: slog.New(slog.DiscardHandler)}
	tests := []struct {
		name, token string
		code        int
		want        bool
	}{
		{"creator", presign(t, "https://sts.us-east-1.amazonaws.com", "demo", "test", now), http.StatusOK, true},
		{"stranger", "k8s-aws-v1.eA", http.StatusForbidden, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := json.Marshal(authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: tt.token}})
			if err != nil {
				t.Fatal(err)
			}
			rec := httptest.NewRecorder()
			w.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/authenticate", bytes.NewReader(body)))
			var got authenticationv1.TokenReview
			if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
				t.Fatal(err)
			}
			if rec.Code != tt.code || got.Status.Authenticated != tt.want {
				t.Errorf("answer = %d, authenticated %v; want %d, %v", rec.Code, got.Status.Authenticated, tt.code, tt.want)
			}
			if tt.want && (got.Status.User.Username != root.ARN.String() || got.Status.User.UID != "aws-iam-authenticator:123456789012:123456789012") {
				t.Errorf("user = %+v", got.Status.User)
			}
		})
	}
}
