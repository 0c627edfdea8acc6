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
	"golang.org/x/sync/errgroup"

	"berth.dev/berth/internal/vpcnet/dns"
)

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
