package linux

import (
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"berth.dev/berth/internal/vpcnet"
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

func TestUndeclaredGoes(t *testing.T) {
	w := newSmallWorld(newStage(t))
	w.n.Interfaces = w.n.Interfaces[:1] // eni-a stays
	w.n.KubeletIPs = w.n.KubeletIPs[:1]
	w.n.Subnets = w.n.Subnets[:3]
	p := w.set(w.n)
	w.wantError(w.a, "10.0.2.20:80", unix.EHOSTUNREACH)
	w.wantError(p.Namespace, "10.0.2.20:10250", unix.EHOSTUNREACH)
	w.wantAnswer(w.a, internetAddress+":80", "internet saw 203.0.113.1")
	ns, err := openNamespace(w.b)
	w.check(err)
	defer ns.Close()
	r, err := openRouter(ns)
	w.check(err)
	defer r.Close()
	if l, err := findLink(r.Handle, "eth0"); l != nil || err != nil {
		t.Errorf("the undeclared pod still has %v, %v", l, err)
	}
}

func TestPodsComeAndGo(t *testing.T) {
	w := newSmallWorld(newStage(t))
	port, _ := w.p.Port("eni-b")
	w.check(w.d.Detach(t.Context(), port))
	w.check(w.d.Detach(t.Context(), port))
	w.wantError(w.a, "10.0.2.20:80", unix.EHOSTUNREACH)
	w.wantAnswer(w.a, "10.0.2.20:10250", "kubelet-b saw 10.0.1.10")

	w.attach(w.p, "eni-b", w.b)
	w.wantWorking()

	// Another sandbox takes over the same interface.
	next := "pod-next"
	w.check(createNamespace(next))
	w.Cleanup(func() { w.check(deleteNamespace(next)) })
	w.attach(w.p, "eni-b", next)
	w.serve("next", next, "10.0.2.20:81")
	w.wantAnswer(w.a, "10.0.2.20:81", "next saw 10.0.1.10")
	w.set(w.n)
	w.wantAnswer(w.a, "10.0.2.20:81", "next saw 10.0.1.10")
}

func TestSourceAddressIsChecked(t *testing.T) {
	w := newSmallWorld(newStage(t))
	ns, err := openNamespace(w.a)
	w.check(err)
	defer ns.Close()
	pod, err := openRouter(ns)
	w.check(err)
	defer pod.Close()
	l, err := pod.LinkByName("eth0")
	w.check(err)
	own := vpcnet.Address{Link: "eth0", Prefix: netip.MustParsePrefix("10.0.1.10/32"), Scope: vpcnet.ScopeGlobal}
	forged := own
	forged.Prefix = netip.MustParsePrefix("10.0.1.11/32")
	// Never without an address, or the kernel would take the routes away.
	w.check(setAddresses(pod.Handle, l, []vpcnet.Address{own, forged}))
	w.check(setAddresses(pod.Handle, l, []vpcnet.Address{forged}))
	w.wantTimeout(w.a, "10.0.2.20:80")
}

func TestOverlappingNetworks(t *testing.T) {
	s := newStage(t)
	one, two := s.set(s.network("vpc-1")), s.set(s.network("vpc-2"))
	for _, p := range []vpcnet.Plan{one, two} {
		a, b := s.pod(p, "eni-a"), s.pod(p, "eni-b")
		s.serve(p.Namespace, b, "10.0.2.20:80")
		s.wantAnswer(a, "10.0.2.20:80", p.Namespace+" saw 10.0.1.10")
	}
	s.serve("far", one.Namespace, one.Host.Address.Addr().Next().String()+":99")
	s.wantTimeout(two.Namespace, one.Host.Address.Addr().Next().String()+":99")
}

func TestAttachRefusesTheHost(t *testing.T) {
	s := newStage(t)
	p := s.set(s.network("vpc-1"))
	port, _ := p.Port("eni-a")
	if _, err := s.d.Attach(t.Context(), port, "/proc/self/ns/net", "eth0"); !errors.Is(err, ErrHostNamespace) {
		t.Errorf("attaching the host: %v", err)
	}
	if _, err := s.d.Attach(t.Context(), port, "/run/netns/gone", "eth0"); !errors.Is(err, ErrNoNamespace) {
		t.Errorf("attaching a pod that is gone: %v", err)
	}
}

// TestServices has kube-proxy's place taken by a table of its name that
// translates one service address.
func TestServices(t *testing.T) {
	w := newSmallWorld(newStage(t))
	cmd := exec.Command("nft", "-f", "-")
	cmd.Stdin = strings.NewReader(`table ip kube-proxy {
		chain services { ip daddr 172.20.0.10 tcp dport 53 dnat to 10.0.2.20:80; }
		chain prerouting { type nat hook prerouting priority dstnat; jump services; }
		chain output { type nat hook output priority -100; jump services; }
	}`)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	w.check(w.d.Start(w.p.Namespace, cmd))
	if err := cmd.Wait(); err != nil {
		t.Fatalf("nft: %v: %s", err, &stderr)
	}
	w.wantAnswer(w.a, "172.20.0.10:53", "app saw 10.0.1.10")
	w.wantAnswer(w.p.Namespace, "172.20.0.10:53", "app saw 10.0.0.1")
	w.wantError(w.a, "172.20.0.11:53", unix.EHOSTUNREACH)
	w.set(w.n)
	w.wantAnswer(w.a, "172.20.0.10:53", "app saw 10.0.1.10")
}

// TestManyAtOnce sets four networks and attaches their pods all at the same time.
func TestManyAtOnce(t *testing.T) {
	s := newStage(t)
	var plans []vpcnet.Plan
	for i := range 4 {
		n := s.network(fmt.Sprintf("vpc-%d", i))
		var err error
		n.Uplink, err = instance.Uplink(100+i, 0)
		s.check(err)
		p, err := vpcnet.Compile(n)
		s.check(err)
		plans = append(plans, p)
		for _, port := range p.Ports {
			name := "pod-" + p.Namespace + "-" + port.Interface
			s.check(createNamespace(name))
			s.Cleanup(func() { s.check(deleteNamespace(name)) })
		}
	}
	var sets, attaches errgroup.Group
	for _, p := range plans {
		sets.Go(func() error { return s.d.Set(t.Context(), p) })
		sets.Go(func() error { return s.d.Set(t.Context(), p) })
	}
	s.check(sets.Wait())
	for _, p := range plans {
		for _, port := range p.Ports {
			attaches.Go(func() error {
				_, err := s.d.Attach(t.Context(), port, namespacePath("pod-"+p.Namespace+"-"+port.Interface), "eth0")
				return err
			})
		}
		attaches.Go(func() error { return s.d.Set(t.Context(), p) })
	}
	s.check(attaches.Wait())
	for _, p := range plans {
		s.serve(p.Namespace, "pod-"+p.Namespace+"-eni-b", "10.0.2.20:80")
		s.wantAnswer("pod-"+p.Namespace+"-eni-a", "10.0.2.20:80", p.Namespace+" saw 10.0.1.10")
	}
}
