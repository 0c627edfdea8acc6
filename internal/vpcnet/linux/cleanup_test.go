package linux

import (
	"errors"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/internal/vpcnet"
)

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
