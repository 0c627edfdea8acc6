package acceptance

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/server"
)

// cluster makes roles, a network, a cluster and a profile for namespace default.
func (b *berth) cluster(t *testing.T, name string) (*kube, network) {
	t.Helper()
	b.roles(t)
	n := b.network(t)
	c := b.create(t, clusterInput(name, n))
	b.profile(t, profileInput(name, "fp", n.private, selector("default")))
	k := b.kube(t, c)
	k.account(t, "default")
	return k, n
}

// TestRunc is the short way without sandboxes, and the removal of a Berth that
// was killed.
func TestRunc(t *testing.T) {
	b := start(t, dataplane.Runc)
	k, _ := b.cluster(t, "plain")
	p := k.run(t, hello("plain"))
	var host unix.Utsname
	if err := unix.Uname(&host); err != nil {
		t.Fatal(err)
	}
	if kernel := strings.TrimSpace(k.exec(t, "default", "plain", "uname", "-r")); kernel != unix.ByteSliceToString(host.Release[:]) {
		t.Errorf("kernel of the pod = %s, want the host's", kernel)
	}
	t.Run("port-forward", func(t *testing.T) { (&scene{berth: b, k: k}).portForward(t, "plain") })
	k.deletePod(t, p)
	k.run(t, hello("left-behind"))
	b.kill(t)
}

// deployment is so many pods of an app.
func (k *kube) deployment(t *testing.T, name string, replicas int32) {
	t.Helper()
	p := hello(name)
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: p.Labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels}, Spec: p.Spec},
	}}
	began := time.Now()
	if _, err := k.AppsV1().Deployments("default").Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	k.rollout(t, "default", name)
	t.Logf("%d pods after %v", replicas, time.Since(began).Round(time.Millisecond))
}

// TestTwoBerths runs two side by side, with the same names and addresses, and
// removes one of them.
func TestTwoBerths(t *testing.T) {
	first := start(t, dataplane.Hollow)
	k, _ := first.cluster(t, "same")
	const many = 30
	k.deployment(t, "many", many)
	nodes, err := k.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) != many {
		t.Errorf("%d nodes (%v), want %d", len(nodes.Items), err, many)
	}

	second := start(t, dataplane.Hollow)
	other, _ := second.cluster(t, "same")
	other.deployment(t, "few", 2)
	if len(k.pods(t, "default", "few")) > 0 || len(other.pods(t, "default", "many")) > 0 {
		t.Error("a Berth's cluster shows the pods of the other's")
	}

	first.down(t)
	first.purge(t)
	first.clean(t)
	p := other.run(t, hello("after"))
	other.deletePod(t, p)
	if got := len(other.pods(t, "default", "few")); got != 2 {
		t.Errorf("%d pods are left in the second Berth, want 2", got)
	}
}

// TestUnprivileged is a Berth on a host that lets it do nothing: all the rest
// works, and it says what does not.
func TestUnprivileged(t *testing.T) {
	if testing.Short() {
		t.Skip("it starts a whole Berth: not in -short")
	}
	bin, err := binDir()
	if err != nil {
		t.Skip(err)
	}
	s := settings{Runtime: dataplane.Hollow, Bin: bin}
	if os.Geteuid() == 0 {
		s.UID, s.GID = 65534, 65534
	}
	b := startAs(t, s)
	state, err := server.ReadState(b.DataDir)
	if err != nil {
		t.Fatal(err)
	}
	if lacks := strings.Join(state.Lacks, "\n"); !strings.Contains(lacks, "network namespaces") || !strings.Contains(lacks, "sandboxes") {
		t.Errorf("the server says that it lacks %q, want network namespaces and sandboxes", state.Lacks)
	}
	k, _ := b.cluster(t, "flat")
	k.deployment(t, "web", 3)
	pod := k.pods(t, "default", "web")[0]
	if pod.Status.HostIP != pod.Status.PodIP || !strings.HasPrefix(pod.Spec.NodeName, "fargate-ip-") {
		t.Errorf("pod %s has %s on %s (%s)", pod.Name, pod.Status.PodIP, pod.Spec.NodeName, pod.Status.HostIP)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	out, err := k.kubectl(ctx, t, "exec", pod.Name, "--", "uname")
	if text := fmt.Sprint(out, err); err == nil || !strings.Contains(text, "hollow") {
		t.Errorf("exec = %s, want an error that says that the runtime is hollow", text)
	} else {
		t.Logf("exec answers: %v", err)
	}
	out, err = k.kubectl(ctx, t, "logs", pod.Name)
	if text := fmt.Sprint(out, err); !strings.Contains(text, "hollow") {
		t.Errorf("logs = %s, want to hear that the runtime is hollow", text)
	} else {
		t.Logf("logs answer: %s", text)
	}
	b.kill(t)
	b.up(t)
	eventually(t, podWait, "the pods are Ready after a kill", func(ctx context.Context) error {
		_, err := k.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
		return err
	})
	k.rollout(t, "default", "web")
	p := k.run(t, hello("again"))
	k.deletePod(t, p)
}
