package containerd

import (
	"os"
	"slices"
	"testing"
	"time"
)

// TestLiveFigures measures the start of pods one after another and the memory
// of one: the floor that a node's own costs come on top of.
func TestLiveFigures(t *testing.T) {
	if os.Getenv("BERTH_FIGURES") == "" {
		t.Skip("set BERTH_FIGURES=1 to measure")
	}
	h := newHost(t, Overlay)
	for _, handler := range h.handlers() {
		const count = 15
		var sandbox, start, exec, remove []time.Duration
		for i := range count {
			p := h.run(handler+string('a'+rune(i)), handler, "pause")
			begin := time.Now()
			p.exec("/guest", "uname")
			sandbox, start, exec = append(sandbox, p.sandboxTook), append(start, p.startTook), append(exec, time.Since(begin))
			if i == count-1 {
				total := 0
				memory := p.memory()
				for _, kb := range memory {
					total += kb
				}
				t.Logf("%s: memory %d kB: %v", handler, total, memory)
			}
			begin = time.Now()
			p.remove()
			remove = append(remove, time.Since(begin))
		}
		t.Logf("%s %v: RunPodSandbox p50 %v max %v, StartContainer p50 %v max %v, ExecSync p50 %v, stop and remove p50 %v", handler, h.config.RunscFlags,
			median(sandbox), slices.Max(sandbox), median(start), slices.Max(start), median(exec), median(remove))
	}
}

func median(times []time.Duration) time.Duration {
	slices.Sort(times)
	return times[len(times)/2].Round(time.Millisecond)
}
