package main

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// steps are those of a pod's start, in order, with what ends each.
var steps = []struct{ name, what string }{
	{"accepted", "the API server admitted and stored it, the Fargate scheduler sized and recorded it"},
	{"allocated", "its network interface is recorded"},
	{"registered", "its kubelet has registered the node"},
	{"ready", "the node is Ready"},
	{"bound", "it is bound to the node"},
	{"asked", "its kubelet, with its volumes mounted, asks containerd for a sandbox"},
	{"sandbox", "RunPodSandbox returns"},
	{"created", "containerd begins to create its container"},
	{"started", "containerd has started its container"},
	{"running", "its status says Running"},
}

// tracer finds out where the time of a pod's start goes.
type tracer struct {
	records *records
	runtime cri.RuntimeServiceClient
	// log is containerd's.
	log   string
	close func()
	took  [][]time.Duration
	call  []time.Duration
}

func newTracer(ctx context.Context, c *cluster) (*tracer, error) {
	records, err := c.records(ctx)
	if err != nil {
		return nil, err
	}
	runtime, disconnect, err := dialCRI(c.berth.containerd().Socket)
	if err != nil {
		records.close()
		return nil, err
	}
	return &tracer{
		records: records, runtime: runtime, log: filepath.Join(c.berth.dir, "agent", "containerd.log"), took: make([][]time.Duration, len(steps)),
		close: func() { disconnect(); records.close() },
	}, nil
}

// trace reads the moments of a pod that runs: those of the Fargate scheduler
// from its record, those of the API from what was seen, those of containerd
// from containerd and its log. All are of this machine's clock.
func (t *tracer) trace(ctx context.Context, o *observer, begun, answered time.Time, p podSeen) error {
	record, err := t.records.table.Get(ctx, p.uid)
	if err != nil {
		return err
	}
	at, err := startedOf(ctx, t.runtime, t.log, p.uid)
	if err != nil {
		return fmt.Errorf("asking containerd: %w", err)
	}
	o.mu.Lock()
	node := *o.nodes[p.node]
	o.mu.Unlock()
	line := record.Timeline
	moments := []time.Time{line.Accepted, line.Allocated, node.created, node.ready, p.bound, at.asked, at.sandbox, at.created, at.started, p.running}
	before := begun
	for i, moment := range moments {
		t.took[i] = append(t.took[i], moment.Sub(before))
		before = moment
	}
	t.call = append(t.call, answered.Sub(begun))
	return nil
}

func (t *tracer) print(b *bench) {
	b.print(figure{Name: "pod.step.call", Value: median(t.call), Unit: "ms", N: len(t.call), Note: "the call that creates it answers; part of accepted"})
	for i, s := range steps {
		b.print(figure{Name: "pod.step." + s.name, Value: median(t.took[i]), Unit: "ms", N: len(t.took[i]), Note: "since the step before, until " + s.what})
	}
}
