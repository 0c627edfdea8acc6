package containerd

import (
	"strings"
	"testing"
	"time"
)

func TestLivePod(t *testing.T) {
	h := newHost(t, Overlay)
	for _, test := range []struct {
		handler string
		kernel  string
	}{
		{"runsc", "gvisor"},
		{"runc", ""},
	} {
		t.Run(test.handler, func(t *testing.T) {
			h.t = t
			if test.handler == "runc" && h.config.Programs.Runc == "" {
				t.Skip("needs runc: the Debian package of that name")
			}
			for i := range 3 {
				p := h.run(test.handler+string('a'+rune(i)), test.handler, "pause")
				if p == nil {
					return
				}
				begin := time.Now()
				name := p.exec("/guest", "uname")
				took := time.Since(begin)
				if !strings.Contains(name, test.kernel) {
					t.Errorf("uname in the sandbox answers %q, want %q in it", name, test.kernel)
				}
				begin = time.Now()
				p.remove()
				t.Logf("RunPodSandbox %v, StartContainer %v, ExecSync %v, stop and remove %v; kernel %s",
					p.sandboxTook, p.startTook, took, time.Since(begin), strings.TrimSpace(name))
				if log := p.log(); !strings.Contains(log, "stdout F guest stopped") {
					t.Errorf("the guest was not stopped gracefully: its log is %q", log)
				}
			}
		})
	}
	h.t = t
}
