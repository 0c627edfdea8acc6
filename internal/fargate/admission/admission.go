// Package admission turns a new pod into a Fargate pod: it decides whether the
// pod belongs to a profile and writes the JSON patch that says so. It is pure,
// and it serves no HTTP: bytes of an AdmissionReview go in and come out. The
// webhook of each cluster and the command line import it.
package admission

import (
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"berth.dev/berth/internal/fargate/profile"
)

const (
	// ComputeType is the annotation, and on nodes the label and taint, that
	// says what computes a pod; ec2 keeps a pod off Fargate.
	ComputeType = "eks.amazonaws.com/compute-type"
	// SchedulerName is the scheduler of Fargate pods.
	SchedulerName = "fargate-scheduler"
	// PriorityClass and Priority are what every Fargate pod has.
	PriorityClass = "system-node-critical"
	Priority      = int32(2000001000)
)

// Cause is why a pod was left as it is.
type Cause string

const (
	// NoProfile is a pod that no profile matches.
	NoProfile Cause = "NoProfile"
	// WantsEC2 is a pod whose annotation asks for EC2.
	WantsEC2 Cause = "WantsEC2"
	// OtherScheduler is a pod that names a scheduler of its own.
	OtherScheduler Cause = "OtherScheduler"
	// NamesNode is a pod that names its node, or labels of it.
	NamesNode Cause = "NamesNode"
	// OwnedByDaemonSet is a pod of a DaemonSet, which wants every node but
	// Fargate's.
	OwnedByDaemonSet Cause = "OwnedByDaemonSet"
)

// Decision is what becomes of a pod.
type Decision struct {
	// Profile is the profile it runs on, "" when it is left alone.
	Profile string
	// Skipped is why it is left alone, "" when it is not.
	Skipped Cause
	// Result is how the profiles matched; zero when they were not asked.
	Result profile.Result
	// Patch makes the pod a Fargate pod; applied again it changes nothing.
	Patch []Operation
}

// Operation is a step of a JSON patch.
type Operation struct {
	Op    string `json:"op"`
	Path  string `json:"path"`
	Value any    `json:"value,omitempty"`
}

// Mutate decides about a pod that is being created in a namespace, which the
// pod itself need not name yet.
func Mutate(pod *corev1.Pod, namespace string, profiles []profile.Profile) Decision {
	if cause := skip(pod); cause != "" {
		return Decision{Skipped: cause}
	}
	result := profile.Match(profiles, profile.Pod{Namespace: namespace, Labels: pod.Labels})
	if !result.Matched() {
		return Decision{Skipped: NoProfile, Result: result}
	}
	return Decision{Profile: result.Profile, Result: result, Patch: patch(pod, result.Profile)}
}

func skip(pod *corev1.Pod) Cause {
	daemon := slices.ContainsFunc(pod.OwnerReferences, isDaemonSet)
	scheduler := pod.Spec.SchedulerName
	switch {
	case pod.Annotations[ComputeType] == "ec2":
		return WantsEC2
	case daemon:
		return OwnedByDaemonSet
	case scheduler != "" && scheduler != corev1.DefaultSchedulerName && scheduler != SchedulerName:
		return OtherScheduler
	case pod.Spec.NodeName != "" || len(pod.Spec.NodeSelector) > 0:
		return NamesNode
	}
	return ""
}

func patch(pod *corev1.Pod, name string) []Operation {
	ops := make([]Operation, 0, 5)
	// add replaces what is there, but needs the parent to be there.
	if pod.Labels == nil {
		ops = append(ops, Operation{"add", "/metadata/labels", map[string]string{profile.Label: name}})
	} else if pod.Labels[profile.Label] != name {
		ops = append(ops, Operation{"add", "/metadata/labels/" + escape(profile.Label), name})
	}
	if pod.Spec.SchedulerName != SchedulerName {
		ops = append(ops, Operation{"add", "/spec/schedulerName", SchedulerName})
	}
	if pod.Spec.PriorityClassName != PriorityClass {
		ops = append(ops, Operation{"add", "/spec/priorityClassName", PriorityClass})
	}
	if pod.Spec.Priority == nil || *pod.Spec.Priority != Priority {
		ops = append(ops, Operation{"add", "/spec/priority", Priority})
	}
	// A priority class of the user's may have set another policy by now; beside
	// the class that the pod has now, the API server would refuse it.
	if p := pod.Spec.PreemptionPolicy; p != nil && *p != corev1.PreemptLowerPriority {
		ops = append(ops, Operation{"add", "/spec/preemptionPolicy", corev1.PreemptLowerPriority})
	}
	return ops
}

// escape makes a map key a part of a JSON pointer.
func escape(key string) string {
	return strings.ReplaceAll(strings.ReplaceAll(key, "~", "~0"), "/", "~1")
}
