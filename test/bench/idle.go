package main

import (
	"context"
	"errors"
	"time"
)

// quiet is how long a new cluster is left alone before it counts as idle.
const quiet = 20 * time.Second

// idleFor is how long an idle cluster is watched.
const idleFor = 30 * time.Second

// measureIdle weighs a cluster without pods, and the same without Berth. Both
// are there at once, so that what else the machine does bears on both.
func measureIdle(ctx context.Context, b *bench) error {
	r, err := b.startBerth(ctx, "i", b.runtime)
	if err != nil {
		return err
	}
	defer r.end()
	if _, err := r.createCluster(ctx, "idle"); err != nil {
		return err
	}
	bare, err := b.startBare(ctx, "bare")
	if err != nil {
		return err
	}
	defer bare.stop()
	if err := pause(ctx, quiet); err != nil {
		return err
	}
	pids, err := r.pids()
	if err != nil {
		return err
	}
	memory, floor := weigh(pids), weigh(bare.pids())
	b.print(figure{Name: "memory.idle", Value: sum(memory), Unit: "MB", N: 1, Note: "PSS of an idle cluster and its Berth: " + each(memory, "MB")}.
		above(sum(floor), "bare etcd and kube-apiserver"))
	both := map[string]int{}
	for name, pid := range pids {
		both[name] = pid
	}
	for name, pid := range bare.pids() {
		both["bare/"+name] = pid
	}
	used, err := watchCPU(ctx, both, idleFor)
	if err != nil {
		return err
	}
	bareUsed := map[string]float64{}
	for name := range bare.pids() {
		bareUsed[name] = used["bare/"+name]
		delete(used, "bare/"+name)
	}
	b.print(figure{Name: "idle.cpu", Value: sum(used), Unit: "% of a core", N: 1, Note: "over 30 s: " + each(used, "%")}.
		above(sum(bareUsed), "bare etcd and kube-apiserver: "+each(bareUsed, "%")))
	return nil
}

// pids are the Berth's own processes, without those of pods.
func (r *berth) pids() (map[string]int, error) {
	all, err := readProcesses()
	if err != nil {
		return nil, err
	}
	pids := all.children(r.pid())
	pids["server"] = r.pid()
	return pids, nil
}

// dataplane is the process of the one cluster's dataplane.
func (r *berth) dataplane() (int, error) {
	pids, err := r.pids()
	if err == nil && pids["dataplane"] == 0 {
		err = errors.New("no dataplane runs")
	}
	return pids["dataplane"], err
}

func weigh(pids map[string]int) map[string]float64 {
	memory := map[string]float64{}
	for name, pid := range pids {
		memory[name] = pss(pid) / megabyte
	}
	return memory
}

// cpuTimes are the seconds that processes have used of the CPUs.
func cpuTimes(pids map[string]int) map[string]float64 {
	times := map[string]float64{}
	for name, pid := range pids {
		times[name] = cpuTime(pid).Seconds()
	}
	return times
}

// cpu is what the Berth's processes use of a core, in percent.
func (r *berth) cpu(ctx context.Context, during time.Duration) (map[string]float64, error) {
	pids, err := r.pids()
	if err != nil {
		return nil, err
	}
	return watchCPU(ctx, pids, during)
}

func watchCPU(ctx context.Context, pids map[string]int, during time.Duration) (map[string]float64, error) {
	before, begin := map[string]time.Duration{}, time.Now()
	for name, pid := range pids {
		before[name] = cpuTime(pid)
	}
	if err := pause(ctx, during); err != nil {
		return nil, err
	}
	passed := time.Since(begin)
	used := map[string]float64{}
	for name, pid := range pids {
		used[name] = 100 * float64(cpuTime(pid)-before[name]) / float64(passed)
	}
	return used, nil
}
