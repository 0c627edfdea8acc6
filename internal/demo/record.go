package demo

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// moment is when something happened.
type moment struct {
	At time.Time `json:"at"`
	// Seen says that this program saw it happen. Otherwise the time is an API's,
	// and Kubernetes keeps whole seconds.
	Seen bool `json:"seen"`
}

func (m moment) known() bool { return !m.At.IsZero() }

// note sets a moment that is not known yet; a second look changes nothing.
func (m *moment) note(at time.Time, seen bool) {
	if !m.known() && !at.IsZero() {
		*m = moment{At: at, Seen: seen}
	}
}

// podTimes is the life of a pod.
type podTimes struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Node      string `json:"node"`
	// Capacity is what Fargate provisioned.
	Capacity string `json:"capacity"`
	Created  moment `json:"created"`
	Admitted moment `json:"admitted"`
	Bound    moment `json:"bound"`
	Started  moment `json:"started"`
	Ready    moment `json:"ready"`
}

// nodeTimes is the beginning of a node.
type nodeTimes struct {
	Created moment `json:"created"`
	Ready   moment `json:"ready"`
}

// history is what a demo saw, of one cluster; pods are by UID, nodes by name. It
// is kept beside the data, so that a later run can show it.
type history struct {
	// Cluster is the cluster's ARN and creation: another one begins anew.
	Cluster       string               `json:"cluster"`
	Called        moment               `json:"called"`
	Active        moment               `json:"active"`
	Profile       string               `json:"profile"`
	ProfileCalled moment               `json:"profileCalled"`
	ProfileActive moment               `json:"profileActive"`
	Pods          map[string]podTimes  `json:"pods"`
	Nodes         map[string]nodeTimes `json:"nodes"`
}

const (
	capacityProvisioned = "CapacityProvisioned"
	// fieldOfCapacity is the annotation in the managed fields.
	fieldOfCapacity = `"f:CapacityProvisioned"`
)

// observe adds what a pod shows at a time. seen is false for the first look at
// a pod that was there before.
func (p podTimes) observe(pod *corev1.Pod, now time.Time, seen bool) podTimes {
	at := func(api time.Time) time.Time {
		if seen {
			return now
		}
		return api
	}
	p.Namespace, p.Name, p.Node = pod.Namespace, pod.Name, pod.Spec.NodeName
	p.Created.note(at(pod.CreationTimestamp.Time), seen)
	if capacity := pod.Annotations[capacityProvisioned]; capacity != "" {
		p.Capacity = capacity
		p.Admitted.note(at(annotated(pod)), seen)
	}
	for _, c := range pod.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case corev1.PodScheduled:
			p.Bound.note(at(c.LastTransitionTime.Time), seen)
		case corev1.PodReady:
			p.Ready.note(at(c.LastTransitionTime.Time), seen)
		}
	}
	if started := lastStart(pod); !started.IsZero() {
		p.Started.note(at(started), seen)
	}
	return p
}

// annotated is when the capacity was written, as the managed fields have it.
func annotated(pod *corev1.Pod) time.Time {
	for _, f := range pod.ManagedFields {
		if f.FieldsV1 != nil && f.Time != nil && strings.Contains(f.FieldsV1.String(), fieldOfCapacity) {
			return f.Time.Time
		}
	}
	return time.Time{}
}

// lastStart is when the last container started, zero while one does not run.
func lastStart(pod *corev1.Pod) time.Time {
	var last time.Time
	if len(pod.Status.ContainerStatuses) < len(pod.Spec.Containers) {
		return last
	}
	for _, s := range pod.Status.ContainerStatuses {
		if s.State.Running == nil {
			return time.Time{}
		}
		if at := s.State.Running.StartedAt.Time; at.After(last) {
			last = at
		}
	}
	return last
}

// observe adds what a node shows at a time.
func (n nodeTimes) observe(node *corev1.Node, now time.Time, seen bool) nodeTimes {
	at := func(api time.Time) time.Time {
		if seen {
			return now
		}
		return api
	}
	n.Created.note(at(node.CreationTimestamp.Time), seen)
	for _, c := range node.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			n.Ready.note(at(c.LastTransitionTime.Time), seen)
		}
	}
	return n
}

// folder is where the demo keeps its files.
func folder(dataDir string) string { return filepath.Join(dataDir, "demo") }

func historyPath(dataDir string) string { return filepath.Join(folder(dataDir), "history.json") }

// loadHistory reads what earlier runs saw of a cluster. One that cannot be read
// costs a timeline its fractions of seconds, and no more.
func loadHistory(dataDir, cluster string) *history {
	empty := &history{Cluster: cluster, Pods: map[string]podTimes{}, Nodes: map[string]nodeTimes{}}
	b, err := os.ReadFile(historyPath(dataDir))
	if err != nil {
		return empty
	}
	var h history
	if json.Unmarshal(b, &h) != nil || h.Cluster != cluster || h.Pods == nil || h.Nodes == nil {
		return empty
	}
	return &h
}

func saveHistory(dataDir string, h *history) error {
	b, err := json.MarshalIndent(h, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the times that were seen: %w", err)
	}
	return writeFile(historyPath(dataDir), b)
}

// writeFile replaces a file in one step.
func writeFile(path string, b []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("making the folder of the demo: %w", err)
	}
	if err := os.WriteFile(path+".tmp", b, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(path+".tmp", path); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return nil
}
