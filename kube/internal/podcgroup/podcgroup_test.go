package podcgroup

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	"k8s.io/kubernetes/pkg/kubelet/cm"
	"k8s.io/utils/cpuset"

	"berth.dev/berth/dataplane"
)

func TestLimits(t *testing.T) {
	number := func(n int64) *int64 { return &n }
	unsigned := func(n uint64) *uint64 { return &n }
	tests := []struct {
		name string
		size dataplane.Size
		want *cm.ResourceConfig
	}{
		{name: "unlimited", want: &cm.ResourceConfig{}},
		{
			name: "quarter of a processor", size: dataplane.Size{MilliCPU: 250, MemoryBytes: 512 << 20},
			want: &cm.ResourceConfig{
				CPUQuota: number(25_000), CPUPeriod: unsigned(100_000), CPUShares: unsigned(256), Memory: number(512 << 20),
			},
		},
		{
			name: "four processors, any memory", size: dataplane.Size{MilliCPU: 4000},
			want: &cm.ResourceConfig{CPUQuota: number(400_000), CPUPeriod: unsigned(100_000), CPUShares: unsigned(4096)},
		},
		{
			name: "memory alone", size: dataplane.Size{MemoryBytes: 1 << 30},
			want: &cm.ResourceConfig{Memory: number(1 << 30)},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, Limits(test.size), cmp.AllowUnexported(cpuset.CPUSet{})); diff != "" {
				t.Errorf("Limits(%+v) (-want +got):\n%s", test.size, diff)
			}
		})
	}
}

func TestReservation(t *testing.T) {
	manager := New(nil, "/berth", dataplane.Node{Name: "n", Capacity: dataplane.Size{MemoryBytes: 4 << 30, EphemeralBytes: 30 << 30}})
	reserved := manager.GetNodeAllocatableReservation()
	if got := reserved.Memory().String(); got != "100Mi" {
		t.Errorf("reserved memory is %s, want 100Mi", got)
	}
	if got := reserved.StorageEphemeral().String(); got != "3Gi" {
		t.Errorf("reserved storage is %s, want 3Gi", got)
	}
}

func TestNames(t *testing.T) {
	manager := New(nil, "berth/demo", dataplane.Node{Name: "fargate-a.internal"})
	if got, want := manager.GetPodCgroupRoot(), "/berth/demo/fargate-a.internal"; got != want {
		t.Errorf("GetPodCgroupRoot = %s, want %s", got, want)
	}
	pods := manager.NewPodContainerManager()
	pod := &v1.Pod{}
	pod.UID = "1-2"
	name, _ := pods.GetPodContainerName(pod)
	if got, want := name.ToCgroupfs(), "/berth/demo/fargate-a.internal/pod1-2"; got != want {
		t.Errorf("a pod's cgroup is %s, want %s", got, want)
	}
	tests := []struct {
		cgroup string
		uid    string
	}{
		{cgroup: "/berth/demo/n/pod1-2", uid: "1-2"},
		{cgroup: "pod1", uid: "1"},
		{cgroup: "/berth/demo"},
		{cgroup: "pod"},
	}
	for _, test := range tests {
		is, uid := pods.IsPodCgroup(test.cgroup)
		if is != (test.uid != "") || string(uid) != test.uid {
			t.Errorf("IsPodCgroup(%s) = %v, %q; want %q", test.cgroup, is, uid, test.uid)
		}
	}
}
