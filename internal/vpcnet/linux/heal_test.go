package linux

import (
	"errors"
	"os"
	"os/exec"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"

	"berth.dev/berth/internal/vpcnet"
)

// smallWorld is a VPC with two pods that are served, and what must hold of it.
type smallWorld struct {
	*stage
	n      vpcnet.Network
	p      vpcnet.Plan
	a, b   string
	lonely string
}

func newSmallWorld(s *stage) *smallWorld {
	s.Helper()
	w := &smallWorld{stage: s, n: s.network("vpc-1")}
	w.p = s.set(w.n)
	w.a, w.b, w.lonely = s.pod(w.p, "eni-a"), s.pod(w.p, "eni-b"), s.pod(w.p, "eni-i")
	s.serve("app", w.b, "10.0.2.20:80")
	s.serve("kubelet-b", w.p.Namespace, "10.0.2.20:10250")
	s.serve("internet", "internet", internetAddress+":80")
	return w
}

// in is the same world, reporting to a subtest.
func (w *smallWorld) in(t *testing.T) *smallWorld {
	stage, world := *w.stage, *w
	stage.TB = t
	world.stage = &stage
	return &world
}

func (w *smallWorld) wantWorking() {
	w.Helper()
	w.wantAnswer(w.a, "10.0.2.20:80", "app saw 10.0.1.10")
	w.wantAnswer(w.p.Namespace, "10.0.2.20:80", "app saw 10.0.0.1")
	w.wantAnswer(w.a, "10.0.2.20:10250", "kubelet-b saw 10.0.1.10")
	w.wantAnswer(w.p.Namespace, "10.0.2.20:10250", "kubelet-b saw 10.0.0.1")
	w.wantAnswer(w.a, internetAddress+":80", "internet saw 203.0.113.1")
	w.wantTimeout(w.lonely, internetAddress+":80")
}

func TestSetTwiceChangesNothing(t *testing.T) {
	w := newSmallWorld(newStage(t))
	host := w.hostState()
	if n := w.changesIn(w.p.Namespace, func() { w.set(w.n) }); n != 0 {
		t.Errorf("the second Set made %d changes in the namespace", n)
	}
	if diff := cmp.Diff(host, w.hostState()); diff != "" {
		t.Errorf("the second Set changed the host:\n%s", diff)
	}
	if n := w.changesIn(w.p.Namespace, func() { w.attach(w.p, "eni-a", w.a) }); n != 0 {
		t.Errorf("the second Attach made %d changes in the namespace", n)
	}
	if n := w.changesIn(w.a, func() { w.attach(w.p, "eni-a", w.a) }); n != 0 {
		t.Errorf("the second Attach made %d changes in the pod", n)
	}
	w.wantWorking()
}

// tool is a step that runs a program in a namespace.
func (w *smallWorld) tool(namespace, name string, args ...string) func(*testing.T) {
	return func(t *testing.T) {
		t.Helper()
		cmd := exec.Command(name, args...)
		err := w.d.Start(namespace, cmd)
		if errors.Is(err, exec.ErrNotFound) {
			t.Skipf("skipped: %s is missing (Debian packages iproute2, procps)", name)
		}
		if err == nil {
			err = cmd.Wait()
		}
		if err != nil {
			t.Fatalf("%v: %v", cmd.Args, err)
		}
	}
}

func TestSetHeals(t *testing.T) {
	w := newSmallWorld(newStage(t))
	port, _ := w.p.Port("eni-b")
	router := func(args ...string) func(*testing.T) { return w.tool(w.p.Namespace, "ip", args...) }
	for _, tt := range []struct {
		name   string
		damage func(*testing.T)
	}{
		{"kubelet rule lost", router("rule", "del", "pref", "10")},
		{"all rules lost", router("rule", "flush")},
		{"foreign rule", router("rule", "add", "pref", "5", "blackhole")},
		{"local rule back", router("rule", "add", "pref", "0", "lookup", "local")},
		{"kubelet route lost", router("route", "del", "table", "local", "local", "10.0.2.20")},
		{"pod routes lost", router("route", "flush", "table", "100")},
		{"main routes lost", router("route", "flush", "table", "main")},
		{"route to the wrong place", router("route", "replace", "default", "dev", "lo")},
		{"router's address lost", router("addr", "del", "10.0.0.1/32", "dev", "lo")},
		{"foreign address", router("addr", "add", "10.0.1.10/32", "dev", "lo")},
		{"gateway address lost", router("addr", "del", "169.254.1.1/32", "dev", port.Link)},
		{"port down", router("link", "set", port.Link, "down")},
		{"lo down", router("link", "set", "lo", "down")},
		{"uplink down", router("link", "set", "uplink", "down")},
		{"uplink lost", router("link", "del", "uplink")},
		{"nft lost", w.tool(w.p.Namespace, "nft", "flush", "ruleset")},
		{"nft changed", w.tool(w.p.Namespace, "nft", "flush", "chain", "ip", "berth", "postrouting")},
		{"forwarding off", w.tool(w.p.Namespace, "sysctl", "-qw", "net.ipv4.ip_forward=0")},
		{"host table lost", func(t *testing.T) {
			if err := w.d.deleteTable(t.Context(), w.p.Host.Table); err != nil {
				t.Fatal(err)
			}
		}},
		{"host forwarding off", func(t *testing.T) {
			if err := os.WriteFile("/proc/sys/net/ipv4/ip_forward", []byte("0"), 0); err != nil {
				t.Fatal(err)
			}
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := w.in(t)
			tt.damage(t)
			w.set(w.n)
			w.wantWorking()
		})
	}
}

func TestUnfinishedNamespaceHeals(t *testing.T) {
	s := newStage(t)
	n := s.network("vpc-1")
	s.check(os.MkdirAll(namespaceDir, 0o755))
	s.check(os.WriteFile(namespacePath(n.Namespace), nil, 0o444))
	if _, err := s.d.Dial(t.Context(), n.Namespace, "tcp", "10.0.0.2:53"); !errors.Is(err, ErrNoNamespace) {
		t.Errorf("dialing in an unfinished namespace: %v", err)
	}
	p := s.set(n)
	a := s.pod(p, "eni-a")
	s.serve("resolver", p.Namespace, "10.0.0.2:53")
	s.wantAnswer(a, "10.0.0.2:53", "resolver saw 10.0.1.10")
}

// TestSandboxKeepsItsAddress is about sandboxes with a network stack of their
// own: they take the address off the link, and nobody may put it back.
func TestSandboxKeepsItsAddress(t *testing.T) {
	w := newSmallWorld(newStage(t))
	ns, err := openNamespace(w.a)
	w.check(err)
	defer ns.Close()
	pod, err := openRouter(ns)
	w.check(err)
	defer pod.Close()
	l, err := pod.LinkByName("eth0")
	w.check(err)
	w.check(setAddresses(pod.Handle, l, nil))
	w.attach(w.p, "eni-a", w.a)
	w.set(w.n)
	addrs, err := pod.AddrList(l, netlink.FAMILY_V4)
	if err != nil || len(addrs) != 0 {
		t.Errorf("the pod's link has the addresses %v, %v", addrs, err)
	}
}
