package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/vishvananda/netlink"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"berth.dev/berth/internal/vpcnet"
	"berth.dev/berth/internal/vpcnet/dns"
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

func TestSetHeals(t *testing.T) {
	w := newSmallWorld(newStage(t))
	port, _ := w.p.Port("eni-b")
	tool := func(namespace, name string, args ...string) func(*testing.T) {
		return func(t *testing.T) {
			t.Helper()
			cmd := exec.Command(name, args...)
			err := w.d.Start(namespace, cmd)
			if errors.Is(err, exec.ErrNotFound) {
				t.Skipf("skipped: %s is missing (Debian package iproute2)", name)
			}
			if err == nil {
				err = cmd.Wait()
			}
			if err != nil {
				t.Fatalf("%v: %v", cmd.Args, err)
			}
		}
	}
	router := func(args ...string) func(*testing.T) { return tool(w.p.Namespace, "ip", args...) }
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
		{"nft lost", tool(w.p.Namespace, "nft", "flush", "ruleset")},
		{"nft changed", tool(w.p.Namespace, "nft", "flush", "chain", "ip", "berth", "postrouting")},
		{"forwarding off", tool(w.p.Namespace, "sysctl", "-qw", "net.ipv4.ip_forward=0")},
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

func TestTransitConflict(t *testing.T) {
	s := newStage(t)
	n := s.network("vpc-1")
	s.set(n)
	other := n
	other.Instance, other.ID = "berth-07e5", "vpc-9"
	other.Namespace = other.Instance.Namespace(other.ID)
	other.Uplink, _ = other.Instance.Uplink(n.Uplink.Index, 0)
	p, err := vpcnet.Compile(other)
	s.check(err)
	var conflict *TransitConflictError
	if err := s.d.Set(t.Context(), p); !errors.As(err, &conflict) || conflict.Link != n.Uplink.HostLink {
		t.Errorf("a second use of the transit addresses: %v", err)
	}
	s.check(s.d.CleanUp(t.Context(), other.Instance))
}

func TestCleanUp(t *testing.T) {
	s := newStage(t)
	s.check(os.MkdirAll(namespaceDir, 0o755))
	before := s.hostState()
	one, two := s.set(s.network("vpc-1")), s.set(s.network("vpc-2"))
	for _, p := range []vpcnet.Plan{one, two} {
		pod := s.pod(p, "eni-a")
		defer func() { s.check(deleteNamespace(pod)) }()
	}
	inv, err := s.d.Inventory(t.Context(), instance)
	s.check(err)
	want := Inventory{
		Namespaces: []string{one.Namespace, two.Namespace}, Links: []string{one.Host.Link, two.Host.Link},
		Tables: []string{"berth-7e57"}, Sysctls: []string{"net.ipv4.ip_forward"},
	}
	if diff := cmp.Diff(want, inv); diff != "" {
		t.Errorf("inventory (-want +got):\n%s", diff)
	}
	fresh, err := New(Options{}) // knows nothing of what was set
	s.check(err)
	for range 2 {
		s.check(fresh.CleanUp(t.Context(), instance))
	}
	inv, err = fresh.Inventory(t.Context(), instance)
	s.check(err)
	if diff := cmp.Diff(Inventory{}, inv); diff != "" {
		t.Errorf("left behind:\n%s", diff)
	}
	for _, p := range []vpcnet.Plan{one, two} {
		s.check(deleteNamespace("pod-" + p.Namespace + "-eni-a"))
	}
	if diff := cmp.Diff(before, s.hostState()); diff != "" {
		t.Errorf("CleanUp left the host changed:\n%s", diff)
	}
}

// TestHostSettingsAreShared has two instances; the first to leave must not take
// forwarding away from the other.
func TestHostSettingsAreShared(t *testing.T) {
	s := newStage(t)
	forwarding := func(want string) {
		t.Helper()
		if got, err := readSysctl("net.ipv4.ip_forward"); got != want {
			t.Errorf("ip_forward is %s, %v; want %s", got, err, want)
		}
	}
	forwarding("0")
	other := vpcnet.Instance("berth-07e5")
	list := []vpcnet.Sysctl{{Name: "net.ipv4.ip_forward", Value: "1"}}
	s.check(s.d.setHostSysctls(instance, list))
	s.check(s.d.setHostSysctls(other, list))
	s.check(s.d.CleanUp(t.Context(), instance))
	forwarding("1")
	s.check(s.d.CleanUp(t.Context(), other))
	forwarding("0")
}

func TestDeleteLeavesOthersAlone(t *testing.T) {
	s := newStage(t)
	one, two := s.set(s.network("vpc-1")), s.set(s.network("vpc-2"))
	a, b := s.pod(two, "eni-a"), s.pod(two, "eni-b")
	s.serve("app", b, "10.0.2.20:80")
	for range 2 {
		s.check(s.d.Delete(t.Context(), one.Namespace))
	}
	inv, err := s.d.Inventory(t.Context(), instance)
	s.check(err)
	if len(inv.Namespaces) != 1 || len(inv.Links) != 1 {
		t.Errorf("after deleting one of two: %v", inv)
	}
	s.wantAnswer(a, "10.0.2.20:80", "app saw 10.0.1.10")
	s.set(s.network("vpc-1"))
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

func TestResolverInsideTheNamespace(t *testing.T) {
	s := newStage(t)
	p := s.set(s.network("vpc-1"))
	a := s.pod(p, "eni-a")
	packets, err := s.d.ListenPacket(t.Context(), p.Namespace, "udp", "10.0.0.2:53")
	s.check(err)
	streams, err := s.d.Listen(t.Context(), p.Namespace, "tcp", "10.0.0.2:53")
	s.check(err)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	r := dns.New(dns.Config{Region: "eu-west-1", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}, Hostnames: true})
	go func() { done <- r.Serve(ctx, packets, streams) }()
	for _, network := range []string{"udp", "tcp"} {
		resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return s.d.Dial(ctx, a, network, "10.0.0.2:53")
		}}
		got, err := resolver.LookupHost(t.Context(), "ip-10-0-2-20.eu-west-1.compute.internal.")
		if diff := cmp.Diff([]string{"10.0.2.20"}, got); diff != "" || err != nil {
			t.Errorf("asking by %s: %v\n%s", network, err, diff)
		}
	}
	cancel()
	s.check(<-done)
}

// TestManyDials would leave threads in other namespaces if they were not taken
// home.
func TestManyDials(t *testing.T) {
	w := newSmallWorld(newStage(t))
	var g errgroup.Group
	g.SetLimit(16)
	for i := range 400 {
		from := []string{w.a, w.b, w.p.Namespace, w.lonely}[i%4]
		g.Go(func() error {
			_, err := w.ask(from, "10.0.2.20:80", 5*time.Second)
			return err
		})
	}
	w.check(g.Wait())
	home, err := os.Stat("/proc/self/ns/net")
	w.check(err)
	tasks, err := filepath.Glob("/proc/self/task/*/ns/net")
	w.check(err)
	for _, task := range tasks {
		if st, err := os.Stat(task); err == nil && !os.SameFile(home, st) {
			t.Errorf("thread %s is away from home", task)
		}
	}
}

func TestDialRefusesNames(t *testing.T) {
	s := newStage(t)
	if _, err := s.d.Dial(t.Context(), "internet", "tcp", "localhost:80"); !errors.Is(err, ErrNotLiteral) {
		t.Errorf("dialing a name: %v", err)
	}
	if _, err := s.d.Dial(t.Context(), "gone", "tcp", "127.0.0.1:80"); !errors.Is(err, ErrNoNamespace) {
		t.Errorf("dialing in no namespace: %v", err)
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

func TestStartKeepsMounts(t *testing.T) {
	s := newStage(t)
	p := s.set(s.network("vpc-1"))
	cmd := exec.Command("sh", "-c", "readlink /proc/self/ns/net /proc/self/ns/mnt")
	var out strings.Builder
	cmd.Stdout = &out
	s.check(s.d.Start(p.Namespace, cmd))
	s.check(cmd.Wait())
	info, err := os.Stat(namespacePath(p.Namespace))
	s.check(err)
	mnt, err := os.Readlink("/proc/self/ns/mnt")
	s.check(err)
	want := fmt.Sprintf("net:[%d]\n%s\n", info.Sys().(*syscall.Stat_t).Ino, mnt)
	if out.String() != want {
		t.Errorf("the child is in %q, want %q", out.String(), want)
	}
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
