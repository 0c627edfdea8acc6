package acceptance

import (
	"testing"

	"berth.dev/berth/dataplane"
)

// TestFargate is the main job: a cluster, and pods on nodes of their own. Its
// steps share one Berth and build on one another.
func TestFargate(t *testing.T) {
	b := start(t, dataplane.GVisor)
	b.roles(t)
	n := b.network(t)
	c := b.create(t, clusterInput("demo", n))
	b.profile(t, profileInput("demo", "fp-default", n.private, selector("default"), selector("kube-system")))
	k := b.kube(t, c)
	k.account(t, "default")
	k.run(t, hello("first"))
}
