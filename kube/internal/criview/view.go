// Package criview shows each of many kubelets only its own part of one
// container runtime.
//
// A view adds the label NodeLabel to every sandbox and container that its
// kubelet creates, and filters by it whatever lists. Calls that name a sandbox
// or a container pass through: a kubelet knows only identifiers that its view
// gave it. A view is not a security boundary between kubelets, which trust
// each other: they share a process.
//
// Package dataplane makes one view per node over one connection; nothing else
// imports it.
package criview

import (
	"context"
	"maps"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// NodeLabel is the label of sandboxes and containers that says whose they are.
const NodeLabel = "berth.dev/node"

// Runtime is the view of one node on a runtime.
type Runtime struct {
	internalapi.RuntimeService
	node    string
	handler string
}

var _ internalapi.RuntimeService = (*Runtime)(nil)

// NewRuntime returns the node's view. Sandboxes that ask for no runtime handler
// get the given one; empty leaves the choice to the runtime.
func NewRuntime(runtime internalapi.RuntimeService, node, handler string) *Runtime {
	return &Runtime{RuntimeService: runtime, node: node, handler: handler}
}

// Close leaves the shared connection open.
func (v *Runtime) Close(context.Context) error { return nil }

func (v *Runtime) selector(given map[string]string) map[string]string {
	selector := maps.Clone(given)
	if selector == nil {
		selector = map[string]string{}
	}
	selector[NodeLabel] = v.node
	return selector
}

// owns reports whether labels carry this node's name. Listing answers are
// checked too, because not every runtime filters by label.
func (v *Runtime) owns(labels map[string]string) bool { return labels[NodeLabel] == v.node }

// RunPodSandbox labels the sandbox with its node.
func (v *Runtime) RunPodSandbox(ctx context.Context, config *runtimeapi.PodSandboxConfig, handler string) (string, error) {
	if handler == "" {
		handler = v.handler
	}
	return v.RuntimeService.RunPodSandbox(ctx, v.sandboxConfig(config), handler)
}

// CreateContainer labels the container with its node.
func (v *Runtime) CreateContainer(ctx context.Context, sandbox string, config *runtimeapi.ContainerConfig, sandboxConfig *runtimeapi.PodSandboxConfig) (string, error) {
	// The kubelet keeps what it passes: change a copy. These messages are
	// only read from here on, so a shallow one will do.
	labels := config.Labels
	config.Labels = v.selector(labels)
	defer func() { config.Labels = labels }()
	return v.RuntimeService.CreateContainer(ctx, sandbox, config, v.sandboxConfig(sandboxConfig))
}

func (v *Runtime) sandboxConfig(config *runtimeapi.PodSandboxConfig) *runtimeapi.PodSandboxConfig {
	if config == nil {
		return nil
	}
	return &runtimeapi.PodSandboxConfig{
		Metadata:     config.Metadata,
		Hostname:     config.Hostname,
		LogDirectory: config.LogDirectory,
		DnsConfig:    config.DnsConfig,
		PortMappings: config.PortMappings,
		Labels:       v.selector(config.Labels),
		Annotations:  config.Annotations,
		Linux:        config.Linux,
		Windows:      config.Windows,
	}
}

// ListPodSandbox lists the node's sandboxes.
func (v *Runtime) ListPodSandbox(ctx context.Context, filter *runtimeapi.PodSandboxFilter) ([]*runtimeapi.PodSandbox, error) {
	if all, shared := v.RuntimeService.(*Shared); shared && filter.GetId() == "" && filter.GetState() == nil && len(filter.GetLabelSelector()) == 0 {
		list, err := all.AllSandboxes(ctx)
		return keep(list, func(s *runtimeapi.PodSandbox) bool { return v.owns(s.GetLabels()) }), err
	}
	own := &runtimeapi.PodSandboxFilter{
		Id:            filter.GetId(),
		State:         filter.GetState(),
		LabelSelector: v.selector(filter.GetLabelSelector()),
	}
	all, err := v.RuntimeService.ListPodSandbox(ctx, own)
	return keep(all, func(s *runtimeapi.PodSandbox) bool { return v.owns(s.GetLabels()) }), err
}

// ListContainers lists the node's containers.
func (v *Runtime) ListContainers(ctx context.Context, filter *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	if all, shared := v.RuntimeService.(*Shared); shared && filter.GetId() == "" && filter.GetState() == nil && filter.GetPodSandboxId() == "" && len(filter.GetLabelSelector()) == 0 {
		list, err := all.AllContainers(ctx)
		return keep(list, func(c *runtimeapi.Container) bool { return v.owns(c.GetLabels()) }), err
	}
	own := &runtimeapi.ContainerFilter{
		Id:            filter.GetId(),
		State:         filter.GetState(),
		PodSandboxId:  filter.GetPodSandboxId(),
		LabelSelector: v.selector(filter.GetLabelSelector()),
	}
	all, err := v.RuntimeService.ListContainers(ctx, own)
	return keep(all, func(c *runtimeapi.Container) bool { return v.owns(c.GetLabels()) }), err
}

// ListContainerStats lists the statistics of the node's containers.
func (v *Runtime) ListContainerStats(ctx context.Context, filter *runtimeapi.ContainerStatsFilter) ([]*runtimeapi.ContainerStats, error) {
	own := &runtimeapi.ContainerStatsFilter{
		Id:            filter.GetId(),
		PodSandboxId:  filter.GetPodSandboxId(),
		LabelSelector: v.selector(filter.GetLabelSelector()),
	}
	all, err := v.RuntimeService.ListContainerStats(ctx, own)
	return keep(all, func(s *runtimeapi.ContainerStats) bool { return v.owns(s.GetAttributes().GetLabels()) }), err
}

// ListPodSandboxStats lists the statistics of the node's sandboxes.
func (v *Runtime) ListPodSandboxStats(ctx context.Context, filter *runtimeapi.PodSandboxStatsFilter) ([]*runtimeapi.PodSandboxStats, error) {
	own := &runtimeapi.PodSandboxStatsFilter{
		Id:            filter.GetId(),
		LabelSelector: v.selector(filter.GetLabelSelector()),
	}
	all, err := v.RuntimeService.ListPodSandboxStats(ctx, own)
	return keep(all, func(s *runtimeapi.PodSandboxStats) bool { return v.owns(s.GetAttributes().GetLabels()) }), err
}

// ListPodSandboxMetrics lists the metrics of the node's sandboxes. They carry
// no labels, so the sandboxes are listed as well.
func (v *Runtime) ListPodSandboxMetrics(ctx context.Context) ([]*runtimeapi.PodSandboxMetrics, error) {
	all, err := v.RuntimeService.ListPodSandboxMetrics(ctx)
	if err != nil {
		return nil, err
	}
	sandboxes, err := v.ListPodSandbox(ctx, nil)
	if err != nil {
		return nil, err
	}
	own := map[string]bool{}
	for _, sandbox := range sandboxes {
		own[sandbox.GetId()] = true
	}
	return keep(all, func(m *runtimeapi.PodSandboxMetrics) bool { return own[m.GetPodSandboxId()] }), nil
}

func keep[T any](all []T, wanted func(T) bool) []T {
	var kept []T
	for _, one := range all {
		if wanted(one) {
			kept = append(kept, one)
		}
	}
	return kept
}
