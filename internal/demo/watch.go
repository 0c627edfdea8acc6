package demo

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/utils/clock"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/kube"
)

const (
	// lookEvery is how often EKS is asked, and so how exact its moments are.
	lookEvery = 100 * time.Millisecond
	// watchSeconds is less than the client's timeout, which would cut a watch off.
	watchSeconds = 25
)

// watcher follows a cluster from its creation to its running pods, says what
// happens to pods, and keeps when it did.
type watcher struct {
	aws     *cli.AWS
	dataDir string
	clock   clock.Clock
	log     *cli.Log

	mu      sync.Mutex
	history *history
	// said is the last line about a pod, by UID.
	said map[string]string
}

// follow runs until ctx ends.
func (w *watcher) follow(ctx context.Context) {
	c, ok := w.followCluster(ctx)
	if !ok {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { w.followProfile(ctx) })
	wg.Go(func() {
		client, err := kube.Client(w.aws.Target, c, w.clock.Now)
		if err == nil {
			w.followPods(ctx, client)
		}
	})
	wg.Wait()
}

// look calls f until it says that there is no more to see, or ctx ends. An error
// of f's is none of look's: whoever makes what is looked at meets it too.
func (w *watcher) look(ctx context.Context, f func() (done bool)) bool {
	for !f() {
		timer := w.clock.NewTimer(lookEvery)
		select {
		case <-ctx.Done():
			timer.Stop()
			return false
		case <-timer.C():
		}
	}
	return true
}

// followCluster waits until the cluster is ACTIVE.
//
// It saw the cluster become so only if it saw it when it was not.
func (w *watcher) followCluster(ctx context.Context) (types.Cluster, bool) {
	var c types.Cluster
	creating := false
	ok := w.look(ctx, func() bool {
		out, err := w.aws.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(clusterName)})
		if err != nil {
			creating = cli.NotFound(err)
			return false
		}
		c = *out.Cluster
		active := c.Status == types.ClusterStatusActive
		w.mu.Lock()
		defer w.mu.Unlock()
		w.begin(c)
		if active && creating {
			w.history.Active.note(w.clock.Now(), true)
		}
		creating = !active
		return active
	})
	return c, ok
}

// begin opens the history of the cluster.
func (w *watcher) begin(c types.Cluster) {
	key := fmt.Sprintf("%s %s", aws.ToString(c.Arn), aws.ToTime(c.CreatedAt).UTC().Format(time.RFC3339Nano))
	if w.history == nil || w.history.Cluster != key {
		w.history = loadHistory(w.dataDir, key)
		w.history.Called.note(aws.ToTime(c.CreatedAt), true)
	}
}

// followProfile waits until the profile is ACTIVE.
func (w *watcher) followProfile(ctx context.Context) {
	creating := false
	w.look(ctx, func() bool {
		out, err := w.aws.EKS.DescribeFargateProfile(ctx, &eks.DescribeFargateProfileInput{
			ClusterName: aws.String(clusterName), FargateProfileName: aws.String(profileName),
		})
		if err != nil {
			creating = cli.NotFound(err)
			return false
		}
		active := out.FargateProfile.Status == types.FargateProfileStatusActive
		w.mu.Lock()
		defer w.mu.Unlock()
		w.history.Profile = profileName
		w.history.ProfileCalled.note(aws.ToTime(out.FargateProfile.CreatedAt), true)
		if active && creating {
			w.history.ProfileActive.note(w.clock.Now(), true)
		}
		creating = !active
		return active
	})
}

// followPods watches pods and nodes until ctx ends.
func (w *watcher) followPods(ctx context.Context, client kubernetes.Interface) {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithTweakListOptions(func(o *metav1.ListOptions) {
		o.TimeoutSeconds = new(int64(watchSeconds))
	}))
	core := factory.Core().V1()
	// The handlers of an informer that has not started cannot fail to be added.
	_, _ = core.Pods().Informer().AddEventHandler(handler(w.pod))
	_, _ = core.Nodes().Informer().AddEventHandler(handler(w.node))
	_, _ = core.Events().Informer().AddEventHandler(handler(w.event))
	factory.Start(ctx.Done())
	<-ctx.Done()
	factory.Shutdown()
}

// handler calls f with what is there (seen false), and with what changes.
func handler[T any](f func(object T, seen bool)) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(o any, initial bool) {
			if x, ok := o.(T); ok {
				f(x, !initial)
			}
		},
		UpdateFunc: func(_, o any) {
			if x, ok := o.(T); ok {
				f(x, true)
			}
		},
	}
}

func (w *watcher) node(n *corev1.Node, seen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.history.Nodes[n.Name] = w.history.Nodes[n.Name].observe(n, w.clock.Now(), seen)
}

func (w *watcher) pod(p *corev1.Pod, seen bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	uid := string(p.UID)
	w.history.Pods[uid] = w.history.Pods[uid].observe(p, w.clock.Now(), seen)
	line := progress(p)
	if line == w.said[uid] {
		return
	}
	w.said[uid] = line
	if seen {
		w.log.Infof("pod %s/%s: %s", p.Namespace, p.Name, line)
	}
}

// quiet are warnings that are no trouble, or that the pod's conditions tell too.
var quiet = map[string]bool{"LoggingDisabled": true, "FailedScheduling": true}

// patience is how often a probe may fail before it is trouble.
const patience = 5

// event says what troubles a pod.
func (w *watcher) event(e *corev1.Event, seen bool) {
	if !seen || e.Type != corev1.EventTypeWarning || e.InvolvedObject.Kind != "Pod" || quiet[e.Reason] || e.Reason == "Unhealthy" && e.Count < patience {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	key, line := string(e.InvolvedObject.UID)+" "+e.Reason, e.Reason+": "+oneLine(e.Message)
	if line != w.said[key] {
		w.said[key] = line
		w.log.Warnf("pod %s/%s: %s", e.InvolvedObject.Namespace, e.InvolvedObject.Name, line)
	}
}

// longest is how much of a message is said, in bytes.
const longest = 300

func oneLine(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > longest {
		s = strings.ToValidUTF8(s[:longest], "") + " …"
	}
	return s
}

// progress says in a few words how far a pod is, and why no further.
func progress(p *corev1.Pod) string {
	if p.DeletionTimestamp != nil {
		return "is being deleted"
	}
	if why := refusal(p); why != "" {
		return why
	}
	switch {
	case p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed:
		return oneLine(string(p.Status.Phase) + " " + p.Status.Message)
	case condition(p, corev1.PodReady):
		return "Ready at " + p.Status.PodIP
	case !lastStart(p).IsZero():
		return "containers started"
	case p.Spec.NodeName != "":
		return "bound to " + p.Spec.NodeName
	case p.Annotations[capacityProvisioned] != "":
		return "admitted, " + p.Annotations[capacityProvisioned] + " provisioned; its node starts"
	case p.Spec.SchedulerName == "fargate-scheduler":
		return "created, matched by profile " + p.Labels["eks.amazonaws.com/fargate-profile"]
	}
	return "Pending, not matched by a Fargate profile"
}

// refusal is what stands in the way of a pod.
func refusal(p *corev1.Pod) string {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Message != "" && p.Spec.SchedulerName == "fargate-scheduler" {
			return "not scheduled: " + oneLine(c.Message)
		}
	}
	for _, s := range append(p.Status.InitContainerStatuses, p.Status.ContainerStatuses...) {
		if waiting := s.State.Waiting; waiting != nil && waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing" {
			return oneLine(fmt.Sprintf("container %s: %s %s", s.Name, waiting.Reason, waiting.Message))
		}
	}
	return ""
}

func condition(p *corev1.Pod, t corev1.PodConditionType) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == t {
			return c.Status == corev1.ConditionTrue
		}
	}
	return false
}

// snapshot is the history so far; nil before there was a cluster.
func (w *watcher) snapshot() *history {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.history == nil {
		return nil
	}
	h := *w.history
	h.Pods, h.Nodes = map[string]podTimes{}, map[string]nodeTimes{}
	for k, v := range w.history.Pods {
		h.Pods[k] = v
	}
	for k, v := range w.history.Nodes {
		h.Nodes[k] = v
	}
	return &h
}
