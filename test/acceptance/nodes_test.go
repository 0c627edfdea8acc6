package acceptance

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// coreDNS puts CoreDNS on Fargate as users do: by its annotation.
func (s *scene) coreDNS(t *testing.T) {
	patch := `{"spec":{"template":{"metadata":{"annotations":{"eks.amazonaws.com/compute-type":"fargate"}}}}}`
	_, err := s.k.AppsV1().Deployments("kube-system").Patch(t.Context(), "coredns", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.k.rollout(t, "kube-system", "coredns")
	t.Logf("CoreDNS on Fargate after %v", time.Since(began).Round(time.Millisecond))
}

// rollout waits until all pods of a deployment's newest template are available.
func (k *kube) rollout(t *testing.T, namespace, name string) {
	t.Helper()
	eventually(t, podWait, "deployment "+name+" is rolled out", func(ctx context.Context) error {
		d, err := k.AppsV1().Deployments(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		u, want := d.Status, *d.Spec.Replicas
		if u.ObservedGeneration < d.Generation || u.UpdatedReplicas != want || u.AvailableReplicas != want || u.Replicas != want {
			return fmt.Errorf("of %d replicas %d are updated, %d available, %d there", want, u.UpdatedReplicas, u.AvailableReplicas, u.Replicas)
		}
		return nil
	})
}

// pods are the pods of an app.
func (k *kube) pods(t testing.TB, namespace, app string) []corev1.Pod {
	t.Helper()
	list, err := k.CoreV1().Pods(namespace).List(context.Background(), metav1.ListOptions{LabelSelector: "app=" + app})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

// nodes deploys two web servers and a service, and looks at pods and nodes.
func (s *scene) nodes(t *testing.T) {
	p := hello("web")
	p.Spec.Containers[0].ReadinessProbe = &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromInt32(8080)}}}
	replicas := int32(2)
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: appsv1.DeploymentSpec{
		Replicas: &replicas, Selector: &metav1.LabelSelector{MatchLabels: p.Labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: p.Labels}, Spec: p.Spec},
	}}
	if _, err := s.k.AppsV1().Deployments("default").Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: "web"}, Spec: corev1.ServiceSpec{
		Selector: p.Labels, Ports: []corev1.ServicePort{{Port: 80, TargetPort: intstr.FromInt32(8080)}}}}
	if _, err := s.k.CoreV1().Services("default").Create(t.Context(), service, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	s.k.rollout(t, "default", "web")
	t.Logf("two web servers after %v", time.Since(began).Round(time.Millisecond))
	web := s.k.pods(t, "default", "web")
	if web[0].Spec.NodeName == web[1].Spec.NodeName {
		t.Errorf("both pods are on %s", web[0].Spec.NodeName)
	}
	for _, p := range web {
		s.checkPod(t, p)
		s.checkNode(t, p)
	}
	nodes, err := s.k.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) != 4 {
		t.Errorf("%d nodes (%v), want one for each of 2 CoreDNS and 2 web pods", len(nodes.Items), err)
	}
}

// checkPod looks for what Fargate puts on a pod.
func (s *scene) checkPod(t *testing.T, p corev1.Pod) {
	t.Helper()
	want := map[string]string{
		"scheduler": "fargate-scheduler", "profile": "fp-default", "capacity": "0.25vCPU 0.5GB",
		"logging": "LoggingDisabled: LOGGING_CONFIGMAP_NOT_FOUND", "priority": "system-node-critical",
		"node": "fargate-ip-" + strings.ReplaceAll(p.Status.PodIP, ".", "-") + "." + region + ".compute.internal", "host": p.Status.PodIP,
	}
	got := map[string]string{
		"scheduler": p.Spec.SchedulerName, "profile": p.Labels["eks.amazonaws.com/fargate-profile"], "capacity": p.Annotations["CapacityProvisioned"],
		"logging": p.Annotations["Logging"], "priority": p.Spec.PriorityClassName, "node": p.Spec.NodeName, "host": p.Status.HostIP,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("pod %s (-want +got):\n%s", p.Name, diff)
	}
	ip, err := netip.ParseAddr(p.Status.PodIP)
	private := slices.ContainsFunc([]string{"192.168.96.0/19", "192.168.128.0/19", "192.168.160.0/19"}, func(c string) bool {
		return netip.MustParsePrefix(c).Contains(ip)
	})
	if err != nil || !private {
		t.Errorf("address of pod %s = %s, want one of the private subnets", p.Name, p.Status.PodIP)
	}
}

var providerID = regexp.MustCompile(`^aws:///` + region + `[abc]/[0-9a-f]{10}-[0-9a-f]{32}/fargate-ip-`)

// checkNode looks at a pod's node, which holds that pod alone.
func (s *scene) checkNode(t *testing.T, p corev1.Pod) {
	t.Helper()
	n, err := s.k.CoreV1().Nodes().Get(t.Context(), p.Spec.NodeName, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	taint := []corev1.Taint{{Key: "eks.amazonaws.com/compute-type", Value: "fargate", Effect: corev1.TaintEffectNoSchedule}}
	if diff := cmp.Diff(taint, n.Spec.Taints); diff != "" {
		t.Errorf("taints of %s (-want +got):\n%s", n.Name, diff)
	}
	if !providerID.MatchString(n.Spec.ProviderID) || !strings.HasSuffix(n.Spec.ProviderID, "/"+n.Name) {
		t.Errorf("providerID = %q", n.Spec.ProviderID)
	}
	for label, want := range map[string]string{
		"eks.amazonaws.com/compute-type": "fargate", "topology.kubernetes.io/region": region,
		"kubernetes.io/hostname": strings.TrimPrefix(n.Name, "fargate-"), "kubernetes.io/arch": "amd64", "kubernetes.io/os": "linux",
	} {
		if n.Labels[label] != want {
			t.Errorf("label %s of %s = %q, want %q", label, n.Name, n.Labels[label], want)
		}
	}
	var addresses []string
	for _, a := range n.Status.Addresses {
		addresses = append(addresses, string(a.Type)+" "+a.Address)
	}
	if !slices.Contains(addresses, "InternalIP "+p.Status.PodIP) {
		t.Errorf("addresses of %s = %v", n.Name, addresses)
	}
	if pods := n.Status.Capacity.Pods().Value(); pods != 1 {
		t.Errorf("node %s takes %d pods, want 1", n.Name, pods)
	}
	on, err := s.k.CoreV1().Pods("").List(t.Context(), metav1.ListOptions{FieldSelector: "spec.nodeName=" + n.Name})
	if err != nil || len(on.Items) != 1 {
		t.Errorf("%d pods on %s (%v), want 1", len(on.Items), n.Name, err)
	}
}

// matching is which pods a profile takes.
func (s *scene) matching(t *testing.T) {
	s.profile(t, profileInput("demo", "fp-wild", s.n.private, selector("team-*", "tier", "front?")))
	s.k.namespace(t, "team-a")
	s.k.namespace(t, "elsewhere")
	tier := func(value string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Labels["tier"] = value } }
	s.k.createPod(t, hello("matched", in("team-a"), tier("front1")))
	tests := []struct {
		name      string
		pod       *corev1.Pod
		scheduler string
	}{
		{"label that is too short", hello("short", in("team-a"), tier("front")), "default-scheduler"},
		{"other namespace", hello("away", in("elsewhere"), tier("front1")), "default-scheduler"},
		{"annotated for EC2", hello("ec2", func(p *corev1.Pod) {
			p.Annotations = map[string]string{"eks.amazonaws.com/compute-type": "ec2"}
		}), "default-scheduler"},
		{"asks for the scheduler without a profile", hello("forced", in("elsewhere"), func(p *corev1.Pod) {
			p.Spec.SchedulerName = "fargate-scheduler"
		}), "fargate-scheduler"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := s.k.createPod(t, tt.pod)
			if p.Spec.SchedulerName != tt.scheduler || p.Labels["eks.amazonaws.com/fargate-profile"] != "" {
				t.Errorf("scheduler = %s, profile %q; want %s and none", p.Spec.SchedulerName, p.Labels["eks.amazonaws.com/fargate-profile"], tt.scheduler)
			}
			s.k.until(t, p.Namespace, p.Name, "it is told why it stays Pending", func(p *corev1.Pod) bool {
				return p.Status.Phase == corev1.PodPending && p.Spec.NodeName == "" && scheduled(p).Status == corev1.ConditionFalse
			})
		})
	}
	if p := s.k.ready(t, "team-a", "matched"); p.Labels["eks.amazonaws.com/fargate-profile"] != "fp-wild" {
		t.Errorf("profile = %q, want fp-wild", p.Labels["eks.amazonaws.com/fargate-profile"])
	}
	for _, tt := range tests {
		if p, err := s.k.CoreV1().Pods(tt.pod.Namespace).Get(t.Context(), tt.pod.Name, metav1.GetOptions{}); err != nil || p.Spec.NodeName != "" {
			t.Errorf("pod %s is on %q (%v), want it Pending", tt.pod.Name, p.Spec.NodeName, err)
		}
		s.k.discard(t, tt.pod)
	}
}

func scheduled(p *corev1.Pod) corev1.PodCondition {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled {
			return c
		}
	}
	return corev1.PodCondition{}
}

// discard deletes a pod that never had a node.
func (k *kube) discard(t *testing.T, p *corev1.Pod) {
	t.Helper()
	if err := k.CoreV1().Pods(p.Namespace).Delete(t.Context(), p.Name, metav1.DeleteOptions{}); err != nil {
		t.Error(err)
	}
}

// refusedPods are those that Fargate does not take, and what it says of them.
func (s *scene) refusedPods(t *testing.T) {
	yes := true
	tests := []struct {
		name, reason, message string
		edit                  func(*corev1.Pod)
	}{
		{"host-network", "POD_UNSUPPORTED_ON_FARGATE", "Pod not supported on Fargate: fields not supported: HostNetwork, port contains HostIP or HostPort",
			func(p *corev1.Pod) { p.Spec.HostNetwork = true }},
		{"privileged", "POD_UNSUPPORTED_ON_FARGATE", "Pod not supported on Fargate: invalid SecurityContext fields: Privileged",
			func(p *corev1.Pod) {
				p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: &yes}
			}},
		{"host-path", "POD_UNSUPPORTED_ON_FARGATE", "Pod not supported on Fargate: volumes not supported: etc is of an unsupported volume Type",
			func(p *corev1.Pod) {
				p.Spec.Volumes = []corev1.Volume{{Name: "etc", VolumeSource: corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{Path: "/etc"}}}}
			}},
		{"too-large", "POD_CPU_MEM_EXCEEDS_MAX_FARGATE_SIZE", "Your pod's cpu/memory requirements exceed the max Fargate configuration",
			func(p *corev1.Pod) { p.Spec.Containers[0].Resources = requests("17", "1Gi") }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := s.k.createPod(t, hello(tt.name, tt.edit))
			p = s.k.until(t, p.Namespace, p.Name, "it is refused", func(p *corev1.Pod) bool { return scheduled(p).Status == corev1.ConditionFalse })
			if c := scheduled(p); c.Reason != tt.reason || c.Message != tt.message {
				t.Errorf("condition = %s %q, want %s %q", c.Reason, c.Message, tt.reason, tt.message)
			}
			s.k.event(t, p, "FailedScheduling", tt.message)
			s.k.discard(t, p)
		})
	}
}

// event waits for an event about a pod.
func (k *kube) event(t *testing.T, p *corev1.Pod, reason, message string) {
	t.Helper()
	eventually(t, 20*time.Second, "pod "+p.Name+" has the event "+reason, func(ctx context.Context) error {
		list, err := k.CoreV1().Events(p.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(p.UID)})
		if err != nil {
			return err
		}
		var seen []string
		for _, e := range list.Items {
			if e.Reason == reason && strings.Contains(e.Message, message) {
				return nil
			}
			seen = append(seen, e.Reason+": "+e.Message)
		}
		return errors.New("it has " + strings.Join(seen, "; "))
	})
}
