package hollow

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

var _ internalapi.ContainerManager = (*Runtime)(nil)

// stoppedByRequest is how a process ends that SIGTERM ended.
const stoppedByRequest = 143

// CreateContainer adds a container to a sandbox.
func (r *Runtime) CreateContainer(_ context.Context, sandboxID string, config *runtimeapi.ContainerConfig, sandboxConfig *runtimeapi.PodSandboxConfig) (string, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sandboxes[sandboxID] == nil {
		return "", notFound("sandbox", sandboxID)
	}
	// The caller may change labels afterwards; the rest it leaves alone.
	kept := &runtimeapi.ContainerConfig{
		Metadata: config.GetMetadata(), Image: config.GetImage(),
		Labels: config.GetLabels(), Annotations: config.GetAnnotations(), Mounts: config.GetMounts(),
	}
	c := &container{
		id: newID(), sandbox: sandboxID, config: kept, created: r.now(),
		state: runtimeapi.ContainerState_CONTAINER_CREATED,
	}
	if config.GetLogPath() != "" {
		c.logPath = filepath.Join(sandboxConfig.GetLogDirectory(), config.GetLogPath())
	}
	r.containers[c.id] = c
	return c.id, nil
}

// StartContainer marks the container as running, and says in its log that
// nothing does.
func (r *Runtime) StartContainer(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return notFound("container", id)
	}
	if c.state != runtimeapi.ContainerState_CONTAINER_CREATED {
		return unsupported(c.state, id)
	}
	if err := writeLog(c.logPath, r.now()); err != nil {
		return fmt.Errorf("writing log of container %s: %w", id, err)
	}
	c.state, c.started = runtimeapi.ContainerState_CONTAINER_RUNNING, r.now()
	return nil
}

// writeLog appends Notice in the format of CRI logs.
func writeLog(path string, now time.Time) error {
	if path == "" {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%s stdout F berth: %s; this container has no output\n", now.UTC().Format(time.RFC3339Nano), Notice)
	if closeErr := file.Close(); err == nil {
		err = closeErr
	}
	return err
}

// StopContainer ends the container at once; it is idempotent.
func (r *Runtime) StopContainer(_ context.Context, id string, _ int64) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c := r.containers[id]; c != nil {
		r.stop(c)
	}
	return nil
}

func (r *Runtime) stop(c *container) {
	if c.state == runtimeapi.ContainerState_CONTAINER_EXITED {
		return
	}
	c.state, c.finished, c.exitCode = runtimeapi.ContainerState_CONTAINER_EXITED, r.now(), stoppedByRequest
}

// RemoveContainer removes the container; it is idempotent.
func (r *Runtime) RemoveContainer(_ context.Context, id string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.containers, id)
	return nil
}

// ListContainers lists containers by id, sandbox, state and labels.
func (r *Runtime) ListContainers(_ context.Context, filter *runtimeapi.ContainerFilter) ([]*runtimeapi.Container, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []*runtimeapi.Container
	for _, c := range r.containers {
		if filter.GetId() != "" && filter.GetId() != c.id {
			continue
		}
		if filter.GetPodSandboxId() != "" && filter.GetPodSandboxId() != c.sandbox {
			continue
		}
		if filter.GetState() != nil && filter.GetState().State != c.state {
			continue
		}
		if !matches(c.config.GetLabels(), filter.GetLabelSelector()) {
			continue
		}
		list = append(list, &runtimeapi.Container{
			Id: c.id, PodSandboxId: c.sandbox, Metadata: c.config.GetMetadata(), Image: c.config.GetImage(),
			ImageRef: c.config.GetImage().GetImage(), ImageId: c.config.GetImage().GetImage(), State: c.state,
			CreatedAt: nanos(c.created), Labels: c.config.GetLabels(), Annotations: c.config.GetAnnotations(),
		})
	}
	return list, nil
}

// ContainerStatus describes one container.
func (r *Runtime) ContainerStatus(_ context.Context, id string, _ bool) (*runtimeapi.ContainerStatusResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := r.containers[id]
	if c == nil {
		return nil, notFound("container", id)
	}
	described := &runtimeapi.ContainerStatus{
		Id: c.id, Metadata: c.config.GetMetadata(), State: c.state,
		CreatedAt: nanos(c.created), StartedAt: nanos(c.started), FinishedAt: nanos(c.finished),
		ExitCode: c.exitCode, Image: c.config.GetImage(), ImageRef: c.config.GetImage().GetImage(),
		ImageId: c.config.GetImage().GetImage(), Labels: c.config.GetLabels(),
		Annotations: c.config.GetAnnotations(), Mounts: c.config.GetMounts(), LogPath: c.logPath,
	}
	if c.state == runtimeapi.ContainerState_CONTAINER_EXITED {
		described.Reason = "Error"
	}
	return &runtimeapi.ContainerStatusResponse{Status: described}, nil
}

// UpdateContainerResources has nothing to update.
func (r *Runtime) UpdateContainerResources(context.Context, string, *runtimeapi.ContainerResources) error {
	return nil
}

// ReopenContainerLog has nothing open.
func (r *Runtime) ReopenContainerLog(context.Context, string) error { return nil }
