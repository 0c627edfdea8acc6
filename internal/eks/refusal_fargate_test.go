package eks_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/eks"
	"berth.dev/berth/internal/eks/ekstest"
	"berth.dev/berth/internal/fault"
)

type profileEdit = func(*sdk.CreateFargateProfileInput)

func profileSubnets(ids ...string) profileEdit {
	return func(in *sdk.CreateFargateProfileInput) { in.Subnets = ids }
}

func profileRole(a string) profileEdit {
	return func(in *sdk.CreateFargateProfileInput) { in.PodExecutionRoleArn = aws.String(a) }
}

func profileSelectors(s ...types.FargateProfileSelector) profileEdit {
	return func(in *sdk.CreateFargateProfileInput) { in.Selectors = s }
}

func selector(namespace string, labels int) types.FargateProfileSelector {
	s := types.FargateProfileSelector{Namespace: aws.String(namespace), Labels: map[string]string{}}
	for i := range labels {
		s.Labels[fmt.Sprint("l", i)] = "x"
	}
	return s
}

func TestCreateFargateProfileRefusals(t *testing.T) {
	const badParameter, misconfigured = "InvalidParameterException", "Misconfigured PodExecutionRole Trust Policy; Please add the eks-fargate-pods.amazonaws.com Service Principal"
	tests := []struct {
		name             string
		cluster, profile string
		edit             profileEdit
		status           int
		code, message    string
	}{
		{"no such cluster", "no", "x", nil, 404, "ResourceNotFoundException", "No cluster found for name: no."},
		{"name taken", "demo", "fp", nil, 409, "ResourceInUseException", "A Fargate Profile already exists with this name in this cluster."},
		{"name taken, and no selectors", "demo", "fp", profileSelectors(), 409, "ResourceInUseException", "A Fargate Profile already exists"},
		{"cluster not ACTIVE", "young", "x", nil, 400, "InvalidRequestException", "Cluster 'young' is not in ACTIVE status"},
		{"cluster not ACTIVE, and no selectors", "young", "x", profileSelectors(), 400, "InvalidRequestException", "Cluster 'young' is not in ACTIVE status"},
		{"reserved name", "demo", "eks-x", nil, 400, badParameter, "Fargate Profile name must not start with the reserved prefix eks-"},
		{"name with a slash", "demo", "a/b", nil, 400, badParameter, "Fargate Profile name must be 1 to 63"},
		{"no selectors", "demo", "x", profileSelectors(), 400, badParameter, "Fargate Profile requires at least one selector."},
		{"no namespace", "demo", "x", profileSelectors(types.FargateProfileSelector{Labels: map[string]string{"a": "b"}}), 400, badParameter, "Fargate Profile must have at least one selector with at least one namespace value."},
		{"six labels", "demo", "x", profileSelectors(selector("a", 6)), 400, badParameter, "Request contains Selector with more than 5 Label pairs"},
		{"six selectors", "demo", "x", profileSelectors(make6("a")...), 400, "ResourceLimitExceededException", "Request contains more than 5 Selectors"},
		{"placeholder role", "demo", "x", profileRole("AmazonEKSFargatePodExecutionRole"), 400, badParameter, "Invalid ARN: AmazonEKSFargatePodExecutionRole"},
		{"user as role", "demo", "x", profileRole("arn:aws:iam::123456789012:user/me"), 400, badParameter, "Invalid ARN: arn:aws:iam::123456789012:user/me"},
		{"role of another account", "demo", "x", profileRole("arn:aws:iam::210987654321:role/pods"), 403, "AccessDeniedException", "Cross-account pass role is not allowed."},
		{"role with a path", "demo", "x", profileRole("arn:aws:iam::123456789012:role/team/pods"), 400, badParameter, "The podExecutionRoleArn must not contain a path other than /"},
		{"no such role", "demo", "x", profileRole("arn:aws:iam::123456789012:role/gone"), 400, badParameter, misconfigured},
		{"role trusts another", "demo", "x", profileRole("arn:aws:iam::123456789012:role/stranger"), 400, badParameter, misconfigured},
		{"no such subnet", "demo", "x", profileSubnets("subnet-no"), 400, badParameter, "The subnet ID 'subnet-no' does not exist"},
		{"subnet of another VPC", "demo", "x", profileSubnets("subnet-2a"), 400, badParameter, "Subnet subnet-2a provided in Fargate Profile does not belong to the VPC vpc-1"},
		{"public subnet", "demo", "x", profileSubnets("subnet-pria", "subnet-puba"), 400, badParameter, "Subnet subnet-puba provided in Fargate Profile is not a private subnet"},
		{"reserved tag", "demo", "x", func(in *sdk.CreateFargateProfileInput) { in.Tags = map[string]string{"AWS:x": ""} }, 400, badParameter, "Tag keys must not start with aws:"},
	}
	h := newHarness(t)
	h.active("demo")
	h.activeProfile("demo", "fp")
	if _, err := h.CreateCluster(h.ctx, clusterInput("young", subnets("subnet-2a", "subnet-2b"))); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := h.in(t)
			in := profileInput(tt.cluster, tt.profile)
			if tt.edit != nil {
				tt.edit(in)
			}
			h.refused(func() error { _, err := h.CreateFargateProfile(h.ctx, in); return err },
				tt.status, tt.code, tt.message)
		})
	}
}

func make6(namespace string) (s []types.FargateProfileSelector) {
	for range 6 {
		s = append(s, selector(namespace, 0))
	}
	return s
}

func TestOneProfileAtATime(t *testing.T) {
	h := newHarness(t)
	h.active("demo")
	h.activeProfile("demo", "one")
	h.activeProfile("demo", "two")
	h.pods.Set(func(p *ekstest.Pods) { p.Served, p.Left, p.Stuck = false, 1, true })
	create := func() error { _, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "three")); return err }
	remove := func(name string) func() error {
		return func() error {
			_, err := h.DeleteFargateProfile(h.ctx, &sdk.DeleteFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: aws.String(name)})
			return err
		}
	}
	h.refused(remove("no"), 404, "ResourceNotFoundException", "No Fargate Profile found with name: no.")

	if err := remove("one")(); err != nil {
		t.Fatal(err)
	}
	h.refused(create, 409, "ResourceInUseException",
		"Cannot create Fargate Profile three because cluster demo currently has Fargate profile one in status DELETING")
	h.refused(remove("two"), 409, "ResourceInUseException",
		"Cannot delete Fargate profile two because cluster demo currently has Fargate profile one in status DELETING")
	if err := remove("one")(); err != nil {
		t.Errorf("deleting again: %v, want the profile as it stands", err)
	}
	h.pods.Set(func(p *ekstest.Pods) { p.Stuck = false })
	h.settleProfile("demo", "one", "")

	if err := create(); err != nil {
		t.Fatal(err)
	}
	_, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "four"))
	checkRefusal(t, err, 409, "ResourceInUseException",
		"Cannot create Fargate Profile four because cluster demo currently has Fargate profile three in status CREATING")
	h.refused(remove("two"), 409, "ResourceInUseException",
		"Cannot delete Fargate profile two because cluster demo currently has Fargate profile three in status CREATING")
	h.refused(remove("three"), 409, "ResourceInUseException",
		"Cannot delete Fargate profile three because cluster demo currently has Fargate profile three in status CREATING")
}

func TestParallelCreatesLeaveOneCreating(t *testing.T) {
	h := newHarness(t)
	h.active("demo")
	var wg sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		wg.Go(func() { _, errs[i] = h.CreateFargateProfile(h.ctx, profileInput("demo", fmt.Sprint("fp-", i))) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
			continue
		}
		checkRefusal(t, err, 409, "ResourceInUseException", "Cannot create Fargate Profile")
	}
	profiles, err := h.Profiles(h.ctx, "demo")
	if err != nil || made != 1 || len(profiles) != 1 {
		t.Errorf("%d calls succeeded and %d profiles exist (%v), want one", made, len(profiles), err)
	}
}

func TestParallelCreatesOfOneCluster(t *testing.T) {
	h := newHarness(t)
	var wg sync.WaitGroup
	errs := make([]error, 6)
	for i := range errs {
		// Half compete for the name, half for the VPC.
		wg.Go(func() { _, errs[i] = h.CreateCluster(h.ctx, clusterInput([]string{"a", "b"}[i%2])) })
	}
	wg.Wait()
	made := 0
	for _, err := range errs {
		if err == nil {
			made++
		} else if code := fault.Code(err); code != "ResourceInUseException" && code != "InvalidRequestException" {
			t.Errorf("refused with %v", err)
		}
	}
	if clusters, err := h.Clusters(h.ctx); err != nil || made != 1 || len(clusters) != 1 {
		t.Errorf("%d calls succeeded and %d clusters exist (%v), want one", made, len(clusters), err)
	}
}

func TestDeleteRacesWithCreateProfile(t *testing.T) {
	h := newHarness(t)
	h.active("demo")
	var wg sync.WaitGroup
	var created, deleted error
	wg.Go(func() { _, created = h.CreateFargateProfile(h.ctx, profileInput("demo", "fp")) })
	wg.Go(func() { _, deleted = h.DeleteCluster(h.ctx, &sdk.DeleteClusterInput{Name: aws.String("demo")}) })
	wg.Wait()
	if (created == nil) == (deleted == nil) {
		t.Errorf("create: %v, delete: %v, want one of them refused", created, deleted)
	}
}

func TestProfileQuota(t *testing.T) {
	h := newHarness(t)
	h.active("demo")
	for i := range 10 {
		h.activeProfile("demo", fmt.Sprint("fp-", i))
	}
	h.refused(func() error { _, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "fp-10")); return err },
		400, "ResourceLimitExceededException", "Fargate Profile limit exceeded for cluster demo: at most 10")

	in := &sdk.ListFargateProfilesInput{ClusterName: aws.String("demo"), MaxResults: aws.Int32(4)}
	var names []string
	for {
		out, err := h.ListFargateProfiles(h.ctx, in)
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, out.FargateProfileNames...)
		if in.NextToken = out.NextToken; in.NextToken == nil {
			break
		}
	}
	if len(names) != 10 || names[0] != "fp-0" || names[9] != "fp-9" {
		t.Errorf("pages list %v, want all ten", names)
	}
	in.NextToken = aws.String("nonsense")
	_, err := h.ListFargateProfiles(h.ctx, in)
	checkRefusal(t, err, 400, "InvalidParameterException", "Invalid nextToken")
}

func TestProfileRequestToken(t *testing.T) {
	h := newHarness(t)
	h.active("demo")
	token := func(in *sdk.CreateFargateProfileInput) { in.ClientRequestToken = aws.String("once") }
	first, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "fp", token))
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "fp", token))
	if err != nil || *again.FargateProfile.FargateProfileArn != *first.FargateProfile.FargateProfileArn {
		t.Errorf("the same call again: %v, %v, want the same profile", again, err)
	}
	h.refused(func() error {
		_, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "fp", token, profileSelectors(selector("other", 0))))
		return err
	}, 400, "InvalidParameterException", "The clientRequestToken was already used by a request with other parameters.")
	h.refused(func() error { _, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "fp")); return err },
		409, "ResourceInUseException", "A Fargate Profile already exists with this name in this cluster.")
}

func TestClusterWithoutPrivateSubnets(t *testing.T) {
	h := newHarness(t)
	h.active("demo", subnets("subnet-puba", "subnet-pubb"))
	h.refused(func() error { _, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "fp")); return err },
		400, "InvalidParameterException", "Fargate Profile requires at least one private subnet")
	h.activeProfile("demo", "fp", profileSubnets("subnet-pric"))
}

// TestRun drives everything through Run, with a second service taking over
// from the first.
func TestRun(t *testing.T) {
	h := newHarness(t)
	run := func() (stop func()) {
		s, err := eks.New(eks.Config{
			Store: h.store, Scope: scope, ControlPlane: h.plane, Pods: h.pods, Network: h.net, Roles: h.roles,
			Intervals: eks.Intervals{Poll: time.Millisecond},
		})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- s.Run(ctx) }()
		return func() {
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("Run ended with %v", err)
			}
		}
	}
	// wait returns when the cluster's record or its profiles make done true.
	wait := func(what string, done func() bool) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		tick := time.NewTicker(5 * time.Millisecond)
		defer tick.Stop()
		for !done() {
			select {
			case <-ctx.Done():
				t.Fatalf("waiting until %s: %v", what, ctx.Err())
			case <-tick.C:
			}
		}
	}
	status := func() types.ClusterStatus { c, _ := h.Cluster(h.ctx, "demo"); return c.Status }
	if _, err := h.CreateCluster(h.ctx, clusterInput("demo")); err != nil {
		t.Fatal(err)
	}
	stop := run()
	wait("the cluster is ACTIVE", func() bool { return status() == types.ClusterStatusActive })
	if _, err := h.CreateFargateProfile(h.ctx, profileInput("demo", "fp")); err != nil {
		t.Fatal(err)
	}
	wait("the profile is ACTIVE", func() bool { return h.profile("demo", "fp").Status == types.FargateProfileStatusActive })
	stop()
	if _, err := h.DeleteFargateProfile(h.ctx, &sdk.DeleteFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: aws.String("fp")}); err != nil {
		t.Fatal(err)
	}
	stop = run()
	defer func() { stop() }()
	wait("the profile is gone", func() bool { return h.profile("demo", "fp").Name == "" })
	if _, err := h.DeleteCluster(h.ctx, &sdk.DeleteClusterInput{Name: aws.String("demo")}); err != nil {
		t.Fatal(err)
	}
	wait("the cluster is gone", func() bool { return status() == "" })
}
