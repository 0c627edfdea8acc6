package demo

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var update = flag.Bool("update", false, "write the golden files")

var start = time.Date(2026, 1, 2, 3, 4, 5, 250_000_000, time.UTC)

func seen(d time.Duration) moment { return moment{At: start.Add(d), Seen: true} }

func told(d time.Duration) moment { return moment{At: start.Add(d).Truncate(time.Second)} }

func watched() *history {
	return &history{
		Called: seen(0), Active: seen(3900 * time.Millisecond),
		Profile: profileName, ProfileCalled: seen(4 * time.Second), ProfileActive: seen(4120 * time.Millisecond),
		Pods: map[string]podTimes{
			"b": {
				Namespace: "default", Name: "web-b", Node: "fargate-ip-10-0-0-5.ec2.internal", Capacity: "0.25vCPU 0.5GB",
				Created: seen(6 * time.Second), Admitted: seen(6040 * time.Millisecond), Bound: seen(6300 * time.Millisecond),
				Started: seen(7100 * time.Millisecond), Ready: seen(7520 * time.Millisecond),
			},
			"a":    {Namespace: "kube-system", Name: "coredns-a", Created: seen(5 * time.Second)},
			"gone": {Namespace: "default", Name: "web-gone", Created: seen(5 * time.Second)},
		},
		Nodes: map[string]nodeTimes{"fargate-ip-10-0-0-5.ec2.internal": {Created: seen(6200 * time.Millisecond), Ready: seen(6250 * time.Millisecond)}},
	}
}

func fromAPIs() *history {
	return &history{
		Called: seen(0),
		Pods: map[string]podTimes{"b": {
			Namespace: "default", Name: "web-b", Node: "fargate-ip-10-0-0-5.ec2.internal", Capacity: "0.25vCPU 0.5GB",
			Created: seen(6 * time.Second), Admitted: told(6 * time.Second), Bound: told(7 * time.Second), Started: told(8 * time.Second), Ready: told(8 * time.Second),
		}},
		Nodes: map[string]nodeTimes{},
	}
}

func TestTimelines(t *testing.T) {
	local := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = local })
	for _, test := range []struct {
		name    string
		history *history
	}{
		{name: "watched", history: watched()},
		{name: "from-apis", history: fromAPIs()},
	} {
		t.Run(test.name, func(t *testing.T) {
			var b bytes.Buffer
			render(&b, timelines(test.history, func(uid string) bool { return uid != "gone" }))
			path := filepath.Join("testdata", test.name+".txt")
			if *update {
				if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("the timeline (-want +got, -update to accept):\n%s", diff)
			}
		})
	}
}

func TestObservePod(t *testing.T) {
	at := func(s int) metav1.Time {
		return metav1.NewTime(start.Truncate(time.Second).Add(time.Duration(s) * time.Second))
	}
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "default", Name: "web", CreationTimestamp: at(1), Annotations: map[string]string{capacityProvisioned: "1vCPU 2GB"},
			ManagedFields: []metav1.ManagedFieldsEntry{{Time: new(at(2)), FieldsV1: metav1.NewFieldsV1(`{"f:metadata":{"f:annotations":{"f:CapacityProvisioned":{}}}}`)}},
		},
		Spec: corev1.PodSpec{NodeName: "n", Containers: []corev1.Container{{Name: "a"}, {Name: "b"}}},
		Status: corev1.PodStatus{
			Conditions: []corev1.PodCondition{
				{Type: corev1.PodScheduled, Status: corev1.ConditionTrue, LastTransitionTime: at(3)},
				{Type: corev1.PodReady, Status: corev1.ConditionFalse, LastTransitionTime: at(9)},
			},
			ContainerStatuses: []corev1.ContainerStatus{
				{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(5)}}},
				{State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: at(4)}}},
			},
		},
	}
	first := podTimes{}.observe(pod, start, false)
	want := podTimes{
		Namespace: "default", Name: "web", Node: "n", Capacity: "1vCPU 2GB", Created: moment{At: at(1).Time},
		Admitted: moment{At: at(2).Time}, Bound: moment{At: at(3).Time}, Started: moment{At: at(5).Time},
	}
	if diff := cmp.Diff(want, first); diff != "" {
		t.Errorf("a pod that was there before (-want +got):\n%s", diff)
	}
	pod.Status.Conditions[1].Status = corev1.ConditionTrue
	want.Ready = moment{At: start.Add(time.Minute), Seen: true}
	second := first.observe(pod, start.Add(time.Minute), true)
	if diff := cmp.Diff(want, second); diff != "" {
		t.Errorf("the same pod becoming ready (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(second, second.observe(pod, start.Add(time.Hour), true)); diff != "" {
		t.Errorf("a second look changed what was seen (-want +got):\n%s", diff)
	}
}

func TestHistoryIsOfOneCluster(t *testing.T) {
	dir := t.TempDir()
	h := watched()
	h.Cluster = "arn one"
	if err := saveHistory(dir, h); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(h, loadHistory(dir, "arn one")); diff != "" {
		t.Errorf("the history that was kept (-want +got):\n%s", diff)
	}
	empty := &history{Cluster: "arn two", Pods: map[string]podTimes{}, Nodes: map[string]nodeTimes{}}
	if diff := cmp.Diff(empty, loadHistory(dir, "arn two")); diff != "" {
		t.Errorf("the history of another cluster (-want +got):\n%s", diff)
	}
	if err := os.WriteFile(historyPath(dir), []byte(`{"cluster":"arn two","pods":nu`), 0o600); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(empty, loadHistory(dir, "arn two")); diff != "" {
		t.Errorf("a history that cannot be read (-want +got):\n%s", diff)
	}
}
