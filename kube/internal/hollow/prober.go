package hollow

import (
	"context"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/sets"
)

// Prober stands in for the kubelet's prober where nothing is executed, so that
// there is nothing to probe: what runs is started and ready. Without it a pod
// with probes would never be ready, and be restarted for ever.
type Prober struct{}

func (Prober) AddPod(context.Context, *v1.Pod)      {}
func (Prober) RemovePod(*v1.Pod)                    {}
func (Prober) StopLivenessAndStartup(*v1.Pod)       {}
func (Prober) CleanupPods(map[types.UID]sets.Empty) {}

// UpdatePodStatus says of every container whether it runs.
func (Prober) UpdatePodStatus(_ context.Context, _ *v1.Pod, status *v1.PodStatus) {
	for i := range status.ContainerStatuses {
		running := status.ContainerStatuses[i].State.Running != nil
		status.ContainerStatuses[i].Started, status.ContainerStatuses[i].Ready = &running, running
	}
	for i := range status.InitContainerStatuses {
		s := &status.InitContainerStatuses[i]
		running := s.State.Running != nil
		s.Started = &running
		// An init container is ready once it has done its work.
		s.Ready = running || s.State.Terminated != nil && s.State.Terminated.ExitCode == 0
	}
}
