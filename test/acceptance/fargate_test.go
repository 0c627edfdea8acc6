package acceptance

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/dataplane"
)

// scene is what the steps of TestFargate share.
type scene struct {
	*berth
	n network
	c *types.Cluster
	k *kube
}

// TestFargate is the main job: a cluster, pods on nodes of their own, what is
// refused, what is killed, what is removed. Its steps share one Berth and build
// on one another.
func TestFargate(t *testing.T) {
	s := &scene{berth: start(t, dataplane.GVisor)}
	steps := []struct {
		name string
		run  func(*scene, *testing.T)
		// vital says that without it nothing else can be said.
		vital bool
	}{
		{"cluster", (*scene).start, true},
		{"identity", (*scene).identity, false},
		{"coredns", (*scene).coreDNS, true},
		{"nodes", (*scene).nodes, true},
		{"matching", (*scene).matching, false},
		{"refused pods", (*scene).refusedPods, false},
		{"workload", (*scene).workload, false},
		{"streams", (*scene).streams, false},
		{"services", (*scene).services, false},
		{"api from a pod", (*scene).apiFromPod, false},
		{"node restriction", (*scene).nodeRestriction, false},
		{"limits", (*scene).limits, false},
		{"egress", (*scene).egress, false},
		{"termination", (*scene).termination, false},
		{"refusals", (*scene).refusals, false},
		{"profiles", (*scene).profiles, false},
		{"kill", (*scene).kills, false},
		{"interrupted", (*scene).interrupted, false},
		{"deletion", (*scene).deletion, false},
		{"purge after kill", (*scene).purgeAfterKill, false},
	}
	for _, step := range steps {
		if !t.Run(step.name, func(t *testing.T) { step.run(s, t) }) && step.vital {
			t.Fatalf("without %q the rest says nothing", step.name)
		}
	}
}
