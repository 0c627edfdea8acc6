package scheduler

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	typedcorev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
)

// refusal is why a pod is not placed, in AWS's words.
type refusal struct {
	// reason is the condition's, FailedScheduling's own when empty.
	reason, message string
	// again is when to look once more; zero waits for a change.
	again time.Duration
}

// record starts the recording of events.
func (k *Controller) record() record.EventBroadcaster {
	b := record.NewBroadcaster()
	b.StartRecordingToSink(&typedcorev1.EventSinkImpl{Interface: k.Client.CoreV1().Events("")})
	k.recorder = b.NewRecorder(scheme.Scheme, corev1.EventSource{Component: Name})
	return b
}

// refuse tells a pod why it is not placed: by an event and its PodScheduled
// condition. What it was told already is not said again.
func (k *Controller) refuse(ctx context.Context, p *corev1.Pod, r refusal) error {
	reason := r.reason
	if reason == "" {
		reason = corev1.PodReasonUnschedulable
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Reason == reason && c.Message == r.message {
			return nil
		}
	}
	k.recorder.Event(p, corev1.EventTypeWarning, "FailedScheduling", r.message)
	changed := p.DeepCopy()
	condition := corev1.PodCondition{
		Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: reason, Message: r.message,
		LastTransitionTime: metav1.NewTime(k.Clock.Now()),
	}
	set := false
	for i := range changed.Status.Conditions {
		if changed.Status.Conditions[i].Type == corev1.PodScheduled {
			changed.Status.Conditions[i], set = condition, true
		}
	}
	if !set {
		changed.Status.Conditions = append(changed.Status.Conditions, condition)
	}
	_, err := k.Client.CoreV1().Pods(p.Namespace).UpdateStatus(ctx, changed, metav1.UpdateOptions{})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("telling pod %s why it is not placed: %w", podKey(p), err)
	}
	return nil
}

const (
	loggingNamespace = "aws-observability"
	loggingConfig    = "aws-logging"
)

// logging says what becomes of the pod's log, and tells the pod.
func (k *Controller) logging(p *corev1.Pod) string {
	if _, err := k.configs.ConfigMaps(loggingNamespace).Get(loggingConfig); err != nil {
		k.recorder.Event(p, corev1.EventTypeWarning, "LoggingDisabled",
			`Disabled logging because aws-logging configmap was not found. configmap "aws-logging" not found`)
		return "LoggingDisabled: LOGGING_CONFIGMAP_NOT_FOUND"
	}
	k.recorder.Event(p, corev1.EventTypeWarning, "LoggingDisabled",
		"Disabled logging because this Berth has no log router yet; the aws-logging configmap is not used")
	return "LoggingDisabled: LOG_ROUTER_UNAVAILABLE"
}
