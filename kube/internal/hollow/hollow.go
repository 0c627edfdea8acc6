// Package hollow is a container runtime that runs nothing: sandboxes and
// containers exist in memory, and "run" until somebody stops them.
//
// It is real enough that an unmodified kubelet drives pods to Running with it,
// restarts and ends them. Nothing executes: exec, attach and port-forward are
// answered with an error that says so, and each container's log holds one line
// that says so. It is for scale tests, and for hosts that cannot run containers;
// nothing but package dataplane chooses it, and only when it is told to.
package hollow

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"sync"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Notice is what the runtime says where a real one would execute something.
const Notice = "the hollow runtime executes nothing"

const (
	name    = "hollow"
	version = "1.0.0"
)

// Runtime is the runtime of one node. Its zero value is not usable.
type Runtime struct {
	ip  string
	now func() time.Time

	mu         sync.Mutex
	sandboxes  map[string]*sandbox
	containers map[string]*container
}

var _ internalapi.RuntimeService = (*Runtime)(nil)

type sandbox struct {
	id      string
	config  *runtimeapi.PodSandboxConfig
	handler string
	state   runtimeapi.PodSandboxState
	created time.Time
}

type container struct {
	id       string
	sandbox  string
	config   *runtimeapi.ContainerConfig
	logPath  string
	state    runtimeapi.ContainerState
	created  time.Time
	started  time.Time
	finished time.Time
	exitCode int32
}

// New returns a runtime whose pods have the address ip; now is the clock.
func New(ip string, now func() time.Time) *Runtime {
	return &Runtime{
		ip:         ip,
		now:        now,
		sandboxes:  map[string]*sandbox{},
		containers: map[string]*container{},
	}
}

func newID() string {
	var id [32]byte
	// rand.Read never fails.
	_, _ = rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

func notFound(kind, id string) error {
	return status.Errorf(codes.NotFound, "%s %s not found", kind, id)
}

// nothing is the answer to whatever would execute.
func nothing(what string) error {
	return status.Errorf(codes.Unimplemented, "%s is not possible: %s", what, Notice)
}

// Version names the runtime, hollow.
func (r *Runtime) Version(context.Context, string) (*runtimeapi.VersionResponse, error) {
	return &runtimeapi.VersionResponse{
		Version: "0.1.0", RuntimeName: name, RuntimeVersion: version, RuntimeApiVersion: "v1",
	}, nil
}

// Status says that runtime and network are ready: there is nothing to wait for.
func (r *Runtime) Status(context.Context, bool) (*runtimeapi.StatusResponse, error) {
	return &runtimeapi.StatusResponse{Status: &runtimeapi.RuntimeStatus{Conditions: []*runtimeapi.RuntimeCondition{
		{Type: runtimeapi.RuntimeReady, Status: true},
		{Type: runtimeapi.NetworkReady, Status: true},
	}}}, nil
}

// RuntimeConfig says that cgroups are plain folders.
func (r *Runtime) RuntimeConfig(context.Context) (*runtimeapi.RuntimeConfigResponse, error) {
	return &runtimeapi.RuntimeConfigResponse{
		Linux: &runtimeapi.LinuxRuntimeConfiguration{CgroupDriver: runtimeapi.CgroupDriver_CGROUPFS},
	}, nil
}

// UpdateRuntimeConfig has nothing to change.
func (r *Runtime) UpdateRuntimeConfig(context.Context, *runtimeapi.RuntimeConfig) error { return nil }

// Close has nothing to close.
func (r *Runtime) Close(context.Context) error { return nil }

// ExecSync is refused: Notice.
func (r *Runtime) ExecSync(context.Context, string, []string, time.Duration) ([]byte, []byte, error) {
	return nil, nil, nothing("exec")
}

// Exec is refused: Notice.
func (r *Runtime) Exec(context.Context, *runtimeapi.ExecRequest) (*runtimeapi.ExecResponse, error) {
	return nil, nothing("exec")
}

// Attach is refused: Notice.
func (r *Runtime) Attach(context.Context, *runtimeapi.AttachRequest) (*runtimeapi.AttachResponse, error) {
	return nil, nothing("attach")
}

// PortForward is refused: Notice.
func (r *Runtime) PortForward(context.Context, *runtimeapi.PortForwardRequest) (*runtimeapi.PortForwardResponse, error) {
	return nil, nothing("port-forward")
}

// CheckpointContainer is refused: Notice.
func (r *Runtime) CheckpointContainer(context.Context, *runtimeapi.CheckpointContainerRequest) error {
	return nothing("checkpoint")
}

// GetContainerEvents is refused, so that kubelets list instead.
func (r *Runtime) GetContainerEvents(context.Context, chan *runtimeapi.ContainerEventResponse, func(runtimeapi.RuntimeService_GetContainerEventsClient)) error {
	return status.Error(codes.Unimplemented, "the hollow runtime has no events")
}

func matches(labels, selector map[string]string) bool {
	for key, value := range selector {
		if labels[key] != value {
			return false
		}
	}
	return true
}

func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixNano()
}

func unsupported(state fmt.Stringer, id string) error {
	return status.Errorf(codes.FailedPrecondition, "container %s is in state %s", id, state)
}
