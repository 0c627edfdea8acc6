package containerd

import (
	"context"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
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
				begin := time.Now()
				name := p.exec("/guest", "uname")
				took := time.Since(begin)
				if !strings.Contains(name, test.kernel) {
					t.Errorf("uname in the sandbox answers %q, want %q in it", name, test.kernel)
				}
				p.hasStreams()
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

// hasStreams asks for an exec stream, which must be served on the loopback.
func (p *pod) hasStreams() {
	p.t.Helper()
	answer, err := p.service.Exec(context.Background(), &cri.ExecRequest{ContainerId: p.container, Cmd: []string{"/guest", "uname"}, Stdout: true})
	if err != nil {
		p.t.Errorf("asking for an exec stream of %s: %v", p.name, err)
		return
	}
	at, err := url.Parse(answer.GetUrl())
	if err != nil {
		p.t.Errorf("the exec stream of %s is at %q: %v", p.name, answer.GetUrl(), err)
		return
	}
	conn, err := net.Dial("tcp", at.Host)
	if err != nil || at.Hostname() != "127.0.0.1" {
		p.t.Errorf("the exec stream of %s is at %q: %v", p.name, answer.GetUrl(), err)
		return
	}
	conn.Close()
}
