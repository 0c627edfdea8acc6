package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// measureHollow runs as many nodes as are asked for, without containers.
func measureHollow(ctx context.Context, b *bench) error {
	r, err := b.startBerth(ctx, "h", "hollow")
	if err != nil {
		return err
	}
	defer r.end()
	c, err := r.createCluster(ctx, "hollow")
	if err != nil {
		return err
	}
	if err := c.serve(ctx); err != nil {
		return err
	}
	floor, err := b.objectsAlone(ctx, c)
	if err != nil {
		return fmt.Errorf("measuring the floor: %w", err)
	}
	o, err := c.observe(ctx)
	if err != nil {
		return err
	}
	if err := pause(ctx, settle); err != nil {
		return err
	}
	pids, err := r.pids()
	if err != nil {
		return err
	}
	before, spent := weigh(pids), cpuTimes(pids)
	begin := time.Now()
	names, begun, err := b.createHollow(ctx, c)
	if err != nil {
		return err
	}
	created := time.Since(begin)
	seen, err := o.running(ctx, names)
	if err != nil {
		return err
	}
	var took []time.Duration
	for i, p := range seen {
		took = append(took, p.running.Sub(begun[i]))
	}
	last := slices.MaxFunc(seen, func(a, b podSeen) int { return a.running.Compare(b.running) })
	all := last.running.Sub(begin)
	for name, now := range cpuTimes(pids) {
		spent[name] = now - spent[name]
	}
	note := fmt.Sprintf("until all are Running; all created after %.1f s; each p50 %.0f ms, p99 %.0f ms", created.Seconds(), median(took), quantile(took, 0.99))
	b.print(figure{Name: "hollow", Value: all.Seconds(), Unit: "s", N: b.hollow, Note: note}.
		above(floor.Seconds(), "writing the same nodes and pods into the same API server"))
	b.print(figure{Name: "hollow.p99", Value: quantile(took, 0.99) / 1000, Unit: "s", N: b.hollow, Note: "until all but the last hundredth are Running; last of all was " + last.node})
	b.print(figure{Name: "hollow.work", Value: sum(spent) * 1000 / float64(b.hollow), Unit: "ms of a core per node", N: b.hollow, Note: "CPU until all are Running, in all: " + each(spent, "s")})
	return b.weighHollow(ctx, pids, before)
}

// createHollow creates all pods at once; it returns their names and when each
// was asked for.
func (b *bench) createHollow(ctx context.Context, c *cluster) (names []string, begun []time.Time, err error) {
	names, begun = make([]string, b.hollow), make([]time.Time, b.hollow)
	err = atOnce(b.hollow, func(i int) error {
		names[i], begun[i] = fmt.Sprint("hollow-", i), time.Now()
		_, err := c.client.CoreV1().Pods(namespace).Create(ctx, b.spec(names[i]), metav1.CreateOptions{})
		return err
	})
	return names, begun, err
}

// weighHollow measures nodes that run, against what was before them.
func (b *bench) weighHollow(ctx context.Context, pids map[string]int, before map[string]float64) error {
	if err := pause(ctx, settle); err != nil {
		return err
	}
	after := weigh(pids)
	grown := map[string]float64{}
	for name := range pids {
		grown[name] = (after[name] - before[name]) / float64(b.hollow)
	}
	b.print(figure{Name: "memory.node", Value: grown["dataplane"], Unit: "MB", N: b.hollow, Note: "PSS that a new dataplane gains per node, without its sandbox; every process: " + each(grown, "MB")})
	b.print(figure{Name: "hollow.files", Value: float64(files(pids["dataplane"])), Unit: "open files", N: b.hollow, Note: fmt.Sprintf("of the dataplane; server %d", files(pids["server"]))})
	used, err := watchCPU(ctx, pids, 15*time.Second)
	if err != nil {
		return err
	}
	b.print(figure{Name: "hollow.cpu", Value: sum(used), Unit: "% of a core", N: b.hollow, Note: "over 15 s, with every pod Running and nothing to do: " + each(used, "%")})
	return nil
}

// objectsAlone writes nodes and pods, and their statuses, as a kubelet and a
// scheduler would, and removes them again: what the API server alone takes.
func (b *bench) objectsAlone(ctx context.Context, c *cluster) (time.Duration, error) {
	const floorNamespace = "floor"
	_, err := c.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: floorNamespace}}, metav1.CreateOptions{})
	if err != nil {
		return 0, err
	}
	err = until(ctx, "the default service account is there", pollEvery, func(ctx context.Context) (bool, error) {
		_, err := c.client.CoreV1().ServiceAccounts(floorNamespace).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, err
	})
	if err != nil {
		return 0, err
	}
	nodes, pods := c.client.CoreV1().Nodes(), c.client.CoreV1().Pods(floorNamespace)
	name := func(i int) string { return fmt.Sprint("floor-", i) }
	begin := time.Now()
	err = atOnce(b.hollow, func(i int) error {
		ready := corev1.NodeCondition{Type: corev1.NodeReady, Status: corev1.ConditionTrue, LastHeartbeatTime: metav1.Now()}
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: name(i)}, Status: corev1.NodeStatus{Conditions: []corev1.NodeCondition{ready}}}
		if _, err := nodes.Create(ctx, node, metav1.CreateOptions{}); err != nil {
			return err
		}
		pod := b.spec(name(i))
		pod.Namespace, pod.Spec.NodeName = floorNamespace, name(i)
		if _, err := pods.Create(ctx, pod, metav1.CreateOptions{}); err != nil {
			return err
		}
		_, err := pods.Patch(ctx, name(i), types.MergePatchType, []byte(`{"status":{"phase":"Running"}}`), metav1.PatchOptions{}, "status")
		return err
	})
	if err != nil {
		return 0, err
	}
	took := time.Since(begin)
	return took, atOnce(b.hollow, func(i int) error {
		now := int64(0)
		if err := pods.Delete(ctx, name(i), metav1.DeleteOptions{GracePeriodSeconds: &now}); err != nil {
			return err
		}
		return nodes.Delete(ctx, name(i), metav1.DeleteOptions{})
	})
}
