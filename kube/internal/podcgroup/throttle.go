package podcgroup

import (
	"context"
	"fmt"

	internalapi "k8s.io/cri-api/pkg/apis"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm"

	"berth.dev/berth/dataplane"
)

// A pod's CPU quota is in force while its containers run, and not while its
// sandbox is made and taken down: on Fargate a machine boots outside of what its
// pod is billed for, and a sandbox that boots on a quarter of a CPU takes half a
// second longer. Memory is limited from the start.

// unthrottled is the quota that limits nothing.
const unthrottled = int64(-1)

// startLimits are a pod cgroup's numbers before its first container runs.
func startLimits(size dataplane.Size) *cm.ResourceConfig {
	limits := Limits(size)
	limits.CPUQuota, limits.CPUPeriod = nil, nil
	return limits
}

// Throttle puts the CPU quota of the node's pods in force, and Relax takes it
// away.
func (m *Manager) Throttle(logger klog.Logger) error {
	limits := Limits(m.size)
	return m.update(logger, &cm.ResourceConfig{CPUQuota: limits.CPUQuota, CPUPeriod: limits.CPUPeriod})
}

// Relax lets the node's pods use what CPU there is.
func (m *Manager) Relax(logger klog.Logger) error {
	quota, period := unthrottled, uint64(cpuPeriod)
	return m.update(logger, &cm.ResourceConfig{CPUQuota: &quota, CPUPeriod: &period})
}

func (m *Manager) update(logger klog.Logger, limits *cm.ResourceConfig) error {
	if m.cgroups == nil || m.size.MilliCPU == 0 {
		return nil
	}
	p := &pods{m}
	all, err := p.GetAllPodsFromCgroups()
	if err != nil {
		return fmt.Errorf("listing the pods below %s: %w", m.parent.ToCgroupfs(), err)
	}
	for uid, name := range all {
		if err := m.cgroups.Update(logger, &cm.CgroupConfig{Name: name, ResourceParameters: limits}); err != nil {
			return fmt.Errorf("setting the CPU quota of pod %s: %w", uid, err)
		}
	}
	return nil
}

// Runtime returns a node's runtime that throttles the node's pod from its first
// container on until its sandbox is stopped.
func (m *Manager) Runtime(runtime internalapi.RuntimeService) internalapi.RuntimeService {
	return &throttling{RuntimeService: runtime, manager: m}
}

type throttling struct {
	internalapi.RuntimeService
	manager *Manager
}

// StartContainer puts the quota in force when the container runs. A pod whose
// quota cannot be set is started all the same, and the log says so.
func (t *throttling) StartContainer(ctx context.Context, id string) error {
	if err := t.RuntimeService.StartContainer(ctx, id); err != nil {
		return err
	}
	logger := klog.FromContext(ctx)
	if err := t.manager.Throttle(logger); err != nil {
		logger.Error(err, "A pod may use more CPU than its size")
	}
	return nil
}

// StopPodSandbox lets the sandbox end as fast as it can.
func (t *throttling) StopPodSandbox(ctx context.Context, id string) error {
	logger := klog.FromContext(ctx)
	if err := t.manager.Relax(logger); err != nil {
		logger.Error(err, "A pod ends on no more CPU than its size")
	}
	return t.RuntimeService.StopPodSandbox(ctx, id)
}
