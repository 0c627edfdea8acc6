package scheduler

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth/internal/fargate/profile"
)

// firstNode is the node on the first interface that is made.
const firstNode = "fargate-ip-10-0-1-1.eu-central-1.compute.internal"

// TestPodGetsItsNode follows a pod from its creation to its node's end.
func TestPodGetsItsNode(t *testing.T) {
	p := fargatePod("web")
	uid := string(p.UID)
	w := newWorld(t, p)
	s := w.stepper()
	subnet := pick([]string{"subnet-a", "subnet-b"}, p.UID, nil)

	if again := s.step(uid); again != provisioningTimeout {
		t.Errorf("a new pod is looked at again after %v, want %v", again, provisioningTimeout)
	}
	w.did("a new pod", "allocate "+subnet+": eni-1", "patch pods web", "launch "+firstNode)
	got := w.getPod("web")
	if got.Annotations[capacityAnnotation] != "0.25vCPU 0.5GB" || got.Annotations[loggingAnnotation] != "LoggingDisabled: LOGGING_CONFIGMAP_NOT_FOUND" {
		t.Errorf("annotations = %v", got.Annotations)
	}
	node := w.host.nodes[firstNode].Node
	if node.IP != "10.0.1.1" || node.Hostname != "ip-10-0-1-1.eu-central-1.compute.internal" || node.MaxPods != 1 {
		t.Errorf("node = %s, hostname %s, %d pods; want 10.0.1.1, the private DNS name and 1", node.IP, node.Hostname, node.MaxPods)
	}
	if want := "aws:///eu-central-1" + subnet[len(subnet)-1:] + "/0a1b2c3d4e-" + compact(uid) + "/" + firstNode; node.ProviderID != want {
		t.Errorf("provider ID = %s, want %s", node.ProviderID, want)
	}

	w.clock.Step(3 * time.Second)
	s.nodeUp(uid, corev1.ConditionFalse)
	if again := s.step(uid); again != provisioningTimeout-3*time.Second {
		t.Errorf("a pod whose node is not Ready is looked at again after %v, want the rest of the timeout", again)
	}
	w.did("a node that is not Ready", "launch "+firstNode)

	s.nodeUp(uid, corev1.ConditionTrue)
	s.step(uid)
	w.did("a node that is Ready", "launch "+firstNode, "bind web to "+firstNode)
	want := []string{
		`Warning LoggingDisabled Disabled logging because aws-logging configmap was not found. configmap "aws-logging" not found`,
		"Normal Scheduled Successfully assigned default/web to " + firstNode,
	}
	if diff := cmp.Diff(want, s.told()); diff != "" {
		t.Errorf("events (-want +got):\n%s", diff)
	}
	timeline := Timeline{
		Created: epoch.Add(-time.Second), Accepted: epoch, Allocated: epoch, NodeReady: epoch.Add(3 * time.Second), Bound: epoch.Add(3 * time.Second),
	}
	if diff := cmp.Diff(timeline, s.records()[0].Timeline); diff != "" {
		t.Errorf("timeline (-want +got):\n%s", diff)
	}

	s.step(uid)
	w.did("a bound pod keeps its node", "launch "+firstNode)
	w.remove("pods", "default", "web")
	s.step(uid)
	w.did("a pod that is gone", "terminate "+firstNode, "delete nodes "+firstNode, "release eni-1")
	if left := s.records(); len(left) != 0 {
		t.Errorf("records left: %+v", left)
	}
	s.step(uid)
	w.did("a pod that is long gone")
}

func compact(uid string) string {
	out := ""
	for _, r := range uid {
		if r != '-' {
			out += string(r)
		}
	}
	return out
}

// TestReleaseForgetsNothing breaks the end of a node at each of its steps: what
// may still exist must stay on record.
func TestReleaseForgetsNothing(t *testing.T) {
	p := fargatePod("web")
	uid := string(p.UID)
	w := newWorld(t, p)
	s := w.stepper()
	s.step(uid)
	w.remove("pods", "default", "web")
	w.take()

	w.host.broken = errors.New("the sandbox does not end")
	s.look()
	if _, err := s.reconcile(t.Context(), uid); !errors.Is(err, w.host.broken) {
		t.Fatalf("step = %v, want the host's error", err)
	}
	w.did("a node that does not end keeps its interface", "terminate "+firstNode)
	if len(s.records()) != 1 {
		t.Error("the record of a node that may run is gone")
	}
	w.host.broken = nil
	s.step(uid)
	w.did("the node ends after all: its Node object never came", "terminate "+firstNode, "release eni-1")
}

func TestReleaseSparesAnotherNodeOfTheName(t *testing.T) {
	p := fargatePod("web")
	w := newWorld(t, p)
	s := w.stepper()
	s.step(string(p.UID))
	w.putNode(firstNode, "aws:///eu-central-1a/0a1b2c3d4e-of-another-pod/"+firstNode, corev1.ConditionTrue)
	if again := s.step(string(p.UID)); again == 0 {
		t.Error("a pod was bound to the node of another")
	}
	w.remove("pods", "default", "web")
	w.take()
	s.step(string(p.UID))
	w.did("the end of a pod", "terminate "+firstNode, "release eni-1")
}

func TestRefusals(t *testing.T) {
	request := func(cpu, memory, storage string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			r := corev1.ResourceList{}
			for name, v := range map[corev1.ResourceName]string{"cpu": cpu, "memory": memory, "ephemeral-storage": storage} {
				if v != "" {
					r[name] = resource.MustParse(v)
				}
			}
			p.Spec.Containers[0].Resources.Requests = r
		}
	}
	tests := []struct {
		name   string
		change func(*corev1.Pod)
		want   string
		again  time.Duration
	}{
		{
			"no profile", func(p *corev1.Pod) { p.Labels = nil },
			"Unschedulable: Pod not supported on Fargate: no Fargate profile of the cluster matches it", 0,
		},
		{
			"a profile that is gone", func(p *corev1.Pod) { p.Labels[profileLabel] = "fp-old" },
			"Unschedulable: Pod not supported on Fargate: no Fargate profile of the cluster matches it", 0,
		},
		{
			"a profile that the pod names and does not match", func(p *corev1.Pod) { p.Labels[profileLabel] = "fp-batch" },
			"Unschedulable: Pod not supported on Fargate: no Fargate profile of the cluster matches it", 0,
		},
		{
			"fields", func(p *corev1.Pod) { p.Spec.HostNetwork = true; p.Spec.Containers[0].SecurityContext = privileged() },
			"POD_UNSUPPORTED_ON_FARGATE: Pod not supported on Fargate: fields not supported: HostNetwork, invalid SecurityContext fields: Privileged", 0,
		},
		{
			"a claim that is not bound", claims("data"),
			"POD_UNSUPPORTED_ON_FARGATE: Pod not supported on Fargate: volumes not supported: data not supported because: PVC data not bound", claimRetry,
		},
		{
			"too much CPU", request("17", "1Gi", ""),
			"POD_CPU_MEM_EXCEEDS_MAX_FARGATE_SIZE: Your pod's cpu/memory requirements exceed the max Fargate configuration", 0,
		},
		{
			"too much memory", request("1", "120Gi", ""),
			"POD_CPU_MEM_EXCEEDS_MAX_FARGATE_SIZE: Your pod's cpu/memory requirements exceed the max Fargate configuration", 0,
		},
		{
			"too much storage", request("", "", "176Gi"),
			"POD_UNSUPPORTED_ON_FARGATE: Pod not supported on Fargate: ephemeral-storage request of 176 GiB exceeds the maximum of 175 GiB", 0,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p := fargatePod("web", tt.change)
			w := newWorld(t, p, &corev1.PersistentVolumeClaim{
				ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "default"}, Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
			})
			batch := w.serving()[0]
			batch.Name, batch.Selectors = "fp-batch", []profile.Selector{{Namespace: "batch"}}
			w.serve(w.serving()[0], batch)
			s := w.stepper()
			if again := s.step(string(p.UID)); again != tt.again {
				t.Errorf("looked at again after %v, want %v", again, tt.again)
			}
			w.did("a refusal", "update pods/status web")
			if got := w.scheduled("web"); got != "False "+tt.want {
				t.Errorf("condition = %s\n want False %s", got, tt.want)
			}
			_, message, _ := cutReason(tt.want)
			if diff := cmp.Diff([]string{"Warning FailedScheduling " + message}, s.told()); diff != "" {
				t.Errorf("events (-want +got):\n%s", diff)
			}
			s.step(string(p.UID))
			w.did("the same refusal again")
			if got := s.told(); got != nil {
				t.Errorf("the same refusal is told again: %v", got)
			}
			if left := s.records(); len(left) != 0 {
				t.Errorf("a refused pod has records: %+v", left)
			}
		})
	}
}

func cutReason(s string) (reason, message string, ok bool) {
	for i := range s {
		if s[i] == ':' {
			return s[:i], s[i+2:], true
		}
	}
	return "", s, false
}

func privileged() *corev1.SecurityContext { return &corev1.SecurityContext{Privileged: ptr(true)} }

func claims(name string) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Spec.Volumes = []corev1.Volume{{Name: name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name},
		}}}
	}
}

// TestClaimIsBoundLater holds that a pod waits for its claim, as a pod that came
// before its volume does.
func TestClaimIsBoundLater(t *testing.T) {
	p := fargatePod("web", claims("data"))
	w := newWorld(t, p)
	s := w.stepper()
	s.step(string(p.UID))
	if got := w.scheduled("web"); got == "" {
		t.Fatal("a pod whose claim does not exist is not refused")
	}
	w.put("persistentvolumeclaims", &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Name: "data", Namespace: "default"}, Spec: corev1.PersistentVolumeClaimSpec{VolumeName: "v"},
		Status: corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimBound},
	})
	w.put("persistentvolumes", &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "v"}, Spec: corev1.PersistentVolumeSpec{
		PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "efs.csi.aws.com"}},
	}})
	s.step(string(p.UID))
	if s.records() == nil {
		t.Error("a pod whose claim has been bound gets no node")
	}
}

func TestSubnets(t *testing.T) {
	p := fargatePod("web")
	uid := string(p.UID)
	first := pick([]string{"subnet-a", "subnet-b"}, p.UID, nil)
	second := pick([]string{"subnet-a", "subnet-b"}, p.UID, []string{first})
	w := newWorld(t, p)
	s := w.stepper()
	w.interfaces.refill(first, 0)
	w.interfaces.refill(second, 0)

	if again := s.step(uid); again != capacityRetry {
		t.Errorf("a pod without an address is looked at again after %v, want %v", again, capacityRetry)
	}
	w.did("every subnet is full", "allocate "+first+": full", "allocate "+second+": full", "update pods/status web")
	const message = "Fargate capacity is unavailable at this time. Please try again later or in a different availability zone."
	if got := w.scheduled("web"); got != "False Unschedulable: "+message {
		t.Errorf("condition = %s", got)
	}
	s.step(uid)
	w.did("they are still full", "allocate "+first+": full", "allocate "+second+": full")

	w.interfaces.refill(second, 1)
	s.step(uid)
	w.did("the other subnet has an address", "allocate "+first+": full", "allocate "+second+": eni-1", "patch pods web", "launch "+firstNode)
	if r := s.records()[0]; r.Subnet != second || r.Interface.Subnet != second {
		t.Errorf("record names subnet %s, interface of %s; want %s", r.Subnet, r.Interface.Subnet, second)
	}
}

func TestPick(t *testing.T) {
	subnets := []string{"a", "b", "c"}
	seen := map[string]int{}
	for _, name := range []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19"} {
		p := fargatePod(name)
		seen[pick(subnets, p.UID, nil)]++
		if pick(subnets, p.UID, nil) != pick(subnets, p.UID, nil) {
			t.Errorf("pod %s is given two subnets", name)
		}
		if got := pick(subnets, p.UID, []string{"a", "b"}); got != "c" {
			t.Errorf("pick without a and b = %q, want c", got)
		}
		if got := pick(subnets, p.UID, subnets); got != "" {
			t.Errorf("pick without any = %q, want none", got)
		}
	}
	if len(seen) != 3 {
		t.Errorf("20 pods are spread over %v, want all three", seen)
	}
}

func TestProvisioningTimesOut(t *testing.T) {
	p := fargatePod("web")
	uid := string(p.UID)
	w := newWorld(t, p)
	s := w.stepper()
	s.step(uid)
	w.take()
	s.told()

	w.clock.Step(provisioningTimeout - time.Second)
	if again := s.step(uid); again != time.Second {
		t.Errorf("a second before the timeout it is looked at again after %v, want 1s", again)
	}
	w.take()
	w.clock.Step(time.Second)
	if again := s.step(uid); again != capacityRetry {
		t.Errorf("after the timeout it is looked at again after %v, want %v", again, capacityRetry)
	}
	w.did("the timeout", "launch "+firstNode, "terminate "+firstNode, "release eni-1", "update pods/status web")
	if got := s.told(); len(got) != 1 || got[0] != "Warning FailedScheduling Pod provisioning timed out (will retry) for pod: default/web" {
		t.Errorf("events = %v", got)
	}
	if again := s.step(uid); again != provisioningTimeout {
		t.Errorf("the next try is looked at again after %v, want a whole timeout", again)
	}
	if r := s.records(); len(r) != 1 || r[0].Interface.ID != "eni-2" {
		t.Errorf("the next try has records %+v, want a new interface", r)
	}
}

func TestUnmappedRoleBlocksLaunches(t *testing.T) {
	const message = "Misconfigured Fargate Profile: fargate profile fp-default blocked for new launches due to: Pod execution role is not found in auth config or does not have all required permissions for launching fargate pods."
	for _, tt := range []struct {
		name string
		maps string
	}{
		{"aws-auth has no roles", ""},
		{"aws-auth has another role", "- {rolearn: 'arn:aws:iam::123456789012:role/other', username: x, groups: [system:bootstrappers, system:nodes, system:node-proxier]}"},
		{"a group is missing", "- {rolearn: 'arn:aws:iam::123456789012:role/pods', username: x, groups: [system:bootstrappers, system:nodes]}"},
		{"aws-auth cannot be read", "- rolearn: ["},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p := fargatePod("web")
			w := newWorld(t, p)
			s := w.stepper()
			right := mappedRole()
			wrong := right.DeepCopy()
			wrong.Data["mapRoles"] = tt.maps
			maps := corev1.SchemeGroupVersion.WithResource("configmaps")
			if err := w.client.Tracker().Update(maps, wrong, "kube-system"); err != nil {
				t.Fatal(err)
			}
			s.step(string(p.UID))
			if got := w.scheduled("web"); got != "False Unschedulable: "+message {
				t.Errorf("condition = %s", got)
			}
			if len(s.records()) != 0 {
				t.Error("a pod of an unmapped role was accepted")
			}
			if err := w.client.Tracker().Update(maps, right, "kube-system"); err != nil {
				t.Fatal(err)
			}
			w.take()
			s.step(string(p.UID))
			if len(s.records()) != 1 {
				t.Errorf("the role is mapped again, and the pod got no node: %v", w.take())
			}
		})
	}
}

func TestAccessEntriesNeedNoConfigMap(t *testing.T) {
	p := fargatePod("web")
	w := newWorld(t, p)
	w.remove("configmaps", "kube-system", awsAuth)
	s := w.stepper()
	s.ConfigMapMode = false
	s.step(string(p.UID))
	if len(s.records()) != 1 {
		t.Error("a pod of a cluster with access entries got no node")
	}
}

// TestNamelessNodesCollide holds what a VPC without DNS hostnames does: every node
// has one name, so that one pod runs, and the next must not take its node away.
func TestNamelessNodesCollide(t *testing.T) {
	a, b := fargatePod("a"), fargatePod("b")
	w := newWorld(t, a, b)
	w.interfaces.noName = true
	s := w.stepper()
	s.step(string(a.UID))
	s.nodeUp(string(a.UID), corev1.ConditionTrue)
	s.step(string(a.UID))
	if got := w.getPod("a").Spec.NodeName; got != "fargate-null" {
		t.Fatalf("pod a runs on %q, want fargate-null", got)
	}
	s.step(string(b.UID))
	w.clock.Step(provisioningTimeout)
	s.step(string(b.UID))
	if got := w.scheduled("b"); got != "False Unschedulable: Pod provisioning timed out (will retry) for pod: default/b" {
		t.Errorf("condition of b = %s", got)
	}
	if got := w.host.runs("fargate-null"); got != string(a.UID) {
		t.Errorf("fargate-null runs for pod %q, want a's: the end of b's try took it", got)
	}
	w.remove("pods", "default", "a")
	s.step(string(a.UID))
	s.step(string(b.UID))
	s.nodeUp(string(b.UID), corev1.ConditionTrue)
	s.step(string(b.UID))
	if got := w.getPod("b").Spec.NodeName; got != "fargate-null" {
		t.Errorf("pod b runs on %q once a is gone, want fargate-null", got)
	}
}
