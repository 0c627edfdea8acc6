package linux

import (
	"testing"

	"golang.org/x/sys/unix"
)

func TestTraffic(t *testing.T) {
	s := newStage(t)
	p := s.set(s.network("vpc-1"))
	router := p.Namespace
	a, b := s.pod(p, "eni-a"), s.pod(p, "eni-b")
	isolated, public := s.pod(p, "eni-i"), s.pod(p, "eni-p")

	s.serve("app", b, "10.0.2.20:80")
	s.serve("app", a, "10.0.1.10:80")
	s.serve("app-on-10250", b, "10.0.2.20:10250")
	s.serve("kubelet-b", router, "10.0.2.20:10250")
	s.serve("kubelet-a", router, "10.0.1.10:10250")
	s.serve("apiserver", router, "10.0.1.5:443")
	s.serve("resolver", router, "10.0.0.2:53")
	s.serve("internet", "internet", internetAddress+":80")

	t.Run("pod to pod", func(t *testing.T) {
		s.wantAnswer(a, "10.0.2.20:80", "app saw 10.0.1.10")
		s.wantAnswer(b, "10.0.1.10:80", "app saw 10.0.2.20")
		s.wantAnswer(isolated, "10.0.1.10:80", "app saw 10.0.3.30")
		s.wantAnswer(public, "10.0.1.10:80", "app saw 10.0.0.40")
	})
	t.Run("router to pod", func(t *testing.T) {
		s.wantAnswer(router, "10.0.2.20:80", "app saw 10.0.0.1")
	})
	t.Run("pod to the router's addresses", func(t *testing.T) {
		s.wantAnswer(a, "10.0.1.5:443", "apiserver saw 10.0.1.10")
		s.wantAnswer(isolated, "10.0.1.5:443", "apiserver saw 10.0.3.30")
		s.wantAnswer(b, "10.0.0.2:53", "resolver saw 10.0.2.20")
	})
	t.Run("kubelet", func(t *testing.T) {
		s.wantAnswer(a, "10.0.2.20:10250", "kubelet-b saw 10.0.1.10")
		s.wantAnswer(b, "10.0.1.10:10250", "kubelet-a saw 10.0.2.20")
		s.wantAnswer(router, "10.0.2.20:10250", "kubelet-b saw 10.0.0.1")
		s.wantAnswer(router, "10.0.1.10:10250", "kubelet-a saw 10.0.0.1")
	})
	t.Run("out by NAT", func(t *testing.T) {
		s.wantAnswer(a, internetAddress+":80", "internet saw 203.0.113.1")
		s.wantAnswer(b, internetAddress+":80", "internet saw 203.0.113.1")
		s.wantAnswer(router, internetAddress+":80", "internet saw 203.0.113.1")
	})
	t.Run("no way out", func(t *testing.T) {
		s.wantTimeout(isolated, internetAddress+":80")
		s.wantTimeout(public, internetAddress+":80")
	})
	t.Run("nobody there", func(t *testing.T) {
		s.wantError(a, "10.0.1.99:80", unix.EHOSTUNREACH)
		s.wantError(router, "10.0.1.99:80", unix.EHOSTUNREACH)
		s.wantError(a, "172.20.0.10:53", unix.EHOSTUNREACH)
	})
}
