package shim

import (
	"context"

	task "github.com/containerd/containerd/api/runtime/task/v2"
	"github.com/containerd/containerd/v2/pkg/protobuf/types"
	"github.com/containerd/containerd/v2/pkg/shim"
	"github.com/containerd/containerd/v2/pkg/shutdown"
	"github.com/containerd/containerd/v2/plugins"
	"github.com/containerd/plugin"
	"github.com/containerd/plugin/registry"
	"github.com/containerd/ttrpc"
	runscshim "gvisor.dev/gvisor/pkg/shim/v1"
	"gvisor.dev/gvisor/pkg/shim/v1/extension"
)

// service is gVisor's task service, corrected.
type service struct {
	extension.TaskServiceExt
}

// Shutdown ends the shim when it has no container left. While it has, upstream
// answers with neither an error nor a message, which the transport cannot
// encode; containerd then takes the deletion of the container for failed, and
// tries it for ever. It shows only where a pod's containers share a shim.
func (s *service) Shutdown(ctx context.Context, r *task.ShutdownRequest) (*types.Empty, error) {
	response, err := s.TaskServiceExt.Shutdown(ctx, r)
	if response == nil && err == nil {
		response = &types.Empty{}
	}
	return response, err
}

// RegisterTTRPC serves the corrected service, not the one inside it.
func (s *service) RegisterTTRPC(server *ttrpc.Server) error {
	task.RegisterTaskService(server, s)
	return nil
}

// RegisterService makes the task service one of the plugins that the shim
// process loads.
func RegisterService() {
	registry.Register(&plugin.Registration{
		Type:     plugins.TTRPCPlugin,
		ID:       "task",
		Requires: []plugin.Type{plugins.EventPlugin, plugins.InternalPlugin},
		InitFn:   newService,
	})
}

func newService(ic *plugin.InitContext) (any, error) {
	publisher, err := ic.GetByID(plugins.EventPlugin, "publisher")
	if err != nil {
		return nil, err
	}
	stop, err := ic.GetByID(plugins.InternalPlugin, "shutdown")
	if err != nil {
		return nil, err
	}
	upstream, err := runscshim.NewShimRedirector(ic.Context, publisher.(shim.Publisher), stop.(shutdown.Service))
	if err != nil {
		return nil, err
	}
	return &service{upstream}, nil
}
