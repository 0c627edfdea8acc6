package main

import (
	"context"
	"fmt"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth/internal/agent/containerd"
)

// settle is how long what was started may take to become quiet.
const settle = 5 * time.Second

// floors are what the same pods cost without Berth, one by one or together.
type floors struct {
	each  []time.Duration
	steps [3][]time.Duration
	all   time.Duration
	// memory is of one pod, in bytes.
	memory float64
}

// measurePods starts pods in a Berth and straight through a containerd, in turn,
// so that what else the machine does bears on both; and then at once.
func measurePods(ctx context.Context, b *bench) error {
	a, err := b.startAlone(ctx)
	if err != nil {
		return fmt.Errorf("starting the floor: %w", err)
	}
	defer a.end(b)
	r, err := b.startBerth(ctx, "p", b.runtime)
	if err != nil {
		return err
	}
	defer r.end()
	c, err := r.createCluster(ctx, "pods")
	if err != nil {
		return err
	}
	if err := c.serve(ctx); err != nil {
		return err
	}
	o, err := c.observe(ctx)
	if err != nil {
		return err
	}
	if err := b.podsInTurn(ctx, c, o, a); err != nil {
		return err
	}
	floor, err := a.atOnce(ctx, b.count)
	if err != nil {
		return fmt.Errorf("measuring the floor: %w", err)
	}
	return b.podsAtOnce(ctx, c, o, floor)
}

// inTurn starts one pod and removes it.
func (a *alone) inTurn(ctx context.Context, name string, out *floors) error {
	id, took, err := a.run(ctx, name)
	if err != nil {
		return err
	}
	for step, d := range took {
		out.steps[step] = append(out.steps[step], d)
	}
	out.each = append(out.each, took[0]+took[1]+took[2])
	return a.remove(ctx, id)
}

// atOnce starts pods together, weighs them and removes them.
func (a *alone) atOnce(ctx context.Context, count int) (floors, error) {
	var out floors
	ids := make([]string, count)
	begin := time.Now()
	err := atOnce(count, func(i int) error {
		var err error
		ids[i], _, err = a.run(ctx, fmt.Sprint("once-", i))
		return err
	})
	if err != nil {
		return out, err
	}
	out.all = time.Since(begin)
	if err := pause(ctx, settle); err != nil {
		return out, err
	}
	memory, err := sandboxMemory(a.paths, count)
	if err != nil {
		return out, err
	}
	out.memory = sum(memory)
	return out, atOnce(count, func(i int) error { return a.remove(ctx, ids[i]) })
}

// sandboxMemory is the memory of a pod's processes, by what they are.
func sandboxMemory(paths containerd.Paths, pods int) (map[string]float64, error) {
	all, err := readProcesses()
	if err != nil {
		return nil, err
	}
	memory := map[string]float64{}
	for name, pids := range all.sandboxes(paths.Socket) {
		for _, pid := range pids {
			memory[name] += pss(pid) / megabyte / float64(pods)
		}
	}
	return memory, nil
}

func (b *bench) spec(name string) *corev1.Pod {
	container := corev1.Container{Name: "hello", Image: helloImage, ImagePullPolicy: corev1.PullIfNotPresent}
	if b.cpu != "" {
		container.Resources.Requests = corev1.ResourceList{corev1.ResourceCPU: resource.MustParse(b.cpu)}
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{container}},
	}
}

// podsInTurn starts pods one after another.
func (b *bench) podsInTurn(ctx context.Context, c *cluster, o *observer, a *alone) error {
	t, err := newTracer(ctx, c)
	if err != nil {
		return err
	}
	defer t.close()
	var floor floors
	var took, removal []time.Duration
	for i := range b.count {
		name := fmt.Sprint("turn-", i)
		if err := a.inTurn(ctx, name, &floor); err != nil {
			return fmt.Errorf("measuring the floor: %w", err)
		}
		begin := time.Now()
		if _, err := c.client.CoreV1().Pods(namespace).Create(ctx, b.spec(name), metav1.CreateOptions{}); err != nil {
			return err
		}
		created := time.Now()
		seen, err := o.running(ctx, []string{name})
		if err != nil {
			return err
		}
		took = append(took, seen[0].running.Sub(begin))
		if err := t.trace(ctx, o, begin, created, seen[0]); err != nil {
			return err
		}
		begin = time.Now()
		if err := c.remove(ctx, o, []string{name}); err != nil {
			return err
		}
		removal = append(removal, time.Since(begin))
	}
	const floorName = "RunPodSandbox, CreateContainer and StartContainer of the same image"
	note := b.runtime + ", one after another, created until Running, image present"
	b.print(figure{Name: "pod.p50", Value: median(took), Unit: "ms", N: b.count, Note: note}.above(median(floor.each), floorName))
	b.print(figure{Name: "pod.p99", Value: quantile(took, 0.99), Unit: "ms", N: b.count, Note: note}.above(quantile(floor.each, 0.99), floorName))
	t.print(b)
	for step, name := range []string{"sandbox", "create", "start"} {
		b.print(figure{Name: "pod.floor." + name, Value: median(floor.steps[step]), Unit: "ms", N: b.count})
	}
	b.print(figure{Name: "pod.remove", Value: median(removal), Unit: "ms", N: b.count, Note: "deleted until the pod and its node are gone"})
	return nil
}

// podsAtOnce starts all pods together, and weighs them while they run.
func (b *bench) podsAtOnce(ctx context.Context, c *cluster, o *observer, floor floors) error {
	if err := pause(ctx, settle); err != nil {
		return err
	}
	dataplane, err := c.berth.dataplane()
	if err != nil {
		return err
	}
	before := pss(dataplane)
	var names []string
	for i := range b.count {
		names = append(names, fmt.Sprint("once-", i))
	}
	begin := time.Now()
	err = atOnce(b.count, func(i int) error {
		_, err := c.client.CoreV1().Pods(namespace).Create(ctx, b.spec(names[i]), metav1.CreateOptions{})
		return err
	})
	if err != nil {
		return err
	}
	seen, err := o.running(ctx, names)
	if err != nil {
		return err
	}
	last := slices.MaxFunc(seen, func(a, b podSeen) int { return a.running.Compare(b.running) })
	b.print(figure{Name: "pod.atonce", Value: milliseconds(last.running.Sub(begin)), Unit: "ms", N: b.count, Note: b.runtime + ", until all are Running"}.
		above(milliseconds(floor.all), "the same containers at once straight through containerd"))
	if err := pause(ctx, settle); err != nil {
		return err
	}
	memory, err := sandboxMemory(c.berth.containerd(), b.count)
	if err != nil {
		return err
	}
	node := (pss(dataplane) - before) / megabyte / float64(b.count)
	b.print(figure{Name: "memory.pod", Value: sum(memory) + node, Unit: "MB", N: b.count, Note: each(memory, "MB") + "; and the dataplane's growth"}.
		above(floor.memory, "processes of the same pod straight through containerd"))
	b.print(figure{Name: "memory.node." + b.runtime, Value: node, Unit: "MB", N: b.count, Note: "PSS that the dataplane gains per node after pods came and went; see memory.node for one that is new"})
	return b.busyCPU(ctx, c)
}

// busyCPU is what pods that do nothing cost.
func (b *bench) busyCPU(ctx context.Context, c *cluster) error {
	used, err := c.berth.cpu(ctx, 15*time.Second)
	if err != nil {
		return err
	}
	b.print(figure{Name: "idle.cpu.pods", Value: sum(used), Unit: "% of a core", N: b.count, Note: fmt.Sprintf("with %d pods that do nothing, without their sandboxes: %s", b.count, each(used, "%"))})
	return nil
}
