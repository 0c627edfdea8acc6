package hollow

import (
	"context"
	"os"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

var _ internalapi.PodSandboxManager = (*Runtime)(nil)

// RunPodSandbox adds a sandbox that is ready at once.
func (r *Runtime) RunPodSandbox(_ context.Context, config *runtimeapi.PodSandboxConfig, handler string) (string, error) {
	if directory := config.GetLogDirectory(); directory != "" {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return "", err
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	id := newID()
	r.sandboxes[id] = &sandbox{
		id: id, config: config, handler: handler, created: r.now(),
		state: runtimeapi.PodSandboxState_SANDBOX_READY,
	}
	return id, nil
}

// StopPodSandbox stops the sandbox and its containers; it is idempotent.
func (r *Runtime) StopPodSandbox(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.sandboxes[id]
	if found == nil {
		return nil
	}
	found.state = runtimeapi.PodSandboxState_SANDBOX_NOTREADY
	for _, c := range r.containers {
		if c.sandbox == id {
			r.stop(c)
		}
	}
	return nil
}

// RemovePodSandbox removes the sandbox and its containers; it is idempotent.
func (r *Runtime) RemovePodSandbox(ctx context.Context, id string) error {
	if err := r.StopPodSandbox(ctx, id); err != nil {
		return err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for cid, c := range r.containers {
		if c.sandbox == id {
			delete(r.containers, cid)
		}
	}
	delete(r.sandboxes, id)
	return nil
}

// PodSandboxStatus describes one sandbox, with the node's address as its own.
func (r *Runtime) PodSandboxStatus(_ context.Context, id string, _ bool) (*runtimeapi.PodSandboxStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := r.sandboxes[id]
	if found == nil {
		return nil, notFound("sandbox", id)
	}
	return &runtimeapi.PodSandboxStatusResponse{Status: &runtimeapi.PodSandboxStatus{
		Id:             found.id,
		Metadata:       found.config.GetMetadata(),
		State:          found.state,
		CreatedAt:      nanos(found.created),
		Network:        &runtimeapi.PodSandboxNetworkStatus{Ip: r.ip},
		Linux:          &runtimeapi.LinuxPodSandboxStatus{Namespaces: &runtimeapi.Namespace{Options: found.config.GetLinux().GetSecurityContext().GetNamespaceOptions()}},
		Labels:         found.config.GetLabels(),
		Annotations:    found.config.GetAnnotations(),
		RuntimeHandler: found.handler,
	}}, nil
}

// ListPodSandbox lists sandboxes by id, state and labels.
func (r *Runtime) ListPodSandbox(_ context.Context, filter *runtimeapi.PodSandboxFilter) ([]*runtimeapi.PodSandbox, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*runtimeapi.PodSandbox
	for _, one := range r.sandboxes {
		if filter.GetId() != "" && filter.GetId() != one.id {
			continue
		}
		if filter.GetState() != nil && filter.GetState().State != one.state {
			continue
		}
		if !matches(one.config.GetLabels(), filter.GetLabelSelector()) {
			continue
		}
		list = append(list, &runtimeapi.PodSandbox{
			Id: one.id, Metadata: one.config.GetMetadata(), State: one.state, CreatedAt: nanos(one.created),
			Labels: one.config.GetLabels(), Annotations: one.config.GetAnnotations(), RuntimeHandler: one.handler,
		})
	}
	return list, nil
}

// UpdatePodSandboxResources has nothing to update.
func (r *Runtime) UpdatePodSandboxResources(context.Context, *runtimeapi.UpdatePodSandboxResourcesRequest) (*runtimeapi.UpdatePodSandboxResourcesResponse, error) {
	return &runtimeapi.UpdatePodSandboxResourcesResponse{}, nil
}
