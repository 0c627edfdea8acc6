package criview

import (
	"context"
	"testing"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"

	"berth.dev/berth/kube/internal/hollow"
)

// counting counts the lists that reach a runtime.
type counting struct {
	internalapi.RuntimeService
	lists int
}

func (c *counting) ListPodSandbox(ctx context.Context, f *runtimeapi.PodSandboxFilter) ([]*runtimeapi.PodSandbox, error) {
	c.lists++
	return c.RuntimeService.ListPodSandbox(ctx, f)
}

func (c *counting) ListContainers(ctx context.Context, f *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	c.lists++
	return c.RuntimeService.ListContainers(ctx, f)
}

func TestSharedLists(t *testing.T) {
	now := time.Unix(100, 0)
	runtime := &counting{RuntimeService: hollow.New("10.0.0.5", clock)}
	shared := NewShared(runtime, func() time.Time { return now })
	a, b := NewRuntime(shared, "a", ""), NewRuntime(shared, "b", "")
	pod(t, a, "one")
	sandbox, container := pod(t, b, "two")
	lists := func(view *Runtime) (sandboxes, containers int) {
		t.Helper()
		s, err := view.ListPodSandbox(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c, err := view.ListContainers(t.Context(), &runtimeapi.ContainerFilter{})
		if err != nil {
			t.Fatal(err)
		}
		return len(s), len(c)
	}
	steps := []struct {
		name string
		do   func()
		// containers is how many b has; asked is how many lists reach the runtime
		// when both views list everything.
		containers, asked int
	}{
		{name: "the first to ask makes the lists", do: func() {}, containers: 1, asked: 2},
		{name: "the next are given the same", do: func() {}, containers: 1, asked: 0},
		{name: "a change is seen at once", do: func() {
			if err := b.StopContainer(t.Context(), container, 0); err != nil {
				t.Fatal(err)
			}
			if err := b.RemoveContainer(t.Context(), container); err != nil {
				t.Fatal(err)
			}
		}, containers: 0, asked: 2},
		{name: "a list grows too old", do: func() { now = now.Add(sharedAge) }, containers: 0, asked: 2},
	}
	for _, step := range steps {
		t.Run(step.name, func(t *testing.T) {
			step.do()
			before := runtime.lists
			if s, c := lists(a); s != 1 || c != 1 {
				t.Errorf("a sees %d sandboxes and %d containers, want one of each", s, c)
			}
			if s, c := lists(b); s != 1 || c != step.containers {
				t.Errorf("b sees %d sandboxes and %d containers, want 1 and %d", s, c, step.containers)
			}
			if got := runtime.lists - before; got != step.asked {
				t.Errorf("%d lists reached the runtime, want %d", got, step.asked)
			}
		})
	}
	if found, err := b.ListPodSandbox(t.Context(), &runtimeapi.PodSandboxFilter{Id: sandbox}); err != nil || len(found) != 1 {
		t.Errorf("a filtered list = %v, %v; want the sandbox", found, err)
	}
}
