package eks_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
	clientv3 "go.etcd.io/etcd/client/v3"
	clocktesting "k8s.io/utils/clock/testing"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/eks"
	"berth.dev/berth/internal/eks/ekstest"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/id"
	"berth.dev/berth/internal/principal"
	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/store/storetest"
)

const (
	clusterRole = "arn:aws:iam::123456789012:role/cluster"
	podRole     = "arn:aws:iam::123456789012:role/pods"
)

var scope = arn.Scope{Partition: "aws", Region: "eu-west-1", Account: "123456789012"}

// harness is a service among fakes, whose reconcilers a test steps by hand.
type harness struct {
	*eks.Service
	t *testing.T
	// name is that of the test whose records these are.
	name   string
	ctx    context.Context
	store  *store.Store
	clock  *clocktesting.FakeClock
	plane  *ekstest.Plane
	pods   *ekstest.Pods
	net    *ekstest.Network
	roles  *ekstest.Roles
	quotas eks.Quotas
	// steps keeps a test that never gets anywhere from running for ever.
	steps int
}

func newHarness(t *testing.T) *harness {
	h := &harness{
		t: t, name: t.Name(), store: storetest.New(t),
		clock:  clocktesting.NewFakeClock(time.Date(2026, 9, 1, 12, 0, 0, 0, time.UTC)),
		plane:  &ekstest.Plane{Steps: 2},
		pods:   &ekstest.Pods{Served: true},
		net:    ekstest.NewNetwork(),
		roles:  ekstest.NewRoles(),
		quotas: eks.DefaultQuotas,
	}
	h.ctx = principal.NewContext(t.Context(), principal.Principal{
		Kind: principal.AssumedRole, Role: mustARN("arn:aws:iam::123456789012:role/team/admin"),
		ARN: mustARN("arn:aws:sts::123456789012:assumed-role/admin/me"), Account: "123456789012",
	})
	h.restart()
	return h
}

// in is the harness for a subtest.
func (h *harness) in(t *testing.T) *harness {
	sub := *h
	sub.t = t
	return &sub
}

// restart makes a new service over the same records, as after a crash.
func (h *harness) restart() {
	h.t.Helper()
	s, err := eks.New(eks.Config{
		Store: h.store, Scope: scope,
		ControlPlane: h.plane, Pods: h.pods, Network: h.net, Roles: h.roles, Quotas: h.quotas,
		Clock: h.clock, IDs: id.Source{Random: rand.NewChaCha8([32]byte{byte(h.steps)})},
	})
	if err != nil {
		h.t.Fatal(err)
	}
	h.Service = s
}

func mustARN(s string) arn.ARN {
	a, err := arn.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}

func clusterInput(name string, edit ...func(*sdk.CreateClusterInput)) *sdk.CreateClusterInput {
	in := &sdk.CreateClusterInput{
		Name: aws.String(name), RoleArn: aws.String(clusterRole),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-puba", "subnet-pubb", "subnet-pria", "subnet-prib"}},
	}
	for _, e := range edit {
		e(in)
	}
	return in
}

func profileInput(cluster, name string, edit ...func(*sdk.CreateFargateProfileInput)) *sdk.CreateFargateProfileInput {
	in := &sdk.CreateFargateProfileInput{
		ClusterName: aws.String(cluster), FargateProfileName: aws.String(name), PodExecutionRoleArn: aws.String(podRole),
		Selectors: []types.FargateProfileSelector{{Namespace: aws.String("default")}},
	}
	for _, e := range edit {
		e(in)
	}
	return in
}

// active makes a cluster that is ACTIVE.
func (h *harness) active(name string, edit ...func(*sdk.CreateClusterInput)) eks.Cluster {
	h.t.Helper()
	if _, err := h.CreateCluster(h.ctx, clusterInput(name, edit...)); err != nil {
		h.t.Fatal(err)
	}
	return h.settleCluster(name, types.ClusterStatusActive)
}

// activeProfile makes a profile that is ACTIVE.
func (h *harness) activeProfile(cluster, name string, edit ...func(*sdk.CreateFargateProfileInput)) {
	h.t.Helper()
	if _, err := h.CreateFargateProfile(h.ctx, profileInput(cluster, name, edit...)); err != nil {
		h.t.Fatal(err)
	}
	h.settleProfile(cluster, name, types.FargateProfileStatusActive)
}

// settleCluster steps until the cluster has the status; "" is gone.
func (h *harness) settleCluster(name string, want types.ClusterStatus) eks.Cluster {
	h.t.Helper()
	var got eks.Cluster
	h.settle(fmt.Sprintf("cluster %s is %q", name, want), func() bool {
		c, err := h.Cluster(h.ctx, name)
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			h.t.Fatal(err)
		}
		got = c
		return c.Status == want
	}, func() error { _, err := h.ReconcileCluster(h.ctx, name); return err })
	return got
}

// settleProfile steps until the profile has the status; "" is gone.
func (h *harness) settleProfile(cluster, name string, want types.FargateProfileStatus) {
	h.t.Helper()
	h.settle(fmt.Sprintf("profile %s is %q", name, want), func() bool {
		return h.profile(cluster, name).Status == want
	}, func() error { _, err := h.ReconcileProfiles(h.ctx, cluster); return err })
}

func (h *harness) profile(cluster, name string) eks.Profile {
	h.t.Helper()
	profiles, err := h.Profiles(h.ctx, cluster)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, p := range profiles {
		if p.Name == name {
			return p
		}
	}
	return eks.Profile{}
}

func (h *harness) settle(what string, done func() bool, step func() error) {
	h.t.Helper()
	for range 20 {
		if done() {
			return
		}
		h.steps++
		if err := step(); err != nil {
			h.t.Fatalf("stepping until %s: %v", what, err)
		}
	}
	h.t.Fatalf("%s: not after 20 steps", what)
}

// records is every record, for the rule that a refusal changes none.
func (h *harness) records() map[string]string {
	h.t.Helper()
	r, err := storetest.Client(h.t).Get(h.t.Context(), "/"+h.name+"/", clientv3.WithPrefix())
	if err != nil {
		h.t.Fatal(err)
	}
	all := map[string]string{}
	for _, kv := range r.Kvs {
		all[string(kv.Key)] = string(kv.Value)
	}
	return all
}

// refused checks that a call is refused as wanted and changes no record.
func (h *harness) refused(call func() error, status int, code, message string) {
	h.t.Helper()
	before := h.records()
	err := call()
	if diff := cmp.Diff(before, h.records()); diff != "" {
		h.t.Errorf("the refused call changed records (-before +after)\n%s", diff)
	}
	checkRefusal(h.t, err, status, code, message)
}

func checkRefusal(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	var f *fault.Error
	if !errors.As(err, &f) {
		t.Fatalf("got %v, want a refusal with %s", err, code)
	}
	if f.Status != status || f.Code != code || !strings.HasPrefix(f.Message, message) {
		t.Errorf("got %d %s %q\nwant %d %s %q", f.Status, f.Code, f.Message, status, code, message)
	}
}
