package main

// edit replaces old by new in a file of k8s.io/kubernetes. It must be found
// count times; 0 means once.
type edit struct {
	file  string
	why   string
	old   string
	new   string
	count int
}

const (
	kubeletFile = "pkg/kubelet/kubelet.go"
	ends        = "a loop of the kubelet, which must end with it"
)

var edits = []edit{
	{
		file: kubeletFile, why: "node and service informers",
		old: "kubeInformers.Start(wait.NeverStop)", new: "kubeInformers.Start(ctx.Done())", count: 2,
	},
	{file: kubeletFile, why: ends, old: "ContainerGCPeriod, wait.NeverStop)", new: "ContainerGCPeriod, ctx.Done())"},
	{file: kubeletFile, why: ends, old: "ImageGCPeriod, wait.NeverStop)", new: "ImageGCPeriod, ctx.Done())"},
	{file: kubeletFile, why: ends, old: "0.04, true, wait.NeverStop)", new: "0.04, true, ctx.Done())"},
	{
		file: kubeletFile, why: "a removed node must not renew its lease",
		old: "kl.nodeLeaseController.Run(context.Background())", new: "kl.nodeLeaseController.Run(ctx)",
	},
	{file: kubeletFile, why: ends, old: "kl.runtimeClassManager.Start(wait.NeverStop)", new: "kl.runtimeClassManager.Start(ctx.Done())"},
	{
		file: kubeletFile, why: "nothing else stops the relist loop",
		old: "kl.pleg.Start()\n",
		new: "kl.pleg.Start()\n\tif g, ok := kl.pleg.(interface{ Stop() }); ok {\n\t\tdefer g.Stop()\n\t}\n",
	},
	{
		file: kubeletFile, why: "the sync loop ignores its context",
		old: "\tselect {\n\tcase u, open := <-configCh:\n",
		new: "\tselect {\n\tcase <-ctx.Done():\n\t\treturn false\n\tcase u, open := <-configCh:\n",
	},
	{
		file: kubeletFile, why: "the sync loop ignores its context while the runtime is down",
		old: "\t\tif err := kl.runtimeState.runtimeErrors(); err != nil {\n\t\t\tlogger.Error(err, \"Skipping pod synchronization\")",
		new: "\t\tif ctx.Err() != nil {\n\t\t\treturn\n\t\t}\n\t\tif err := kl.runtimeState.runtimeErrors(); err != nil {\n\t\t\tlogger.Error(err, \"Skipping pod synchronization\")",
	},
	{
		file: kubeletFile, why: "the loop that reports readiness at once outlives its kubelet by up to two minutes",
		old: "go kl.fastStatusUpdateOnce()", new: "go kl.fastStatusUpdateOnce(ctx)",
	},
	{
		file: kubeletFile, why: "see above",
		old: "func (kl *Kubelet) fastStatusUpdateOnce() {\n\tctx := context.Background()\n",
		new: "func (kl *Kubelet) fastStatusUpdateOnce(ctx context.Context) {\n",
	},
	{
		file: kubeletFile, why: "see above",
		old: "kl.fastNodeStatusUpdate(ctx, kl.clock.Since(start) >= nodeReadyGracePeriod) {",
		new: "kl.fastNodeStatusUpdate(ctx, ctx.Err() != nil || kl.clock.Since(start) >= nodeReadyGracePeriod) {",
	},
	{
		file: kubeletFile, why: "the metrics registry is the process's: it takes these collectors once, and keeps the first kubelet for ever",
		old: "\tmetrics.RegisterCollectors(\n\t\tcollectors.NewVolumeStatsCollector(kl),\n\t\tcollectors.NewLogMetricsCollector(kl.StatsProvider.ListPodStats),\n\t)\n",
		new: "",
	},
	{
		file: kubeletFile, why: "an out-of-memory kill of the host is not an event of each node on it; a watcher reads the kernel's log for ever",
		old: "oomWatcher, err := oomwatcher.NewWatcher(kubeDeps.Recorder)",
		new: "var oomWatcher oomwatcher.Watcher",
	},
	{
		file: kubeletFile, why: "nodes have no plugins (CSI, devices); a watcher costs an inotify instance, of which a host has 128",
		old: "go kl.pluginManager.Run(ctx, kl.sourcesReady, wait.NeverStop)",
		new: "",
	},
	{
		file: kubeletFile, why: "token cache's clean-up loop",
		old: "token.NewManager(kubeDeps.KubeClient)", new: "token.NewManager(kubeDeps.KubeClient, ctx.Done())",
	},
	{
		file: "pkg/kubelet/token/token_manager.go", why: "see above",
		old: "func NewManager(c clientset.Interface) *Manager {", new: "func NewManager(c clientset.Interface, done <-chan struct{}) *Manager {",
	},
	{
		file: "pkg/kubelet/token/token_manager.go", why: "see above",
		old: "go wait.Forever(m.cleanup, gcPeriod)", new: "go wait.Until(m.cleanup, gcPeriod, done)",
	},
	{
		file: kubeletFile, why: "container deletor's loop",
		old: "newPodContainerDeletor(klet.containerRuntime,", new: "newPodContainerDeletor(ctx, klet.containerRuntime,",
	},
	{
		file: "pkg/kubelet/pod_container_deletor.go", why: "see above",
		old: "func newPodContainerDeletor(runtime", new: "func newPodContainerDeletor(ctx context.Context, runtime",
	},
	{
		file: "pkg/kubelet/pod_container_deletor.go", why: "see above",
		old: "\t\t\tid := <-buffer\n",
		new: "\t\t\tvar id kubecontainer.ContainerID\n\t\t\tselect {\n\t\t\tcase <-ctx.Done():\n\t\t\t\treturn\n\t\t\tcase id = <-buffer:\n\t\t\t}\n",
	},
	{file: "pkg/kubelet/pod_container_deletor.go", why: ends, old: "}, 0, wait.NeverStop)", new: "}, 0, ctx.Done())"},
	{file: "pkg/kubelet/images/image_gc_manager.go", why: ends, old: "5*time.Minute, wait.NeverStop)", new: "5*time.Minute, ctx.Done())"},
	{file: "pkg/kubelet/images/image_gc_manager.go", why: ends, old: "30*time.Second, wait.NeverStop)", new: "30*time.Second, ctx.Done())"},
	{
		file: "pkg/kubelet/eviction/eviction_manager.go", why: ends,
		old: "\t\tfor {\n\t\t\tevictedPods, err := m.synchronize(ctx, diskInfoProvider, podFunc)",
		new: "\t\tfor ctx.Err() == nil {\n\t\t\tevictedPods, err := m.synchronize(ctx, diskInfoProvider, podFunc)",
	},
	{
		file: "pkg/kubelet/status/status_manager.go", why: ends,
		old: "\tgo wait.Forever(func() {\n\t\tfor {\n\t\t\tselect {\n",
		new: "\tgo wait.Until(func() {\n\t\tfor {\n\t\t\tselect {\n\t\t\tcase <-ctx.Done():\n\t\t\t\treturn\n",
	},
	{
		file: "pkg/kubelet/status/status_manager.go", why: ends,
		old: "\t\t\t\tm.syncBatch(ctx, true)\n\t\t\t}\n\t\t}\n\t}, 0)\n",
		new: "\t\t\t\tm.syncBatch(ctx, true)\n\t\t\t}\n\t\t}\n\t}, 0, ctx.Done())\n",
	},
	{
		file: "pkg/kubelet/logs/container_log_manager.go", why: ends,
		old: "\tgo wait.Forever(func() {\n", new: "\tgo func() {\n\t\t<-ctx.Done()\n\t\tc.queue.ShutDown()\n\t}()\n\tgo wait.Until(func() {\n",
	},
	{
		file: "pkg/kubelet/logs/container_log_manager.go", why: ends,
		old: "}, c.monitoringPeriod.Duration)", new: "}, c.monitoringPeriod.Duration, ctx.Done())",
	},
	{
		file: "pkg/kubelet/server/stats/fs_resource_analyzer.go", why: ends,
		old: "go wait.Forever(func() { s.updateCachedPodVolumeStats(logger) }, s.calcPeriod)",
		new: "go wait.Until(func() { s.updateCachedPodVolumeStats(logger) }, s.calcPeriod, ctx.Done())",
	},
	{
		file: "pkg/kubelet/config/apiserver.go", why: "the reflector of pods must end with its kubelet",
		old: "func NewSourceApiserver(logger klog.Logger,", new: "func NewSourceApiserver(done <-chan struct{}, logger klog.Logger,",
	},
	{
		file: "pkg/kubelet/config/apiserver.go", why: "see above",
		old: "newSourceApiserverFromLW(lw, updates)\n\t}()", new: "newSourceApiserverFromLW(done, lw, updates)\n\t}()",
	},
	{
		file: "pkg/kubelet/config/apiserver.go", why: "see above",
		old: "func newSourceApiserverFromLW(lw", new: "func newSourceApiserverFromLW(done <-chan struct{}, lw",
	},
	{
		file: "pkg/kubelet/config/apiserver.go", why: "a pod source blocks for ever on a mux that nobody drains",
		old: "\t\tupdates <- sourceUpdate{Pods: pods}\n",
		new: "\t\tselect {\n\t\tcase updates <- sourceUpdate{Pods: pods}:\n\t\tcase <-done:\n\t\t}\n",
	},
	{file: "pkg/kubelet/config/apiserver.go", why: "see above", old: "go r.Run(wait.NeverStop)", new: "go r.Run(done)"},
	{file: "pkg/kubelet/config/apiserver.go", why: "see above", old: "\t\"k8s.io/apimachinery/pkg/util/wait\"\n", new: ""},
	{
		file: "pkg/kubelet/config/apiserver.go", why: "the wait for the node is part of every pod's start here, since the node is made for the pod",
		old: "WaitForAPIServerSyncPeriod = 1 * time.Second", new: "WaitForAPIServerSyncPeriod = 20 * time.Millisecond",
	},
	{
		file: "pkg/kubelet/config/apiserver.go", why: "see above",
		old: "\t\t\tif nodeHasSynced() {\n",
		new: "\t\t\tselect {\n\t\t\tcase <-done:\n\t\t\t\treturn\n\t\t\tdefault:\n\t\t\t}\n\t\t\tif nodeHasSynced() {\n",
	},
	{
		file: kubeletFile, why: "see above",
		old: "config.NewSourceApiserver(logger,", new: "config.NewSourceApiserver(ctx.Done(), logger,",
	},
	{
		file: "pkg/kubelet/config/mux.go", why: ends,
		old: "\tfor update := range listenChannel {\n",
		new: "\tfor {\n\t\tvar update sourceUpdate\n\t\tselect {\n\t\tcase <-ctx.Done():\n\t\t\treturn\n\t\tcase update = <-listenChannel:\n\t\t}\n",
	},
	{
		file: "pkg/kubelet/volumemanager/volume_manager.go", why: "every pod's start waits for a whole interval, though its volumes are memory and mounted at once",
		old: "podAttachAndMountRetryInterval = 300 * time.Millisecond", new: "podAttachAndMountRetryInterval = 10 * time.Millisecond",
	},
	{
		file: volumesFile, why: "the loops that set volumes up and take them down cost half of an idle kubelet, and a pod's start waits for a round of each: they run when somebody waits for them, and seldom else",
		old: "reconcilerLoopSleepPeriod = 100 * time.Millisecond", new: "reconcilerLoopSleepPeriod = time.Second",
	},
	{
		file: volumesFile, why: "see above",
		old: "desiredStateOfWorldPopulatorLoopSleepPeriod = 100 * time.Millisecond", new: "desiredStateOfWorldPopulatorLoopSleepPeriod = time.Second",
	},
	{
		file: volumesFile, why: "see above",
		old: "\t\tvm.verifyVolumesMountedFunc(uniquePodName, expectedVolumes))\n\n\tif err", new: "\t\tvm.hurried(vm.verifyVolumesMountedFunc(uniquePodName, expectedVolumes)))\n\n\tif err",
	},
	{
		file: volumesFile, why: "see above",
		old: "\t\tvm.verifyVolumesUnmountedFunc(uniquePodName))\n", new: "\t\tvm.hurried(vm.verifyVolumesUnmountedFunc(uniquePodName)))\n",
	},
	{file: volumesFile, why: "see above", old: "func (vm *volumeManager) WaitForUnmount(", new: hurriedSource + "func (vm *volumeManager) WaitForUnmount("},
	{file: populatorFile, why: "see above", old: "\tvolumePluginMgr          *volume.VolumePluginMgr\n}", new: "\tvolumePluginMgr          *volume.VolumePluginMgr\n\thurry                    chan struct{}\n}"},
	{file: populatorFile, why: "see above", old: "\t\tvolumePluginMgr:          volumePluginMgr,\n", new: "\t\tvolumePluginMgr:          volumePluginMgr,\n\t\thurry:                    make(chan struct{}, 1),\n"},
	{file: populatorFile, why: "the first round is waited for", old: "PollUntilContextCancel(ctx, dswp.loopSleepDuration, false,", new: "PollUntilContextCancel(ctx, 20*time.Millisecond, false,"},
	{
		file: populatorFile, why: "see above",
		old: "\twait.UntilWithContext(ctx, dswp.populatorLoop, dswp.loopSleepDuration)\n}\n",
		new: "\tfor ctx.Err() == nil {\n\t\tdswp.populatorLoop(ctx)\n" + hurriedWait("dswp") + "\t}\n}\n\n" + hurrySource("dswp *desiredStateOfWorldPopulator", "dswp"),
	},
	{file: reconcilerFile, why: "see above", old: "\tvolumesNeedUpdateFromNodeStatus []v1.UniqueVolumeName\n}", new: "\tvolumesNeedUpdateFromNodeStatus []v1.UniqueVolumeName\n\thurry                           chan struct{}\n}"},
	{file: reconcilerFile, why: "see above", old: "\t\tvolumesNeedUpdateFromNodeStatus: make([]v1.UniqueVolumeName, 0),\n", new: "\t\tvolumesNeedUpdateFromNodeStatus: make([]v1.UniqueVolumeName, 0),\n\t\thurry:                           make(chan struct{}, 1),\n"},
	{
		file: reconcilerRunFile, why: "see above",
		old: "\twait.Until(func() { rc.reconcile(ctx) }, rc.loopSleepDuration, stopCh)\n}\n",
		new: "\tfor ctx.Err() == nil {\n\t\trc.reconcile(ctx)\n" + hurriedWait("rc") + "\t}\n}\n\n" + hurrySource("rc *reconciler", "rc"),
	},
	{file: reconcilerRunFile, why: "see above", old: "\t\"k8s.io/apimachinery/pkg/util/wait\"\n", new: "\t\"time\"\n\n"},
	{
		file: "pkg/kubelet/kubelet_node_status.go", why: "the first attempt needs no wait before it: a node is made for a pod that waits",
		old: "step := 100 * time.Millisecond", new: "step := time.Millisecond",
	},
	{
		file: serverFile, why: "component-base keeps every registry, and with it what its collectors measure, for ever",
		old: "compbasemetrics.NewKubeRegistry()", new: "newRegistry()", count: 3,
	},
	{
		file: serverFile, why: "see above",
		old: "// InstallAuthRequiredHandlers registers the HTTP handlers",
		new: registrySource + "// InstallAuthRequiredHandlers registers the HTTP handlers",
	},
	{
		file: serverFile, why: "see above",
		old: "import (\n",
		new: "import (\n\t\"github.com/blang/semver/v4\"\n\t\"github.com/prometheus/client_golang/prometheus\"\n",
	},
}

const (
	serverFile        = "pkg/kubelet/server/server.go"
	volumesFile       = "pkg/kubelet/volumemanager/volume_manager.go"
	populatorFile     = "pkg/kubelet/volumemanager/populator/desired_state_of_world_populator.go"
	reconcilerFile    = "pkg/kubelet/volumemanager/reconciler/reconciler_common.go"
	reconcilerRunFile = "pkg/kubelet/volumemanager/reconciler/reconciler.go"
)

// hurriedWait ends a round of a loop: it waits for a period, or until somebody
// is in a hurry.
func hurriedWait(receiver string) string {
	return "\t\tselect {\n\t\tcase <-ctx.Done():\n\t\tcase <-" + receiver + ".hurry:\n\t\tcase <-time.After(" + receiver + ".loopSleepDuration):\n\t\t}\n"
}

// hurrySource makes the next round of a loop begin at once.
func hurrySource(receiver, name string) string {
	return "func (" + receiver + ") Hurry() {\n\tselect {\n\tcase " + name + ".hurry <- struct{}{}:\n\tdefault:\n\t}\n}\n"
}

// hurriedSource hurries both loops whenever a condition is asked about.
const hurriedSource = `func (vm *volumeManager) hurried(condition wait.ConditionWithContextFunc) wait.ConditionWithContextFunc {
	return func(ctx context.Context) (bool, error) {
		for _, loop := range []any{vm.desiredStateOfWorldPopulator, vm.reconciler} {
			if l, ok := loop.(interface{ Hurry() }); ok {
				l.Hurry()
			}
		}
		return condition(ctx)
	}
}

`

// registrySource is a registry that nothing refers to but its user.
const registrySource = `type registry struct{ *prometheus.Registry }

var registryVersion = semver.Version{Major: 1, Minor: 36}

func newRegistry() registry { return registry{prometheus.NewRegistry()} }

func (r registry) RawMustRegister(cs ...prometheus.Collector) { r.Registry.MustRegister(cs...) }

func (r registry) CustomRegister(c compbasemetrics.StableCollector) error {
	if c.Create(&registryVersion, c) {
		return r.Registry.Register(c)
	}
	return nil
}

func (r registry) CustomMustRegister(c compbasemetrics.StableCollector) {
	if err := r.CustomRegister(c); err != nil {
		panic(err)
	}
}

func (r registry) Register(c compbasemetrics.Registerable) error {
	if c.Create(&registryVersion) {
		return r.Registry.Register(c)
	}
	return nil
}

func (r registry) MustRegister(c compbasemetrics.Registerable) {
	if err := r.Register(c); err != nil {
		panic(err)
	}
}

`
