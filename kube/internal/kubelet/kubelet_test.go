package kubelet

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "k8s.io/api/core/v1"
	cloudproviderapi "k8s.io/cloud-provider/api"

	"berth.dev/berth/dataplane"
)

func TestInitialised(t *testing.T) {
	given := &v1.Node{
		Spec: v1.NodeSpec{Taints: []v1.Taint{
			{Key: "eks.amazonaws.com/compute-type", Value: "fargate", Effect: v1.TaintEffectNoSchedule},
			{Key: cloudproviderapi.TaintExternalCloudProvider, Value: "true", Effect: v1.TaintEffectNoSchedule},
		}},
		Status: v1.NodeStatus{Addresses: []v1.NodeAddress{{Type: v1.NodeHostName, Address: "ip-10-0-0-1.internal"}}},
	}
	got := initialised(given, dataplane.Node{Name: "fargate-ip-10-0-0-1.internal", Hostname: "ip-10-0-0-1.internal", IP: "10.0.0.1"})
	wantAddresses := []v1.NodeAddress{
		{Type: v1.NodeInternalIP, Address: "10.0.0.1"},
		{Type: v1.NodeInternalDNS, Address: "ip-10-0-0-1.internal"},
		{Type: v1.NodeHostName, Address: "ip-10-0-0-1.internal"},
	}
	if diff := cmp.Diff(wantAddresses, got.Status.Addresses); diff != "" {
		t.Errorf("addresses (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(given.Spec.Taints[:1], got.Spec.Taints); diff != "" {
		t.Errorf("taints (-want +got):\n%s", diff)
	}
	if len(given.Spec.Taints) != 2 {
		t.Error("the caller's node changed")
	}
}

func TestMountPoints(t *testing.T) {
	const mountinfo = `22 1 0:1 / /proc rw - proc proc rw
30 1 0:2 / /var/nodes/a/pods/1/v rw - tmpfs tmpfs rw
31 1 0:3 / /var/nodes/ab/v rw - tmpfs tmpfs rw
32 1 0:4 / /var/nodes/a/with\040space rw - tmpfs tmpfs rw
short line
`
	got, err := mountPoints(strings.NewReader(mountinfo), "/var/nodes/a")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"/var/nodes/a/pods/1/v", "/var/nodes/a/with space"}, got); diff != "" {
		t.Errorf("mountPoints (-want +got):\n%s", diff)
	}
}

func FuzzMountPoints(f *testing.F) {
	f.Add(`1 2 0:1 / /a\040b rw`)
	f.Fuzz(func(t *testing.T, text string) {
		points, err := mountPoints(strings.NewReader(text), "/a")
		for _, point := range points {
			if err == nil && !strings.HasPrefix(point, "/a") {
				t.Errorf("%q is not below /a", point)
			}
		}
	})
}

func TestMachineID(t *testing.T) {
	tests := []struct{ name, provider, want string }{
		{
			name:     "fargate",
			provider: "aws:///eu-central-1b/7b1974769e-0d7cb3f0582c4079908372a2c1d80b16/fargate-ip-10-0-0-1.internal",
			want:     "0D7CB3F0-582C-4079-9083-72A2C1D80B16",
		},
		{name: "instance", provider: "aws:///eu-central-1b/i-0123456789abcdef0"},
		{name: "empty"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			if got := machineID(test.provider); got != test.want {
				t.Errorf("machineID(%q) = %q, want %q", test.provider, got, test.want)
			}
		})
	}
}

func TestConfiguration(t *testing.T) {
	config := dataplane.Config{ClusterDNS: []string{"172.20.0.10"}, ClusterDomain: "cluster.local", ResolverConfig: "/r"}
	got, err := configuration(config, dataplane.Node{IP: "10.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	if got.Authentication.Anonymous.Enabled || !got.Authentication.Webhook.Enabled || got.Authorization.Mode != "Webhook" {
		t.Errorf("authentication %+v, authorization %+v: anyone may ask", got.Authentication, got.Authorization)
	}
	if got.ReadOnlyPort != 0 || got.HealthzPort != 0 || got.EnableSystemLogHandler || got.EnableProfilingHandler {
		t.Error("an endpoint that shows the host is open")
	}
	if got.ImageGCHighThresholdPercent != 100 || len(got.EvictionHard) != 0 || got.MaxPods != 1 {
		t.Errorf("image collection at %d%%, eviction at %v, %d pods", got.ImageGCHighThresholdPercent, got.EvictionHard, got.MaxPods)
	}
}
