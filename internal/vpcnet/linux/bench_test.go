package linux

import (
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"berth.dev/berth/internal/vpcnet"
)

// BenchmarkConnect is a TCP connection with one answer, from a socket made in a
// namespace to the answer read. "floor" stays on the host's loopback.
func BenchmarkConnect(b *testing.B) {
	s := newStage(b)
	w := newSmallWorld(s)
	s.check(createNamespace("floor"))
	b.Cleanup(func() { s.check(deleteNamespace("floor")) })
	r, err := func() (*router, error) {
		ns, err := openNamespace("floor")
		s.check(err)
		b.Cleanup(func() { ns.Close() })
		return openRouter(ns)
	}()
	s.check(err)
	defer r.Close()
	s.check(r.setOwnLink("lo", 0, nil))
	s.serve("floor", "floor", "127.0.0.1:80")
	for _, bb := range []struct{ name, from, to string }{
		{"floor", "floor", "127.0.0.1:80"},
		{"pod-to-pod", w.a, "10.0.2.20:80"},
		{"router-to-pod", w.p.Namespace, "10.0.2.20:80"},
		{"pod-to-kubelet", w.a, "10.0.2.20:10250"},
		{"router-to-kubelet", w.p.Namespace, "10.0.2.20:10250"},
		{"pod-to-internet", w.a, internetAddress + ":80"},
	} {
		b.Run(bb.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.ask(bb.from, bb.to, 5*time.Second); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPods attaches pods, then measures what one more costs, and a Set that
// finds all as it should be.
func BenchmarkPods(b *testing.B) {
	for _, pods := range []int{10, 500} {
		b.Run(fmt.Sprint(pods), func(b *testing.B) {
			s := newStage(b)
			n := s.network("vpc-1")
			n.Interfaces, n.KubeletIPs = nil, nil
			n.Subnets[1].CIDR = netip.MustParsePrefix("10.0.16.0/20")
			for i := range pods {
				ip := netip.AddrFrom4([4]byte{10, 0, byte(17 + i/200), byte(10 + i%200)})
				n.Interfaces = append(n.Interfaces, vpcnet.Interface{
					ID: fmt.Sprintf("eni-%d", i), Kind: vpcnet.InterfacePod, IP: ip, Subnet: "private-a",
					MAC: net.HardwareAddr{2, 0, 0, 0, byte(i >> 8), byte(i)}})
				n.KubeletIPs = append(n.KubeletIPs, ip)
			}
			p := s.set(n)
			for i := range pods {
				s.pod(p, fmt.Sprintf("eni-%d", i))
			}
			last := p.Ports[len(p.Ports)-1]
			pod := "pod-" + p.Namespace + "-" + last.Interface
			b.Run("set", func(b *testing.B) {
				for b.Loop() {
					s.set(n)
				}
			})
			b.Run("attach", func(b *testing.B) {
				for b.Loop() {
					b.StopTimer()
					s.check(s.d.Detach(b.Context(), last))
					b.StartTimer()
					s.attach(p, last.Interface, pod)
				}
			})
		})
	}
}
