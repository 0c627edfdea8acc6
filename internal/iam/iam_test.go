package iam_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	clocktesting "k8s.io/utils/clock/testing"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/iam"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/principal"
	"berth.dev/berth/internal/store/storetest"
)

const (
	account     = "123456789012"
	podTrust    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"eks-fargate-pods.amazonaws.com"},"Action":"sts:AssumeRole"}]}`
	allowEKS    = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*"}]}`
	podPolicy   = "arn:aws:iam::aws:policy/AmazonEKSFargatePodExecutionRolePolicy"
	adminPolicy = "arn:aws:iam::aws:policy/AdministratorAccess"
)

type fixture struct {
	*iam.Service
	clock *clocktesting.FakePassiveClock
}

func setup(t *testing.T) fixture {
	t.Helper()
	clock := clocktesting.NewFakePassiveClock(time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	s, err := iam.New(iam.Config{
		Store: storetest.New(t), Clock: clock,
		Scope: arn.Scope{Partition: "aws", Region: "eu-west-3", Account: account},
		Root:  iam.Key{ID: "test", Secret: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	return fixture{Service: s, clock: clock}
}

func (f fixture) role(t *testing.T, name, trust string) string {
	t.Helper()
	out, err := f.CreateRole(t.Context(), &awsiam.CreateRoleInput{RoleName: &name, AssumeRolePolicyDocument: &trust})
	if err != nil {
		t.Fatal(err)
	}
	return *out.Role.Arn
}

func (f fixture) user(t *testing.T, name string) (keyID string) {
	t.Helper()
	if _, err := f.CreateUser(t.Context(), &awsiam.CreateUserInput{UserName: &name}); err != nil {
		t.Fatal(err)
	}
	k, err := f.CreateAccessKey(t.Context(), &awsiam.CreateAccessKeyInput{UserName: &name})
	if err != nil {
		t.Fatal(err)
	}
	return *k.AccessKey.AccessKeyId
}

func (f fixture) caller(t *testing.T, key string) principal.Principal {
	t.Helper()
	_, _, p, err := f.Lookup(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// wantFault fails unless err is the refusal with a code, status and message.
func wantFault(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("error = %v, want %s", err, code)
	}
	if got, want := fmt.Sprintf("%d %s: %s", f.Status, f.Code, f.Message), fmt.Sprintf("%d %s: %s", status, code, message); got != want {
		t.Errorf("refusal:\n got %s\nwant %s", got, want)
	}
}

func TestLookup(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	key := f.user(t, "amelie")
	secret, token, p, err := f.Lookup(ctx, key)
	if err != nil || len(secret) != 40 || token != "" {
		t.Fatalf("Lookup = %d characters of secret, token %q, %v", len(secret), token, err)
	}
	if got, want := p.ARN.String(), "arn:aws:iam::123456789012:user/amelie"; got != want || p.Kind != principal.User {
		t.Errorf("principal = %s %s, want User %s", p.Kind, got, want)
	}
	secret, _, p, err = f.Lookup(ctx, "test")
	if err != nil || secret != "test" || p.Kind != principal.Root || p.ARN.String() != "arn:aws:iam::123456789012:root" || p.UserID != account {
		t.Errorf("Lookup(test) = %q, %+v, %v", secret, p, err)
	}
	for _, id := range []string{"", "AKIANOBODY0000000000"} {
		if _, _, _, err := f.Lookup(ctx, id); !errors.Is(err, credential.ErrUnknownKey) {
			t.Errorf("Lookup(%q) = %v, want ErrUnknownKey", id, err)
		}
	}
	if _, err := f.UpdateAccessKey(ctx, &awsiam.UpdateAccessKeyInput{UserName: aws.String("amelie"), AccessKeyId: &key, Status: "Inactive"}); err != nil {
		t.Fatal(err)
	}
	if _, _, _, err := f.Lookup(ctx, key); !errors.Is(err, credential.ErrUnknownKey) {
		t.Errorf("Lookup of an inactive key = %v, want ErrUnknownKey", err)
	}
}

func TestCreateRoleOnce(t *testing.T) {
	f := setup(t)
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() {
			_, errs[i] = f.CreateRole(context.WithoutCancel(t.Context()), &awsiam.CreateRoleInput{
				RoleName: aws.String([]string{"Pods", "pods"}[i%2]), AssumeRolePolicyDocument: aws.String(podTrust)})
		})
	}
	wg.Wait()
	won := 0
	for _, err := range errs {
		switch fault.Code(err) {
		case "":
			if err != nil {
				t.Error(err)
			}
			won++
		case "EntityAlreadyExists":
		default:
			t.Error(err)
		}
	}
	if won != 1 {
		t.Errorf("%d of %d CreateRole at once succeeded, want 1", won, len(errs))
	}
}
