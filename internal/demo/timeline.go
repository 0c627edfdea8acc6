package demo

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

// step is a line of a timeline.
type step struct {
	what string
	moment
	// note is said after the time.
	note string
}

// timeline is steps under a title; each took what lies between it and the one
// before it.
type timeline struct {
	title string
	steps []step
	// total names the whole, and is empty where there is none to tell.
	total string
}

// timelines are what happened: to the cluster, then to each of its pods that
// keep wants.
func timelines(h *history, keep func(uid string) bool) []timeline {
	out := []timeline{{title: "cluster " + clusterName, total: "CreateCluster to ACTIVE", steps: []step{
		{what: "CreateCluster is accepted", moment: h.Called},
		{what: "ACTIVE: its API server answers", moment: h.Active},
	}}}
	if h.Profile != "" {
		out = append(out, timeline{title: "Fargate profile " + h.Profile, steps: []step{
			{what: "CreateFargateProfile is accepted", moment: h.ProfileCalled},
			{what: "ACTIVE", moment: h.ProfileActive},
		}})
	}
	for _, p := range sortedPods(h, keep) {
		out = append(out, podTimeline(p, h.Nodes[p.Node]))
	}
	return out
}

// podTimeline is the life of a pod.
func podTimeline(p podTimes, node nodeTimes) timeline {
	on := "without a node"
	if p.Node != "" {
		on = "on " + p.Node
	}
	return timeline{title: fmt.Sprintf("pod %s/%s %s", p.Namespace, p.Name, on), total: "created to Running and ready", steps: []step{
		{what: "created, and matched by the profile", moment: p.Created},
		{what: "admitted: capacity is provisioned", moment: p.Admitted, note: p.Capacity},
		{what: "node registered", moment: node.Created},
		{what: "node Ready", moment: node.Ready},
		{what: "bound to its node", moment: p.Bound},
		{what: "container started", moment: p.Started},
		{what: "Running and ready", moment: p.Ready},
	}}
}

// sortedPods are pods in the order of their creation.
func sortedPods(h *history, keep func(string) bool) []podTimes {
	var pods []podTimes
	for uid, p := range h.Pods {
		if keep(uid) {
			pods = append(pods, p)
		}
	}
	slices.SortFunc(pods, func(a, b podTimes) int {
		return cmp.Or(a.Created.At.Compare(b.Created.At), strings.Compare(a.Namespace, b.Namespace), strings.Compare(a.Name, b.Name))
	})
	return pods
}

// between is the time from one moment to another. What only an API told is known
// to the second.
func between(from, to moment) string {
	if !from.known() || !to.known() {
		return ""
	}
	d := max(0, to.At.Sub(from.At))
	if from.Seen && to.Seen {
		return fmt.Sprintf("%.2f s", d.Seconds())
	}
	return fmt.Sprintf("~%.0f s", d.Seconds())
}

func clockTime(m moment) string {
	switch {
	case !m.known():
		return "not seen"
	case m.Seen:
		return m.At.Local().Format("15:04:05.000")
	}
	return m.At.Local().Format("15:04:05")
}

// render writes timelines as text.
func render(w io.Writer, all []timeline) {
	for i, t := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintln(w, t.title)
		var last moment
		for _, s := range t.steps {
			fmt.Fprintln(w, strings.TrimRight(fmt.Sprintf("  %-12s  %-36s %8s  %s", clockTime(s.moment), s.what, between(last, s.moment), s.note), " "))
			if s.known() {
				last = s.moment
			}
		}
		if first, end := t.steps[0].moment, t.steps[len(t.steps)-1].moment; t.total != "" && first.known() && end.known() {
			fmt.Fprintf(w, "  %-12s  %-36s %8s\n", "", t.total, between(first, end))
		}
	}
}

// since is a duration as the demo says it.
func since(d time.Duration) string { return d.Round(100 * time.Millisecond).String() }
