package kubelet

import (
	"fmt"
	"maps"
	"time"

	v1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/kubernetes/cmd/kubelet/app/options"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"

	"berth.dev/berth/dataplane"
)

// servingPort is where a kubelet serves in a namespace of its own.
const servingPort = 10250

// FeatureGates are the gates that this package's kubelets rely on. Gates are
// the process's, so its main sets them, once.
func FeatureGates() map[string]bool {
	return map[string]bool{
		// There is no cadvisor to measure containers.
		"PodAndContainerStatsFromCRI": true,
	}
}

// configuration is upstream's default configuration with what a node that
// shares its host, runtime and disk with many others needs.
func configuration(config dataplane.Config, node dataplane.Node) (*kubeletconfig.KubeletConfiguration, error) {
	c, err := options.NewKubeletConfiguration()
	if err != nil {
		return nil, fmt.Errorf("defaulting kubelet configuration: %w", err)
	}
	c.Address, c.Port = node.IP, servingPort
	c.ReadOnlyPort, c.HealthzPort = 0, 0
	c.StaticPodPath = ""
	c.ProviderID = node.ProviderID
	c.RegisterNode = true
	c.RegisterWithTaints = taints(node)
	c.MaxPods = max(node.MaxPods, 1)
	c.ClusterDNS, c.ClusterDomain = config.ClusterDNS, config.ClusterDomain
	c.ResolverConfig = config.ResolverConfig
	c.SerializeImagePulls = false
	c.RegistryPullQPS = 0 // no limit: a limit per kubelet of a shared host limits nothing
	c.EventRecordQPS, c.EventBurst = 50, 100
	c.EnableControllerAttachDetach = true
	c.MakeIPTablesUtilChains = false // the router is the agent's

	authenticate(c)
	serve(c)
	resources(c)
	timing(c)
	return c, nil
}

func authenticate(c *kubeletconfig.KubeletConfiguration) {
	c.Authentication.Anonymous.Enabled = false
	c.Authentication.Webhook.Enabled = true
	c.Authentication.Webhook.CacheTTL = metav1.Duration{Duration: 2 * time.Minute}
	c.Authorization.Mode = kubeletconfig.KubeletAuthorizationModeWebhook
	c.Authorization.Webhook.CacheAuthorizedTTL = metav1.Duration{Duration: 5 * time.Minute}
	c.Authorization.Webhook.CacheUnauthorizedTTL = metav1.Duration{Duration: 30 * time.Second}
}

// serve keeps exec, logs and metrics, and drops what would show the host.
func serve(c *kubeletconfig.KubeletConfiguration) {
	c.EnableDebuggingHandlers = true
	c.EnableSystemLogHandler, c.EnableSystemLogQuery = false, false
	c.EnableProfilingHandler, c.EnableContentionProfiling, c.EnableDebugFlagsHandler = false, false, false
}

func resources(c *kubeletconfig.KubeletConfiguration) {
	c.CgroupDriver = "cgroupfs"
	// With this the kubelet asks its container manager (podcgroup) to make,
	// find and remove pods' cgroups; there are none per quality of service.
	c.CgroupsPerQOS = true
	c.EnforceNodeAllocatable = nil
	c.FailSwapOn, c.FailCgroupV1, c.ProtectKernelDefaults = false, false, false
	c.LocalStorageCapacityIsolation = true
	// The host's disk is everybody's: if each node evicted its pod when that
	// disk fills, all would go at once. Limits of pods are still enforced.
	c.EvictionHard, c.EvictionSoft = map[string]string{}, map[string]string{}
	// Images are the host's as well, and their owner collects them.
	c.ImageGCHighThresholdPercent, c.ImageGCLowThresholdPercent = 100, 99
	c.ImageMaximumGCAge = metav1.Duration{}
}

func timing(c *kubeletconfig.KubeletConfiguration) {
	c.NodeStatusUpdateFrequency.Duration = 10 * time.Second
	c.NodeStatusReportFrequency.Duration = 5 * time.Minute
	// One pod reads few objects: fetching them at each sync costs less than a
	// watch per object, of which a host with many nodes would have thousands.
	c.ConfigMapAndSecretChangeDetectionStrategy = kubeletconfig.GetChangeDetectionStrategy
}

func taints(node dataplane.Node) []v1.Taint {
	var list []v1.Taint
	for _, t := range node.Taints {
		list = append(list, v1.Taint{Key: t.Key, Value: t.Value, Effect: v1.TaintEffect(t.Effect)})
	}
	return list
}

func labels(node dataplane.Node) map[string]string {
	all := maps.Clone(node.Labels)
	if all == nil {
		all = map[string]string{}
	}
	return all
}
