package podcgroup

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	internalapi "k8s.io/cri-api/pkg/apis"
	"k8s.io/klog/v2"

	"berth.dev/berth/dataplane"
)

func TestStartLimits(t *testing.T) {
	l := startLimits(dataplane.Size{MilliCPU: 250, MemoryBytes: 512 << 20})
	if l.CPUQuota != nil || l.CPUPeriod != nil {
		t.Errorf("quota at the start = %v/%v, want none", l.CPUQuota, l.CPUPeriod)
	}
	if l.Memory == nil || *l.Memory != 512<<20 || l.CPUShares == nil || *l.CPUShares != 256 {
		t.Errorf("limits at the start = %+v, want the memory and the shares of the size", l)
	}
}

// runtime does nothing.
type runtime struct{ internalapi.RuntimeService }

func (runtime) StartContainer(context.Context, string) error { return nil }
func (runtime) StopPodSandbox(context.Context, string) error { return nil }

// TestQuotaFollowsTheContainers looks at a real cgroup's quota.
func TestQuotaFollowsTheContainers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making cgroups needs root")
	}
	logger := klog.Background()
	cgroups, err := OpenCgroups(logger)
	if err != nil {
		t.Skipf("the host has no cgroups: %v", err)
	}
	parent := "/berth-podcgroup-test"
	m := New(cgroups, parent, dataplane.Node{Name: "n", Size: dataplane.Size{MilliCPU: 250, MemoryBytes: 64 << 20}})
	pod := &v1.Pod{ObjectMeta: metav1.ObjectMeta{Name: "p", Namespace: "default", UID: "0a1b"}}
	if err := m.NewPodContainerManager().EnsureExists(logger, pod); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Remove(logger); err != nil {
			t.Error(err)
		}
		_ = New(cgroups, "/", dataplane.Node{Name: strings.TrimPrefix(parent, "/")}).Remove(logger)
	})
	wrapped := m.Runtime(runtime{})
	want := func(when, v1Quota, v2Quota string) {
		t.Helper()
		file, quota := filepath.Join("/sys/fs/cgroup/cpu", parent, "n", "pod0a1b", "cpu.cfs_quota_us"), v1Quota
		if cgroups.manager.Version() == 2 {
			file, quota = filepath.Join("/sys/fs/cgroup", parent, "n", "pod0a1b", "cpu.max"), v2Quota
		}
		b, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(b)); got != quota {
			t.Errorf("quota %s = %q, want %q", when, got, quota)
		}
	}
	want("before the first container", "-1", "max 100000")
	if err := wrapped.StartContainer(t.Context(), "c"); err != nil {
		t.Fatal(err)
	}
	want("once a container runs", "25000", "25000 100000")
	if err := wrapped.StopPodSandbox(t.Context(), "s"); err != nil {
		t.Fatal(err)
	}
	want("while the sandbox is taken down", "-1", "max 100000")
}
