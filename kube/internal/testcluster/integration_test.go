package testcluster

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	v1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth/dataplane"
)

// start starts a cluster over the hollow runtime, or skips where that cannot be.
func start(t *testing.T) (context.Context, *Cluster) {
	t.Helper()
	binaries := Binaries{Etcd: os.Getenv("BERTH_ETCD"), Kube: os.Getenv("BERTH_KUBE")}
	if os.Getuid() != 0 {
		t.Skip("needs root: kubelets mount volumes")
	}
	if binaries.Etcd == "" || binaries.Kube == "" {
		t.Skip("needs BERTH_ETCD and BERTH_KUBE, the paths of an etcd and of a berth-kube that build.sh built")
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	c, err := Start(ctx, t.TempDir(), binaries)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Stop(); err != nil {
			t.Error(err)
		}
	})
	if err := c.StartDataplane(ctx, dataplane.Config{Runtime: dataplane.Hollow, HostNetwork: true}); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, "the default service account", func() (bool, error) {
		_, err := c.Client.CoreV1().ServiceAccounts("default").Get(ctx, "default", metav1.GetOptions{})
		return err == nil, ignoreNotFound(err)
	})
	return ctx, c
}

func until(t *testing.T, ctx context.Context, what string, condition func() (bool, error)) {
	t.Helper()
	if err := Until(ctx, condition); err != nil {
		t.Fatalf("%s: %v", what, err)
	}
}

func ignoreNotFound(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}

// TestNodesComeAndGo runs a pod on each of several nodes, sees what a user sees,
// and checks that nothing is left.
func TestNodesComeAndGo(t *testing.T) {
	ctx, c := start(t)
	const count = 5
	var nodes []dataplane.Node
	for i := range count {
		node, err := c.Node(fmt.Sprintf("10.0.0.%d", i+1))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Dataplane.PutNode(ctx, node); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, node)
	}
	for i, node := range nodes {
		until(t, ctx, "node "+node.Name, func() (bool, error) { return ready(ctx, c, node) })
		runPod(t, ctx, c, fmt.Sprintf("p%d", i), node)
	}
	if err := c.Dataplane.DeleteNode(ctx, nodes[0].Name, false); !dataplane.IsConflict(err) {
		t.Errorf("deleting a node with a running pod: %v, want a conflict", err)
	}
	for i, node := range nodes {
		deletePod(t, ctx, c, fmt.Sprintf("p%d", i))
		if err := c.Dataplane.DeleteNode(ctx, node.Name, false); err != nil {
			t.Error(err)
		}
	}
	left, err := c.Dataplane.Nodes(ctx)
	if err != nil || len(left) != 0 {
		t.Errorf("nodes left: %v, %v", left, err)
	}
	for _, dir := range []string{"nodes", "logs"} {
		entries, err := os.ReadDir(c.path(dir))
		if err != nil || len(entries) != 0 {
			t.Errorf("left in %s: %v, %v", dir, entries, err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil || strings.Contains(string(mounts), c.Dir) {
		t.Errorf("mounts are left below %s (%v)", c.Dir, err)
	}
}

// ready checks the node's registration once it is Ready.
func ready(ctx context.Context, c *Cluster, want dataplane.Node) (bool, error) {
	node, err := c.Client.CoreV1().Nodes().Get(ctx, want.Name, metav1.GetOptions{})
	if err != nil {
		return false, ignoreNotFound(err)
	}
	for _, condition := range node.Status.Conditions {
		if condition.Type != v1.NodeReady || condition.Status != v1.ConditionTrue {
			continue
		}
		if len(node.Status.Addresses) != 3 || node.Status.Addresses[2].Address != want.Hostname {
			return false, fmt.Errorf("addresses are %v", node.Status.Addresses)
		}
		// The node lifecycle controller's own taint may still be there.
		if len(node.Spec.Taints) == 0 || node.Spec.Taints[0].Key != want.Taints[0].Key || strings.Contains(fmt.Sprint(node.Spec.Taints), "cloudprovider") ||
			node.Labels[v1.LabelHostname] != want.Hostname || node.Spec.ProviderID != want.ProviderID {
			return false, fmt.Errorf("registered with taints %v, labels %v, provider id %s", node.Spec.Taints, node.Labels, node.Spec.ProviderID)
		}
		return true, nil
	}
	return false, nil
}

func runPod(t *testing.T, ctx context.Context, c *Cluster, name string, node dataplane.Node) {
	t.Helper()
	pod := &v1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Spec:       v1.PodSpec{NodeName: node.Name, Containers: []v1.Container{{Name: "c", Image: "example.test/app:1"}}},
	}
	if _, err := c.Client.CoreV1().Pods("default").Create(ctx, pod, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, "pod "+name, func() (bool, error) {
		got, err := c.Client.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
		if err != nil || got.Status.Phase != v1.PodRunning {
			return false, err
		}
		if got.Status.PodIP != node.IP {
			return false, fmt.Errorf("its address is %s, not the node's %s", got.Status.PodIP, node.IP)
		}
		return true, nil
	})
}

func deletePod(t *testing.T, ctx context.Context, c *Cluster, name string) {
	t.Helper()
	if err := c.Client.CoreV1().Pods("default").Delete(ctx, name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	until(t, ctx, "end of pod "+name, func() (bool, error) {
		_, err := c.Client.CoreV1().Pods("default").Get(ctx, name, metav1.GetOptions{})
		return apierrors.IsNotFound(err), ignoreNotFound(err)
	})
}
