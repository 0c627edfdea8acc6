package criview

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// sharedAge is how old a shared list may be. A kubelet lists everything once a
// second to notice containers that have ended; this much later it may notice.
const sharedAge = 500 * time.Millisecond

// Shared is one runtime for many views, which answers what every kubelet asks
// every second, for all sandboxes and all containers, out of one list for all of
// them: asking for each costs the runtime the square of the number of nodes. A
// list is never older than the last change that was made through this runtime.
type Shared struct {
	internalapi.RuntimeService
	now        func() time.Time
	changes    atomic.Uint64
	sandboxes  shared[*runtimeapi.PodSandbox]
	containers shared[*runtimeapi.Container]
}

// NewShared returns a runtime that shares its lists.
func NewShared(runtime internalapi.RuntimeService, now func() time.Time) *Shared {
	return &Shared{RuntimeService: runtime, now: now}
}

// shared is the last list of one kind.
type shared[T any] struct {
	mu      sync.Mutex
	list    []T
	at      time.Time
	changes uint64
	filled  bool
}

// get returns the list, made anew when it is too old or something has changed
// since it was asked for. Callers that come meanwhile wait for the same list.
func (s *shared[T]) get(now func() time.Time, changes *atomic.Uint64, list func() ([]T, error)) ([]T, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.filled && s.changes == changes.Load() && now().Sub(s.at) < sharedAge {
		return slices.Clone(s.list), nil
	}
	at, before := now(), changes.Load()
	all, err := list()
	if err != nil {
		s.filled = false
		return nil, err
	}
	s.list, s.at, s.changes, s.filled = all, at, before, true
	return slices.Clone(all), nil
}

// AllSandboxes lists the sandboxes of every node; the caller must not change them.
func (s *Shared) AllSandboxes(ctx context.Context) ([]*runtimeapi.PodSandbox, error) {
	return s.sandboxes.get(s.now, &s.changes, func() ([]*runtimeapi.PodSandbox, error) {
		return s.RuntimeService.ListPodSandbox(context.WithoutCancel(ctx), nil)
	})
}

// AllContainers lists the containers of every node; the caller must not change them.
func (s *Shared) AllContainers(ctx context.Context) ([]*runtimeapi.Container, error) {
	return s.containers.get(s.now, &s.changes, func() ([]*runtimeapi.Container, error) {
		return s.RuntimeService.ListContainers(context.WithoutCancel(ctx), nil)
	})
}

// changed makes the lists that were asked for before it stale.
func (s *Shared) changed() { s.changes.Add(1) }

func (s *Shared) RunPodSandbox(ctx context.Context, config *runtimeapi.PodSandboxConfig, handler string) (string, error) {
	defer s.changed()
	return s.RuntimeService.RunPodSandbox(ctx, config, handler)
}

func (s *Shared) StopPodSandbox(ctx context.Context, id string) error {
	defer s.changed()
	return s.RuntimeService.StopPodSandbox(ctx, id)
}

func (s *Shared) RemovePodSandbox(ctx context.Context, id string) error {
	defer s.changed()
	return s.RuntimeService.RemovePodSandbox(ctx, id)
}

func (s *Shared) CreateContainer(ctx context.Context, sandbox string, config *runtimeapi.ContainerConfig, sandboxConfig *runtimeapi.PodSandboxConfig) (string, error) {
	defer s.changed()
	return s.RuntimeService.CreateContainer(ctx, sandbox, config, sandboxConfig)
}

func (s *Shared) StartContainer(ctx context.Context, id string) error {
	defer s.changed()
	return s.RuntimeService.StartContainer(ctx, id)
}

func (s *Shared) StopContainer(ctx context.Context, id string, timeout int64) error {
	defer s.changed()
	return s.RuntimeService.StopContainer(ctx, id, timeout)
}

func (s *Shared) RemoveContainer(ctx context.Context, id string) error {
	defer s.changed()
	return s.RuntimeService.RemoveContainer(ctx, id)
}
