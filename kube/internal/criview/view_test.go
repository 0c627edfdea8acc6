package criview

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"berth.dev/berth/kube/internal/hollow"
)

func clock() time.Time { return time.Unix(1, 0) }

// unfiltered is a runtime that ignores label selectors.
type unfiltered struct{ internalapi.RuntimeService }

func (u unfiltered) ListPodSandbox(ctx context.Context, _ *runtimeapi.PodSandboxFilter) ([]*runtimeapi.PodSandbox, error) {
	return u.RuntimeService.ListPodSandbox(ctx, nil)
}

func (u unfiltered) ListContainers(ctx context.Context, _ *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	return u.RuntimeService.ListContainers(ctx, nil)
}

func (u unfiltered) ListPodSandboxMetrics(ctx context.Context) ([]*runtimeapi.PodSandboxMetrics, error) {
	sandboxes, err := u.RuntimeService.ListPodSandbox(ctx, nil)
	var metrics []*runtimeapi.PodSandboxMetrics
	for _, sandbox := range sandboxes {
		metrics = append(metrics, &runtimeapi.PodSandboxMetrics{PodSandboxId: sandbox.Id})
	}
	return metrics, err
}

// pod runs a pod with one container through a view.
func pod(t *testing.T, view *Runtime, name string) (sandbox, container string) {
	t.Helper()
	config := &runtimeapi.PodSandboxConfig{
		Metadata: &runtimeapi.PodSandboxMetadata{Name: name}, Labels: map[string]string{"app": name},
	}
	sandbox, err := view.RunPodSandbox(t.Context(), config, "")
	if err != nil {
		t.Fatal(err)
	}
	containerConfig := &runtimeapi.ContainerConfig{
		Metadata: &runtimeapi.ContainerMetadata{Name: "c"}, Labels: map[string]string{"app": name},
	}
	container, err = view.CreateContainer(t.Context(), sandbox, containerConfig, config)
	if err != nil {
		t.Fatal(err)
	}
	if err := view.StartContainer(t.Context(), container); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"app": name}
	if diff := cmp.Diff([]map[string]string{want, want}, []map[string]string{config.Labels, containerConfig.Labels}); diff != "" {
		t.Errorf("the caller's labels changed (-want +got):\n%s", diff)
	}
	return sandbox, container
}

func TestViewsAreDisjoint(t *testing.T) {
	runtimes := map[string]internalapi.RuntimeService{
		"runtime filters":         hollow.New("10.0.0.1", clock),
		"runtime does not filter": unfiltered{hollow.New("10.0.0.1", clock)},
	}
	for name, runtime := range runtimes {
		t.Run(name, func(t *testing.T) {
			a, b := NewRuntime(runtime, "a", ""), NewRuntime(runtime, "b", "")
			sandboxA, containerA := pod(t, a, "pa")
			pod(t, b, "pb")

			sandboxes, err := a.ListPodSandbox(t.Context(), nil)
			if err != nil || len(sandboxes) != 1 || sandboxes[0].Id != sandboxA {
				t.Errorf("ListPodSandbox = %v, %v; want only %s", sandboxes, err, sandboxA)
			}
			containers, err := a.ListContainers(t.Context(), &runtimeapi.ContainerFilter{LabelSelector: map[string]string{"app": "pa"}})
			if err != nil || len(containers) != 1 || containers[0].Id != containerA {
				t.Errorf("ListContainers = %v, %v; want only %s", containers, err, containerA)
			}
			stats, err := a.ListContainerStats(t.Context(), nil)
			if err != nil || len(stats) != 1 || stats[0].Attributes.Id != containerA {
				t.Errorf("ListContainerStats = %v, %v; want only %s", stats, err, containerA)
			}
			podStats, err := a.ListPodSandboxStats(t.Context(), nil)
			if err != nil || len(podStats) != 1 || podStats[0].Attributes.Id != sandboxA {
				t.Errorf("ListPodSandboxStats = %v, %v; want only %s", podStats, err, sandboxA)
			}
		})
	}
}

func TestSandboxMetricsAreTheNodes(t *testing.T) {
	runtime := unfiltered{hollow.New("10.0.0.1", clock)}
	a, b := NewRuntime(runtime, "a", ""), NewRuntime(runtime, "b", "")
	sandbox, _ := pod(t, a, "pa")
	pod(t, b, "pb")
	metrics, err := a.ListPodSandboxMetrics(t.Context())
	if err != nil || len(metrics) != 1 || metrics[0].PodSandboxId != sandbox {
		t.Errorf("ListPodSandboxMetrics = %v, %v; want only %s", metrics, err, sandbox)
	}
}

func TestRuntimeHandler(t *testing.T) {
	tests := []struct{ name, asked, want string }{
		{name: "default", want: "runsc"},
		{name: "runtime class", asked: "runc", want: "runc"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			view := NewRuntime(hollow.New("10.0.0.1", clock), "a", "runsc")
			id, err := view.RunPodSandbox(t.Context(), &runtimeapi.PodSandboxConfig{}, test.asked)
			if err != nil {
				t.Fatal(err)
			}
			status, err := view.PodSandboxStatus(t.Context(), id, false)
			if err != nil || status.Status.RuntimeHandler != test.want {
				t.Errorf("handler is %q (%v), want %q", status.GetStatus().GetRuntimeHandler(), err, test.want)
			}
		})
	}
}

func TestImagesShareLists(t *testing.T) {
	now := time.Unix(100, 0)
	service := hollow.NewImages("/")
	images := NewImages(service, func() time.Time { return now })
	names := func() []string {
		list, err := images.ListImages(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, image := range list {
			names = append(names, image.Id)
		}
		slices.Sort(names)
		return names
	}
	pull := func(name string) {
		if _, err := images.PullImage(t.Context(), &runtimeapi.ImageSpec{Image: name}, nil, nil); err != nil {
			t.Fatal(err)
		}
	}
	pull("a")
	if diff := cmp.Diff([]string{"a"}, names()); diff != "" {
		t.Fatalf("first list (-want +got):\n%s", diff)
	}
	pull("b")
	now = now.Add(listAge - 1)
	if diff := cmp.Diff([]string{"a"}, names()); diff != "" {
		t.Errorf("shared list (-want +got):\n%s", diff)
	}
	now = now.Add(1)
	if diff := cmp.Diff([]string{"a", "b"}, names()); diff != "" {
		t.Errorf("old list (-want +got):\n%s", diff)
	}
	one, err := images.ListImages(t.Context(), &runtimeapi.ImageFilter{Image: &runtimeapi.ImageSpec{Image: "b"}})
	if err != nil || len(one) != 1 {
		t.Errorf("filtered list = %v, %v; want one image", one, err)
	}
}
