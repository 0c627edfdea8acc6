package demo

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func podOn(name, ip, node string) corev1.Pod {
	return corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: name},
		Spec:       corev1.PodSpec{NodeName: node}, Status: corev1.PodStatus{PodIP: ip, Phase: corev1.PodRunning},
	}
}

func nodeAt(name, ip string) corev1.Node {
	return corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name},
		Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: ip}}},
	}
}

func TestPlacement(t *testing.T) {
	const four, five = "fargate-ip-10-0-1-4.eu-west-1.compute.internal", "fargate-ip-10-0-1-5.eu-west-1.compute.internal"
	nodes := []corev1.Node{nodeAt(four, "10.0.1.4"), nodeAt(five, "10.0.1.5"), nodeAt("odd", "10.0.1.6"), nodeAt("fargate-ip-10-0-9-9.eu-west-1.compute.internal", "10.0.9.9")}
	for _, test := range []struct {
		name    string
		pods    []corev1.Pod
		lines   int
		problem string
	}{
		{name: "a node each", pods: []corev1.Pod{podOn("a", "10.0.1.4", four), podOn("b", "10.0.1.5", five)}, lines: 2},
		{name: "a shared node", pods: []corev1.Pod{podOn("a", "10.0.1.4", four), podOn("b", "10.0.1.4", four)}, lines: 1, problem: "pods default/a and default/b share the node"},
		{name: "another address", pods: []corev1.Pod{podOn("a", "10.0.1.5", four)}, problem: `has the address "10.0.1.5"`},
		{name: "no address", pods: []corev1.Pod{podOn("a", "", four)}, problem: `has the address ""`},
		{name: "no node", pods: []corev1.Pod{podOn("a", "10.0.1.4", "gone")}, problem: "does not exist"},
		{name: "another name", pods: []corev1.Pod{podOn("a", "10.0.1.6", "odd")}, problem: "is named odd, not fargate-ip-10-0-1-6"},
		{name: "out of no private subnet", pods: []corev1.Pod{podOn("a", "10.0.9.9", "fargate-ip-10-0-9-9.eu-west-1.compute.internal")}, problem: "in none of the private subnets"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := placement{pods: test.pods, nodes: nodes, region: "eu-west-1", private: map[string]netip.Prefix{"subnet-1": netip.MustParsePrefix("10.0.1.0/24")}}
			lines, err := p.check()
			if len(lines) != test.lines {
				t.Errorf("check says %q, want %d lines", lines, test.lines)
			}
			if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
				t.Errorf("check = %v, want %q", err, test.problem)
			}
		})
	}
}

func TestNodeName(t *testing.T) {
	got := map[string]string{"us-east-1": nodeName("10.0.1.4", "us-east-1"), "eu-west-1": nodeName("10.0.1.4", "eu-west-1")}
	want := map[string]string{"us-east-1": "fargate-ip-10-0-1-4.ec2.internal", "eu-west-1": "fargate-ip-10-0-1-4.eu-west-1.compute.internal"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the names of nodes (-want +got):\n%s", diff)
	}
}

func TestServes(t *testing.T) {
	running := podOn("a", "10.0.1.4", "n")
	running.Spec.Containers = []corev1.Container{{Name: "c"}}
	running.Status.ContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: metav1.NewTime(start)}}}}
	ready := *running.DeepCopy()
	ready.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	ending := *ready.DeepCopy()
	ending.DeletionTimestamp = new(metav1.NewTime(start))
	for _, test := range []struct {
		name string
		pod  corev1.Pod
		want bool
	}{
		{name: "running", pod: running},
		{name: "ready", pod: ready, want: true},
		{name: "ready and ending", pod: ending},
		{name: "without a container", pod: podOn("a", "10.0.1.4", "n")},
	} {
		if got := serves(&test.pod); got != test.want {
			t.Errorf("%s: serves = %t, want %t", test.name, got, test.want)
		}
	}
}

func TestProgress(t *testing.T) {
	fargate := func(change func(*corev1.Pod)) *corev1.Pod {
		p := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"eks.amazonaws.com/fargate-profile": "fp"}}, Spec: corev1.PodSpec{SchedulerName: "fargate-scheduler", Containers: make([]corev1.Container, 1)}}
		change(p)
		return p
	}
	waiting := func(reason, message string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.NodeName = "n"
			p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "c", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}}
		}
	}
	for _, test := range []struct {
		name string
		pod  *corev1.Pod
		want string
	}{
		{"of no profile", &corev1.Pod{}, "Pending, not matched by a Fargate profile"},
		{"created", fargate(func(*corev1.Pod) {}), "created, matched by profile fp"},
		{"admitted", fargate(func(p *corev1.Pod) { p.Annotations = map[string]string{capacityProvisioned: "1vCPU 2GB"} }), "admitted, 1vCPU 2GB provisioned; its node starts"},
		{"refused", fargate(func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "Pod not supported:\nfields"}}
		}), "not scheduled: Pod not supported: fields"},
		{"bound", fargate(waiting("ContainerCreating", "")), "bound to n"},
		{"without an image", fargate(waiting("ImagePullBackOff", "no such image")), "container c: ImagePullBackOff no such image"},
		{"failed", fargate(func(p *corev1.Pod) { p.Status.Phase, p.Status.Message = corev1.PodFailed, "evicted" }), "Failed evicted"},
		{"ready", fargate(func(p *corev1.Pod) {
			p.Status.PodIP = "10.0.0.4"
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
		}), "Ready at 10.0.0.4"},
	} {
		if got := progress(test.pod); got != test.want {
			t.Errorf("%s: progress = %q, want %q", test.name, got, test.want)
		}
	}
}

func TestQuoted(t *testing.T) {
	got := quoted([]string{"patch", "-p", `{"a":"it's"}`, "", "-n=kube-system"})
	if want := `patch -p '{"a":"it'\''s"}' '' -n=kube-system`; got != want {
		t.Errorf("quoted = %s, want %s", got, want)
	}
}
