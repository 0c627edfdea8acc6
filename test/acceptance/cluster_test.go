package acceptance

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// clusterInput asks for a cluster in all subnets of a network but the isolated one.
func clusterInput(name string, n network) *eks.CreateClusterInput {
	return &eks.CreateClusterInput{
		Name: &name, RoleArn: aws.String(clusterRole),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: slices.Concat(n.public, n.private)},
	}
}

// create makes a cluster and waits until it is ACTIVE.
func (b *berth) create(t *testing.T, in *eks.CreateClusterInput) *types.Cluster {
	t.Helper()
	if _, err := b.eks().CreateCluster(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	return b.active(t, *in.Name)
}

// active waits, with the SDK's waiter, until a cluster is ACTIVE.
func (b *berth) active(t *testing.T, name string) *types.Cluster {
	t.Helper()
	began := time.Now()
	waiter := eks.NewClusterActiveWaiter(b.eks(), func(o *eks.ClusterActiveWaiterOptions) { o.MinDelay, o.MaxDelay = 200*time.Millisecond, time.Second })
	out, err := waiter.WaitForOutput(t.Context(), &eks.DescribeClusterInput{Name: &name}, 2*time.Minute)
	if err != nil {
		t.Fatalf("waiting until cluster %s is ACTIVE: %v", name, err)
	}
	t.Logf("cluster %s ACTIVE after %v", name, time.Since(began).Round(time.Millisecond))
	return out.Cluster
}

func selector(namespace string, labels ...string) types.FargateProfileSelector {
	s := types.FargateProfileSelector{Namespace: &namespace}
	for i := 0; i+1 < len(labels); i += 2 {
		if s.Labels == nil {
			s.Labels = map[string]string{}
		}
		s.Labels[labels[i]] = labels[i+1]
	}
	return s
}

func profileInput(cluster, name string, subnets []string, selectors ...types.FargateProfileSelector) *eks.CreateFargateProfileInput {
	return &eks.CreateFargateProfileInput{
		ClusterName: &cluster, FargateProfileName: &name, PodExecutionRoleArn: aws.String(podRole), Subnets: subnets, Selectors: selectors,
	}
}

// profile makes a profile and waits, with the SDK's waiter, until it is ACTIVE.
func (b *berth) profile(t *testing.T, in *eks.CreateFargateProfileInput) *types.FargateProfile {
	t.Helper()
	began := time.Now()
	if _, err := b.eks().CreateFargateProfile(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	waiter := eks.NewFargateProfileActiveWaiter(b.eks(), func(o *eks.FargateProfileActiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, time.Second
	})
	out, err := waiter.WaitForOutput(t.Context(), &eks.DescribeFargateProfileInput{ClusterName: in.ClusterName, FargateProfileName: in.FargateProfileName}, time.Minute)
	if err != nil {
		t.Fatalf("waiting until profile %s is ACTIVE: %v", *in.FargateProfileName, err)
	}
	t.Logf("profile %s ACTIVE after %v", *in.FargateProfileName, time.Since(began).Round(time.Millisecond))
	return out.FargateProfile
}

// deleteProfile deletes a profile and waits until it is gone.
func (b *berth) deleteProfile(t *testing.T, cluster, name string) {
	t.Helper()
	if _, err := b.eks().DeleteFargateProfile(t.Context(), &eks.DeleteFargateProfileInput{ClusterName: &cluster, FargateProfileName: &name}); err != nil {
		t.Fatal(err)
	}
	b.profileGone(t, cluster, name)
}

// profileGone waits, with the SDK's waiter, until a profile is deleted.
func (b *berth) profileGone(t *testing.T, cluster, name string) {
	t.Helper()
	began := time.Now()
	waiter := eks.NewFargateProfileDeletedWaiter(b.eks(), func(o *eks.FargateProfileDeletedWaiterOptions) {
		o.MinDelay, o.MaxDelay = 200*time.Millisecond, time.Second
	})
	if err := waiter.Wait(t.Context(), &eks.DescribeFargateProfileInput{ClusterName: &cluster, FargateProfileName: &name}, 90*time.Second); err != nil {
		t.Fatalf("waiting until profile %s is deleted: %v", name, err)
	}
	t.Logf("profile %s deleted after %v", name, time.Since(began).Round(time.Millisecond))
}

// deleteCluster deletes a cluster and waits until it is gone.
func (b *berth) deleteCluster(t *testing.T, name string) {
	t.Helper()
	if _, err := b.eks().DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: &name}); err != nil {
		t.Fatal(err)
	}
	b.clusterGone(t, name)
}

// clusterGone waits, with the SDK's waiter, until a cluster is deleted.
func (b *berth) clusterGone(t *testing.T, name string) {
	t.Helper()
	began := time.Now()
	waiter := eks.NewClusterDeletedWaiter(b.eks(), func(o *eks.ClusterDeletedWaiterOptions) { o.MinDelay, o.MaxDelay = 200*time.Millisecond, time.Second })
	if err := waiter.Wait(t.Context(), &eks.DescribeClusterInput{Name: &name}, time.Minute); err != nil {
		t.Fatalf("waiting until cluster %s is deleted: %v", name, err)
	}
	t.Logf("cluster %s deleted after %v", name, time.Since(began).Round(time.Millisecond))
}

// settled waits until a profile is ACTIVE.
func (b *berth) settled(t *testing.T, name string) {
	t.Helper()
	waiter := eks.NewFargateProfileActiveWaiter(b.eks(), func(o *eks.FargateProfileActiveWaiterOptions) {
		o.MinDelay, o.MaxDelay = 100*time.Millisecond, time.Second
	})
	in := &eks.DescribeFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: &name}
	if err := waiter.Wait(t.Context(), in, time.Minute); err != nil {
		t.Fatal(err)
	}
}
