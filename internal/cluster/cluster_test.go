package cluster

import (
	"bytes"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/yaml"

	"berth.dev/berth/internal/store/storetest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

var epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// golden compares with a file of testdata, which ends in a newline.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	got = append(bytes.TrimRight(got, "\n"), '\n')
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got), -update rewrites it:\n%s", file, diff)
	}
}

func spec(version string) Spec {
	return Spec{
		Name: "demo", ID: "0A1B2C3D4E5F60718293A4B5C6D7E8F9", Version: version, Region: "eu-central-1",
		ServiceCIDR: netip.MustParsePrefix("10.100.0.0/16"), OIDCIssuer: "https://oidc.eks.eu-central-1.amazonaws.com/id/0A1B",
		Interfaces:   []netip.Addr{netip.MustParseAddr("10.0.1.7"), netip.MustParseAddr("10.0.2.9")},
		PublicAccess: true, PublicAccessCIDRs: []netip.Prefix{netip.MustParsePrefix("0.0.0.0/0")},
		AddOns: true, CoreDNSImage: "example.com/eks/coredns:v1",
	}
}

// plane is a control plane of which nothing runs.
func plane(t *testing.T, version string) *controlPlane {
	t.Helper()
	return &controlPlane{
		spec: spec(version), dir: "/data/clusters/0A1B", log: slog.New(slog.DiscardHandler),
		material: Material{APIServerPort: 40001, EndpointPort: 40002},
		etcd:     Etcd{Endpoints: []string{"http://127.0.0.1:2379"}},
	}
}

func TestSpec(t *testing.T) {
	for _, tt := range []struct{ name, cidr, dns, first string }{
		{"the range for VPCs of 10/8", "172.20.0.0/16", "172.20.0.10", "172.20.0.1"},
		{"the other range", "10.100.0.0/16", "10.100.0.10", "10.100.0.1"},
		{"a small range", "10.100.7.16/28", "10.100.7.26", "10.100.7.17"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := Spec{ServiceCIDR: netip.MustParsePrefix(tt.cidr)}
			if got := s.DNSAddress().String(); got != tt.dns {
				t.Errorf("DNS address = %s, want %s", got, tt.dns)
			}
			if got := s.serviceIP(1).String(); got != tt.first {
				t.Errorf("address of the kubernetes service = %s, want %s", got, tt.first)
			}
		})
	}
}

func TestManifests(t *testing.T) {
	for _, tt := range []struct {
		name, file string
		addOns     bool
	}{
		{"with the networking add-ons", "objects.yaml", true},
		{"without", "objects-bare.yaml", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := spec(KubernetesVersion)
			s.AddOns = tt.addOns
			all, err := objects(s)
			if err != nil {
				t.Fatal(err)
			}
			var text []string
			for _, u := range all {
				if plurals[u.GetKind()] == "" {
					t.Errorf("no resource is known for kind %s", u.GetKind())
				}
				b, err := yaml.Marshal(u.Object)
				if err != nil {
					t.Fatal(err)
				}
				text = append(text, string(b))
			}
			golden(t, tt.file, []byte(strings.Join(text, "---\n")))
		})
	}
}

func TestEgressConfig(t *testing.T) {
	golden(t, "egress.yaml", []byte(plane(t, KubernetesVersion).egressConfig()))
}

func TestKubeconfig(t *testing.T) {
	b, err := Kubeconfig("https://127.0.0.1:40001", []byte("CA"), Pair{Cert: []byte("CERT"), Key: []byte("KEY")})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "kubeconfig.yaml", b)
}

func TestPublicAccess(t *testing.T) {
	for _, tt := range []struct {
		name  string
		cidrs []string
		peer  net.Addr
		want  bool
	}{
		{"everyone", []string{"0.0.0.0/0"}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 4}, true},
		{"this host by everyone", []string{"0.0.0.0/0"}, &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 4}, true},
		{"within one of several", []string{"198.51.100.0/24", "192.0.2.0/30"}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 3), Port: 4}, true},
		{"just outside", []string{"198.51.100.0/24", "192.0.2.0/30"}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 4), Port: 4}, false},
		{"one address", []string{"192.0.2.4/32"}, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 4), Port: 4}, true},
		{"IPv4 in an IPv6 socket", []string{"192.0.2.0/24"}, &net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.4"), Port: 4}, true},
		{"IPv6 is not everyone's IPv4", []string{"0.0.0.0/0"}, &net.TCPAddr{IP: net.ParseIP("2001:db8::1"), Port: 4}, false},
		{"nobody", nil, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 4), Port: 4}, false},
		{"a peer without an address", []string{"0.0.0.0/0"}, &net.UnixAddr{Name: "@", Net: "unix"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := plane(t, KubernetesVersion)
			c.spec.PublicAccessCIDRs = nil
			for _, s := range tt.cidrs {
				c.spec.PublicAccessCIDRs = append(c.spec.PublicAccessCIDRs, netip.MustParsePrefix(s))
			}
			if got := c.admits(tt.peer); got != tt.want {
				t.Errorf("admits(%s) = %v, want %v", tt.peer, got, tt.want)
			}
		})
	}
}

// TestMaterialIsMadeOnce holds that a cluster keeps its identity: clients and
// nodes trust it, and tokens are signed with it.
func TestMaterialIsMadeOnce(t *testing.T) {
	records := storetest.New(t)
	manager := func() *Manager {
		return NewManager(Config{Store: records, Dir: t.TempDir(), Clock: clocktesting.NewFakePassiveClock(epoch), Log: slog.New(slog.DiscardHandler)})
	}
	first, err := manager().material(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	again, err := manager().material(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, again); diff != "" {
		t.Errorf("another server sees another identity (-first +again):\n%s", diff)
	}
	if first.APIServerPort == first.EndpointPort || first.APIServerPort == 0 || first.EndpointPort == 0 {
		t.Errorf("ports are %d and %d, want two", first.APIServerPort, first.EndpointPort)
	}
	other, err := manager().material(t.Context(), "b")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first.CA.Key, other.CA.Key) || bytes.Equal(first.ServiceAccount.Key, other.ServiceAccount.Key) {
		t.Error("two clusters share a key")
	}
	if err := manager().Remove(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	fresh, err := manager().material(t.Context(), "a")
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Equal(first.CA.Key, fresh.CA.Key) {
		t.Error("a removed cluster's key came back")
	}
}

func TestFreePorts(t *testing.T) {
	free, err := freePorts(3, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", free[1]))
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	got, err := freePorts(2, 0, map[int]bool{free[0]: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range got {
		if p == free[0] || p == free[1] || p < firstPort || p > lastPort {
			t.Errorf("ports = %v, want neither %d, which is taken, nor %d, on which somebody listens", got, free[0], free[1])
		}
	}
	if got, err := freePorts(1, lastPort-firstPort, nil); err != nil || got[0] > lastPort {
		t.Errorf("from the last port on: %v, %v; want it to begin again", got, err)
	}
	all := map[int]bool{}
	for p := firstPort; p <= lastPort; p++ {
		all[p] = true
	}
	if _, err := freePorts(1, 0, all); err == nil {
		t.Error("a port was found where all are taken")
	}
}

func TestFiles(t *testing.T) {
	c := plane(t, KubernetesVersion)
	c.dir = t.TempDir()
	var err error
	if c.material, err = newMaterial(epoch, nil); err != nil {
		t.Fatal(err)
	}
	if err := c.writeFiles(epoch); err != nil {
		t.Fatal(err)
	}
	for component, flags := range components(c) {
		for _, f := range flags {
			name, value, _ := strings.Cut(f, "=")
			if !strings.HasPrefix(value, c.dir) {
				continue
			}
			info, err := os.Stat(value)
			if err != nil {
				t.Errorf("%s %s names a file that is not written: %v", component, name, err)
				continue
			}
			if info.Mode().Perm() != 0o600 {
				t.Errorf("%s of %s has mode %v, want 0600", value, component, info.Mode().Perm())
			}
		}
	}
}
