package hollow

import (
	"context"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

var _ internalapi.ContainerStatsManager = (*Runtime)(nil)

// ContainerStats identifies the container; there is nothing to measure.
func (r *Runtime) ContainerStats(_ context.Context, id string) (*runtimeapi.ContainerStats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return nil, notFound("container", id)
	}
	return r.containerStats(c), nil
}

// ListContainerStats identifies the running containers.
func (r *Runtime) ListContainerStats(_ context.Context, filter *runtimeapi.ContainerStatsFilter) ([]*runtimeapi.ContainerStats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*runtimeapi.ContainerStats
	for _, c := range r.containers {
		if filter.GetId() != "" && filter.GetId() != c.id || filter.GetPodSandboxId() != "" && filter.GetPodSandboxId() != c.sandbox {
			continue
		}
		if c.state == runtimeapi.ContainerState_CONTAINER_RUNNING && matches(c.config.GetLabels(), filter.GetLabelSelector()) {
			list = append(list, r.containerStats(c))
		}
	}
	return list, nil
}

// PodSandboxStats identifies the sandbox and its containers.
func (r *Runtime) PodSandboxStats(_ context.Context, id string) (*runtimeapi.PodSandboxStats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.sandboxes[id]
	if found == nil {
		return nil, notFound("sandbox", id)
	}
	return r.sandboxStats(found), nil
}

// ListPodSandboxStats identifies the ready sandboxes.
func (r *Runtime) ListPodSandboxStats(_ context.Context, filter *runtimeapi.PodSandboxStatsFilter) ([]*runtimeapi.PodSandboxStats, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*runtimeapi.PodSandboxStats
	for _, one := range r.sandboxes {
		if filter.GetId() != "" && filter.GetId() != one.id {
			continue
		}
		if one.state == runtimeapi.PodSandboxState_SANDBOX_READY && matches(one.config.GetLabels(), filter.GetLabelSelector()) {
			list = append(list, r.sandboxStats(one))
		}
	}
	return list, nil
}

func (r *Runtime) sandboxStats(s *sandbox) *runtimeapi.PodSandboxStats {
	stats := &runtimeapi.LinuxPodSandboxStats{}
	for _, c := range r.containers {
		if c.sandbox == s.id {
			stats.Containers = append(stats.Containers, r.containerStats(c))
		}
	}
	return &runtimeapi.PodSandboxStats{
		Attributes: &runtimeapi.PodSandboxAttributes{
			Id: s.id, Metadata: s.config.GetMetadata(), Labels: s.config.GetLabels(), Annotations: s.config.GetAnnotations(),
		},
		Linux: stats,
	}
}

func (r *Runtime) containerStats(c *container) *runtimeapi.ContainerStats {
	now := r.now().UnixNano()
	zero := &runtimeapi.UInt64Value{}
	return &runtimeapi.ContainerStats{
		Attributes: &runtimeapi.ContainerAttributes{
			Id: c.id, Metadata: c.config.GetMetadata(), Labels: c.config.GetLabels(), Annotations: c.config.GetAnnotations(),
		},
		Cpu:    &runtimeapi.CpuUsage{Timestamp: now, UsageCoreNanoSeconds: zero, UsageNanoCores: zero},
		Memory: &runtimeapi.MemoryUsage{Timestamp: now, WorkingSetBytes: zero, UsageBytes: zero, RssBytes: zero},
	}
}

// ListMetricDescriptors has none.
func (r *Runtime) ListMetricDescriptors(context.Context) ([]*runtimeapi.MetricDescriptor, error) {
	return nil, nil
}

// ListPodSandboxMetrics has none.
func (r *Runtime) ListPodSandboxMetrics(context.Context) ([]*runtimeapi.PodSandboxMetrics, error) {
	return nil, nil
}
