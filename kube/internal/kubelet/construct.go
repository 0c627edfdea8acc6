package kubelet

import (
	"context"

	"go.opentelemetry.io/otel/trace/noop"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/record"
	upstream "k8s.io/kubernetes/pkg/kubelet"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	containerruntime "k8s.io/kubernetes/pkg/kubelet/kubeletconfig"
	serverstats "k8s.io/kubernetes/pkg/kubelet/server/stats"
	kubeletutil "k8s.io/kubernetes/pkg/kubelet/util"
	"k8s.io/kubernetes/pkg/util/oom"
	"k8s.io/kubernetes/pkg/volume"
	"k8s.io/kubernetes/pkg/volume/configmap"
	"k8s.io/kubernetes/pkg/volume/downwardapi"
	"k8s.io/kubernetes/pkg/volume/emptydir"
	"k8s.io/kubernetes/pkg/volume/hostpath"
	"k8s.io/kubernetes/pkg/volume/image"
	"k8s.io/kubernetes/pkg/volume/nfs"
	"k8s.io/kubernetes/pkg/volume/projected"
	"k8s.io/kubernetes/pkg/volume/secret"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
	"k8s.io/kubernetes/pkg/volume/util/subpath"
	"k8s.io/mount-utils"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/kube/internal/hollow"
	"berth.dev/berth/kube/internal/machine"
)

// volumePlugins leaves out CSI, whose plugin keeps its node in package
// variables, and disks, which these nodes cannot attach.
func volumePlugins() []volume.VolumePlugin {
	var plugins []volume.VolumePlugin
	plugins = append(plugins, emptydir.ProbeVolumePlugins()...)
	plugins = append(plugins, configmap.ProbeVolumePlugins()...)
	plugins = append(plugins, secret.ProbeVolumePlugins()...)
	plugins = append(plugins, downwardapi.ProbeVolumePlugins()...)
	plugins = append(plugins, projected.ProbeVolumePlugins()...)
	plugins = append(plugins, hostpath.ProbeVolumePlugins(volume.VolumeConfig{})...)
	plugins = append(plugins, nfs.ProbeVolumePlugins(volume.VolumeConfig{})...)
	plugins = append(plugins, image.ProbeVolumePlugins()...)
	return plugins
}

// noDynamicPlugins finds no flexvolume drivers.
type noDynamicPlugins struct{}

func (noDynamicPlugins) Init() error                         { return nil }
func (noDynamicPlugins) Probe() ([]volume.ProbeEvent, error) { return nil, nil }

func (k *Kubelet) dependencies(clients *clients, recorder record.EventRecorderLogger) *upstream.Dependencies {
	mounter := k.mounter()
	deps := &upstream.Dependencies{
		KubeClient:                clients.kube,
		HeartbeatClient:           clients.heartbeat,
		EventClient:               clients.events.CoreV1(),
		Recorder:                  recorder,
		RemoteRuntimeService:      k.runtime,
		RemoteImageService:        k.host.Images,
		CAdvisorInterface:         machine.New(k.host.Config.StateDir, k.uuid(), k.node.Capacity, k.cgroups.Usage, k.host.Now),
		ContainerManager:          k.cgroups,
		OSInterface:               hostOS{},
		Mounter:                   mounter,
		Subpather:                 subpath.New(mounter),
		HostUtil:                  hostUtils{hostutil.NewHostUtil()},
		OOMAdjuster:               oom.NewOOMAdjuster(),
		VolumePlugins:             volumePlugins(),
		DynamicPluginProber:       noDynamicPlugins{},
		TracerProvider:            noop.NewTracerProvider(),
		PodStartupLatencyTracker:  kubeletutil.NewPodStartupLatencyTracker(),
		NodeStartupLatencyTracker: kubeletutil.NewNodeStartupLatencyTracker(),
	}
	if k.host.Config.Runtime == dataplane.Hollow {
		deps.ProbeManager = hollow.Prober{}
	}
	return deps
}

// mounter mounts volumes for those who read them: on the hollow runtime nobody
// does, and the process may lack the right to.
func (k *Kubelet) mounter() mount.Interface {
	if k.host.Config.Runtime == dataplane.Hollow {
		return mount.NewFakeMounter(nil)
	}
	return mount.New("")
}

// construct calls upstream's constructor and not RunKubelet around it, because
// the latter ties the Hostname address to the node's name, sets the process's
// limit of open files, and serves in a way that cannot be stopped.
func (k *Kubelet) construct(ctx context.Context, config *kubeletconfig.KubeletConfiguration, deps *upstream.Dependencies) (*upstream.Kubelet, error) {
	return upstream.NewMainKubelet(ctx, config, deps,
		&containerruntime.ContainerRuntimeOptions{},
		k.node.Hostname,
		types.NodeName(k.node.Name),
		nil, // node IPs: the registration has them, see kubeClient
		k.node.ProviderID,
		"external",
		"", // certificate directory: certificates come with the node
		k.Root(),
		k.logs(),
		"", "", // image credential providers
		config.RegisterNode,
		config.RegisterWithTaints,
		nil,   // unsafe sysctls
		"",    // mounter
		false, // kernel memcg notification
		true,  // ignore eviction thresholds in allocatable: podcgroup states it
		metav1.Duration{},
		1,  // dead containers per container
		-1, // dead containers
		labels(k.node),
		50, // images in the node's status
		config.SeccompDefault,
	)
}

// analyzer measures volumes for the kubelet's statistics endpoint.
func analyzer(ctx context.Context, klet *upstream.Kubelet, config *kubeletconfig.KubeletConfiguration, recorder record.EventRecorder) serverstats.ResourceAnalyzer {
	a := serverstats.NewResourceAnalyzer(ctx, klet, config.VolumeStatsAggPeriod.Duration, recorder)
	a.Start(ctx)
	return a
}

// uuid is the machine's identity: the last part but one of the provider id.
func (k *Kubelet) uuid() string { return machineID(k.node.ProviderID) }
