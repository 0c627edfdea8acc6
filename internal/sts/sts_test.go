package sts_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	awssts "github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"
	clocktesting "k8s.io/utils/clock/testing"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/iam"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/principal"
	"berth.dev/berth/internal/store/storetest"
	"berth.dev/berth/internal/sts"
)

var _ sts.Identities = (*iam.Service)(nil)

const (
	account = "123456789012"
	ops     = "arn:aws:iam::123456789012:role/ops"
)

// fixture is STS over the real IAM, with the user amelie.
type fixture struct {
	*sts.Service
	iam   *iam.Service
	clock *clocktesting.FakePassiveClock
	key   string
}

func setup(t *testing.T, rootMay bool) fixture {
	t.Helper()
	ctx := t.Context()
	scope := arn.Scope{Partition: "aws", Region: "eu-west-3", Account: account}
	f := fixture{clock: clocktesting.NewFakePassiveClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))}
	var err error
	if f.iam, err = iam.New(iam.Config{Store: storetest.New(t), Clock: f.clock, Scope: scope, Root: iam.Key{ID: "test", Secret: "test"}}); err != nil {
		t.Fatal(err)
	}
	if f.Service, err = sts.New(sts.Config{Scope: scope, Identities: f.iam, RootMayAssumeRoles: rootMay}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.iam.CreateUser(ctx, &awsiam.CreateUserInput{UserName: aws.String("amelie")}); err != nil {
		t.Fatal(err)
	}
	k, err := f.iam.CreateAccessKey(ctx, &awsiam.CreateAccessKeyInput{UserName: aws.String("amelie")})
	if err != nil {
		t.Fatal(err)
	}
	f.key = *k.AccessKey.AccessKeyId
	return f
}

// as is a context in which the owner of a key calls.
func (f fixture) as(t *testing.T, key string) context.Context {
	t.Helper()
	_, _, p, err := f.iam.Lookup(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return principal.NewContext(t.Context(), p)
}

func (f fixture) role(t *testing.T, name, principal, condition string) {
	t.Helper()
	trust := fmt.Sprintf(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":%s,"Action":"sts:AssumeRole","Condition":{%s}}]}`, principal, condition)
	if _, err := f.iam.CreateRole(t.Context(), &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust}); err != nil {
		t.Fatal(err)
	}
}

func (f fixture) allow(t *testing.T, action string) {
	t.Helper()
	if _, err := f.iam.PutUserPolicy(t.Context(), &awsiam.PutUserPolicyInput{UserName: aws.String("amelie"), PolicyName: aws.String("p"),
		PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"` + action + `","Resource":"*"}]}`)}); err != nil {
		t.Fatal(err)
	}
}

func refusal(err error) string {
	var f *fault.Error
	if !errors.As(err, &f) {
		return fmt.Sprint(err)
	}
	return fmt.Sprintf("%d %s: %s", f.Status, f.Code, f.Message)
}

func TestGetCallerIdentity(t *testing.T) {
	f := setup(t, true)
	f.role(t, "ops", `{"AWS":"123456789012"}`, "")
	session, err := f.AssumeRole(f.as(t, "test"), &awssts.AssumeRoleInput{RoleArn: aws.String(ops), RoleSessionName: aws.String("me")})
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct{ name, key, arn, idPrefix string }{
		{"root", "test", "arn:aws:iam::123456789012:root", account},
		{"user", f.key, "arn:aws:iam::123456789012:user/amelie", "AIDA"},
		{"role", *session.Credentials.AccessKeyId, "arn:aws:sts::123456789012:assumed-role/ops/me", "AROA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, err := f.GetCallerIdentity(f.as(t, tt.key), &awssts.GetCallerIdentityInput{})
			if err != nil || *got.Arn != tt.arn || *got.Account != account || !strings.HasPrefix(*got.UserId, tt.idPrefix) {
				t.Errorf("GetCallerIdentity = %+v, %v", got, err)
			}
		})
	}
	if _, err := f.GetCallerIdentity(t.Context(), &awssts.GetCallerIdentityInput{}); fault.Code(err) != "MissingAuthenticationToken" {
		t.Errorf("GetCallerIdentity of nobody = %v", err)
	}
}

func TestAssumeRole(t *testing.T) {
	const (
		amelie  = `{"AWS":"arn:aws:iam::123456789012:user/amelie"}`
		whole   = `{"AWS":"arn:aws:iam::123456789012:root"}`
		refused = "403 AccessDenied: User: arn:aws:iam::123456789012:user/amelie is not authorized to perform: sts:AssumeRole on resource: " + ops
		invalid = "400 ValidationError: 1 validation error detected: Value "
	)
	for _, tt := range []struct {
		name, principal, condition string
		allow                      string
		edit                       func(*awssts.AssumeRoleInput)
		want                       string // "" where it is allowed
	}{
		{name: "trusted", principal: amelie},
		{name: "trusted account, caller allowed", principal: whole, allow: "sts:AssumeRole"},
		{name: "trusted account, caller not allowed", principal: whole, want: refused + " because no identity-based policy allows the sts:AssumeRole action"},
		{name: "not trusted", principal: `{"Service":"eks.amazonaws.com"}`, allow: "*", want: refused},
		{name: "no role", principal: amelie, edit: func(in *awssts.AssumeRoleInput) { in.RoleArn = aws.String(ops + "2") }, want: refused + "2"},
		{name: "external id", principal: amelie, condition: `"StringEquals":{"sts:ExternalId":"x"}`, edit: func(in *awssts.AssumeRoleInput) { in.ExternalId = aws.String("x") }},
		{name: "wrong external id", principal: amelie, condition: `"StringEquals":{"sts:ExternalId":"x"}`, want: refused},
		{name: "tags without trust", principal: amelie, edit: func(in *awssts.AssumeRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("b")}}
		}, want: strings.Replace(refused, "AssumeRole", "TagSession", 1)},
		{name: "no session name", principal: amelie, edit: func(in *awssts.AssumeRoleInput) { in.RoleSessionName = nil }, want: invalid + "null at 'roleSessionName' failed to satisfy constraint: Member must not be null"},
		{name: "bad session name", principal: amelie, edit: func(in *awssts.AssumeRoleInput) { in.RoleSessionName = aws.String("a b") }, want: invalid + `'a b' at 'roleSessionName' failed to satisfy constraint: Member must satisfy regular expression pattern: [\w+=,.@-]*`},
		{name: "short session name", principal: amelie, edit: func(in *awssts.AssumeRoleInput) { in.RoleSessionName = aws.String("a") }, want: invalid + "'a' at 'roleSessionName' failed to satisfy constraint: Member must have length greater than or equal to 2"},
		{name: "short", principal: amelie, edit: func(in *awssts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(60) }, want: invalid + "'60' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900"},
		{name: "longer than the role allows", principal: amelie, edit: func(in *awssts.AssumeRoleInput) { in.DurationSeconds = aws.Int32(7200) }, want: "400 ValidationError: The requested DurationSeconds exceeds the MaxSessionDuration set for this role."},
		{name: "no ARN", principal: amelie, edit: func(in *awssts.AssumeRoleInput) { in.RoleArn = aws.String("role/ops-of-the-cluster") }, want: "400 ValidationError: role/ops-of-the-cluster is invalid"},
		{name: "bad session policy", principal: amelie, edit: func(in *awssts.AssumeRoleInput) { in.Policy = aws.String("{") }, want: "400 MalformedPolicyDocument: This policy contains invalid Json"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := setup(t, false)
			f.role(t, "ops", tt.principal, tt.condition)
			if tt.allow != "" {
				f.allow(t, tt.allow)
			}
			in := awssts.AssumeRoleInput{RoleArn: aws.String(ops), RoleSessionName: aws.String("me")}
			if tt.edit != nil {
				tt.edit(&in)
			}
			out, err := f.AssumeRole(f.as(t, f.key), &in)
			if tt.want != "" {
				if got := refusal(err); got != tt.want {
					t.Errorf("refusal:\n got %s\nwant %s", got, tt.want)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if *out.AssumedRoleUser.Arn != "arn:aws:sts::123456789012:assumed-role/ops/me" || !out.Credentials.Expiration.Equal(f.clock.Now().Add(time.Hour)) {
				t.Errorf("AssumeRole = %+v until %s", *out.AssumedRoleUser, out.Credentials.Expiration)
			}
		})
	}
}

func TestSession(t *testing.T) {
	f := setup(t, false)
	f.role(t, "ops", `{"AWS":"arn:aws:iam::123456789012:user/amelie"}`, "")
	out, err := f.AssumeRole(f.as(t, f.key), &awssts.AssumeRoleInput{RoleArn: aws.String(ops), RoleSessionName: aws.String("me")})
	if err != nil {
		t.Fatal(err)
	}
	c := out.Credentials
	secret, token, p, err := f.iam.Lookup(t.Context(), *c.AccessKeyId)
	if err != nil || secret != *c.SecretAccessKey || token != *c.SessionToken || len(*c.AccessKeyId) != 20 {
		t.Fatalf("Lookup of a session's key: %v; secret and token match: %t, %t", err, secret == *c.SecretAccessKey, token == *c.SessionToken)
	}
	if p.Kind != principal.AssumedRole || p.Issuer().String() != ops || p.SessionName != "me" || p.UserID != *out.AssumedRoleUser.AssumedRoleId {
		t.Errorf("principal = %+v", p)
	}
	if got, err := f.GetAccessKeyInfo(t.Context(), &awssts.GetAccessKeyInfoInput{AccessKeyId: c.AccessKeyId}); err != nil || *got.Account != account {
		t.Errorf("GetAccessKeyInfo = %+v, %v", got, err)
	}
	if _, err := f.GetSessionToken(f.as(t, *c.AccessKeyId), &awssts.GetSessionTokenInput{}); fault.Code(err) != "AccessDenied" {
		t.Errorf("GetSessionToken of a role session = %v", err)
	}
	f.clock.SetTime(f.clock.Now().Add(time.Hour))
	if _, _, _, err := f.iam.Lookup(t.Context(), *c.AccessKeyId); !errors.Is(err, credential.ErrExpired) {
		t.Errorf("Lookup an hour later = %v, want ErrExpired", err)
	}
}

func TestSessionEndsWithItsRole(t *testing.T) {
	f := setup(t, false)
	trust := `{"AWS":"arn:aws:iam::123456789012:user/amelie"}`
	f.role(t, "ops", trust, "")
	out, err := f.AssumeRole(f.as(t, f.key), &awssts.AssumeRoleInput{RoleArn: aws.String(ops), RoleSessionName: aws.String("me")})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.iam.DeleteRole(t.Context(), &awsiam.DeleteRoleInput{RoleName: aws.String("ops")}); err != nil {
		t.Fatal(err)
	}
	f.role(t, "ops", trust, "")
	if _, _, _, err := f.iam.Lookup(t.Context(), *out.Credentials.AccessKeyId); !errors.Is(err, credential.ErrUnknownKey) {
		t.Errorf("Lookup after the role was made again = %v, want ErrUnknownKey", err)
	}
}

func TestRoot(t *testing.T) {
	f := setup(t, false)
	f.role(t, "ops", `{"AWS":"123456789012"}`, "")
	_, err := f.AssumeRole(f.as(t, "test"), &awssts.AssumeRoleInput{RoleArn: aws.String(ops), RoleSessionName: aws.String("me")})
	if got, want := refusal(err), "403 AccessDenied: Roles may not be assumed by root accounts."; got != want {
		t.Errorf("AssumeRole of root = %s, want %s", got, want)
	}
	out, err := f.GetSessionToken(f.as(t, "test"), &awssts.GetSessionTokenInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got := out.Credentials.Expiration.Sub(f.clock.Now()); got != time.Hour {
		t.Errorf("root's session lasts %s, want 1h", got)
	}
	_, _, p, err := f.iam.Lookup(t.Context(), *out.Credentials.AccessKeyId)
	if err != nil || p.Kind != principal.Root {
		t.Errorf("root's session = %+v, %v", p, err)
	}
}

func TestChainedSessionIsShort(t *testing.T) {
	f := setup(t, false)
	f.role(t, "first", `{"AWS":"arn:aws:iam::123456789012:user/amelie"}`, "")
	if _, err := f.iam.CreateRole(t.Context(), &awsiam.CreateRoleInput{RoleName: aws.String("ops"), MaxSessionDuration: aws.Int32(43200),
		AssumeRolePolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"arn:aws:iam::123456789012:role/first"},"Action":"sts:AssumeRole"}]}`)}); err != nil {
		t.Fatal(err)
	}
	first, err := f.AssumeRole(f.as(t, f.key), &awssts.AssumeRoleInput{RoleArn: aws.String("arn:aws:iam::123456789012:role/first"), RoleSessionName: aws.String("me")})
	if err != nil {
		t.Fatal(err)
	}
	ctx := f.as(t, *first.Credentials.AccessKeyId)
	in := &awssts.AssumeRoleInput{RoleArn: aws.String(ops), RoleSessionName: aws.String("me"), DurationSeconds: aws.Int32(7200)}
	_, err = f.AssumeRole(ctx, in)
	if got, want := refusal(err), "400 ValidationError: The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining"; got != want {
		t.Errorf("chained AssumeRole = %s, want %s", got, want)
	}
	in.DurationSeconds = nil
	if _, err := f.AssumeRole(ctx, in); err != nil {
		t.Error(err)
	}
}
