package cluster

import (
	"bytes"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// berthKube is where the build puts the programs.
const berthKube = "../../bin/berth-kube"

// unset are the upstream flags that a component is started without, by pattern,
// and why. A flag of a new Kubernetes version that no line names fails
// TestEveryUpstreamFlagIsDecided, so that someone decides about it.
type unset struct{ pattern, reason string }

// generic are the flags that every component takes from Kubernetes' libraries.
var generic = []unset{
	{"help", "it prints the flags"},
	{"version", "it prints the version"},
	{"v", "the default verbosity is enough in the log of a child"},
	{"vmodule", "the default verbosity is enough in the log of a child"},
	{"log-*", "text on standard error, which the parent appends to a file"},
	{"logging-format", "text on standard error, which the parent appends to a file"},
	{"allow-metric-labels*", "nobody limits the labels of metrics"},
	{"disabled-metrics", "no metric is known to be harmful"},
	{"show-hidden-metrics-for-version", "hidden metrics are about to go"},
	{"contention-profiling", "profiling is off"},
	{"feature-gates", "a cluster has the gates of its version, as on EKS"},
	{"min-compatibility-version", "there is one API server a cluster, so nothing older has to be got on with"},
	{"cert-dir", "certificates are given by their paths"},
	{"disable-http2-serving", "HTTP/2 is what clients multiplex watches over"},
	{"http2-max-streams-per-connection", "the default holds"},
	{"permit-address-sharing", "a port has one listener"},
	{"permit-port-sharing", "a port has one listener"},
	{"tls-cipher-suites", "Go's defaults hold"},
	{"tls-min-version", "Go's defaults hold"},
	{"tls-curve-preferences", "Go's defaults hold"},
	{"tls-sni-cert-key", "one certificate holds every name"},
	{"requestheader-uid-headers", "the front proxy forwards no user ids; older emulated versions know none"},
}

// controllers are the flags that the controller-manager and the scheduler share.
var controllers = append([]unset{
	{"authentication-skip-lookup", "they serve nothing: --secure-port=0"},
	{"authentication-token-webhook-cache-ttl", "they serve nothing: --secure-port=0"},
	{"authentication-tolerate-lookup-failure", "they serve nothing: --secure-port=0"},
	{"authorization-always-allow-paths", "they serve nothing: --secure-port=0"},
	{"authorization-webhook-cache-*", "they serve nothing: --secure-port=0"},
	{"bind-address", "they serve nothing: --secure-port=0"},
	{"client-ca-file", "they serve nothing: --secure-port=0"},
	{"requestheader-[aceg]*", "they serve nothing: --secure-port=0"},
	{"requestheader-username-headers", "they serve nothing: --secure-port=0"},
	{"tls-*-file", "they serve nothing: --secure-port=0"},
	{"leader-elect-*", "one process a cluster is started, so none is elected"},
	{"kube-api-content-type", "protobuf is the default"},
	{"master", "the kubeconfig says where the API server is"},
}, generic...)

// undecided holds, by component, the flags that are not set.
var undecided = map[string][]unset{
	"apiserver": append([]unset{
		{"admission-control", "deprecated: --enable-admission-plugins"},
		{"admission-control-config-file", "the plugins' defaults hold"},
		{"disable-admission-plugins", "the default plugins hold, as on EKS"},
		{"aggregator-reject-forwarding-redirect", "the safe default holds"},
		{"enable-aggregator-routing", "services are reached by their cluster addresses through the VPC"},
		{"anonymous-auth", "the default lets probes and discovery of the version in, as on EKS"},
		{"apiserver-count", "the endpoints are written by Berth, not by the reconciler"},
		{"kubernetes-service-node-port", "the endpoints are written by Berth, not by the reconciler"},
		{"peer-*", "there is one API server a cluster"},
		{"external-hostname", "nothing that is served names it"},
		{"audit-*", "control plane logging is not offered yet"},
		{"authentication-config", "the token webhook is given by its own flag"},
		{"authentication-token-webhook-cache-ttl", "the default of two minutes is what aws-iam-authenticator has"},
		{"oidc-*", "identity provider configurations are not offered yet"},
		{"token-auth-file", "nobody has a static token"},
		{"enable-bootstrap-token-auth", "nodes are given certificates"},
		{"authorization-config", "the modes are given by their own flag"},
		{"authorization-policy-file", "ABAC is not used"},
		{"authorization-webhook-*", "access policies are mapped to groups; there is no authorization webhook yet"},
		{"coordinated-leadership-*", "one process a cluster is started, so none is elected"},
		{"cors-allowed-origins", "no browser calls it"},
		{"debug-socket-path", "profiling is off"},
		{"default-*-toleration-seconds", "the defaults hold, as on EKS"},
		{"default-watch-cache-size", "the default holds"},
		{"watch-cache*", "the default holds"},
		{"delete-collection-workers", "the default holds"},
		{"emulated-version", "set for clusters of an older version alone"},
		{"emulation-forward-compatible", "a cluster has the APIs of its version"},
		{"runtime-config*", "a cluster has the APIs of its version"},
		{"enable-garbage-collector", "on by default"},
		{"enable-logs-handler", "nobody reads the host's logs through the API"},
		{"enable-priority-and-fairness", "on by default"},
		{"encryption-provider-config*", "envelope encryption is not offered yet"},
		{"etcd-cafile", "set where etcd speaks TLS"},
		{"etcd-certfile", "set where etcd speaks TLS"},
		{"etcd-keyfile", "set where etcd speaks TLS"},
		{"etcd-*-interval", "the default holds"},
		{"etcd-*-period", "the default holds"},
		{"etcd-*-timeout", "the default holds"},
		{"etcd-servers-overrides", "one etcd holds all"},
		{"event-ttl", "the default of an hour is EKS's"},
		{"goaway-chance", "there is one API server a cluster"},
		{"kubelet-port", "deprecated: a node says its port"},
		{"kubelet-read-only-port", "deprecated: there is none"},
		{"kubelet-timeout", "the default holds"},
		{"lease-reuse-duration-seconds", "the default holds"},
		{"livez-grace-period", "nobody restarts it for a slow start"},
		{"max-*-inflight", "the defaults hold"},
		{"max-connection-bytes-per-sec", "the default holds"},
		{"min-request-timeout", "the default holds"},
		{"request-timeout", "the default holds"},
		{"service-account-extend-token-expiration", "the default holds, as on EKS"},
		{"service-account-jwks-uri", "the issuer's discovery document names the keys"},
		{"service-account-lookup", "on by default"},
		{"service-account-max-token-expiration", "the default holds"},
		{"service-account-signing-endpoint", "the key is given as a file"},
		{"service-node-port-range", "the default is EKS's"},
		{"shutdown-*", "a child that is told to stop has clients that try again"},
		{"storage-*", "the defaults hold: etcd3, protobuf"},
		{"strict-transport-security-directives", "no browser calls it"},
		{"tracing-config-file", "there is no collector"},
	}, generic...),
	"controller-manager": append([]unset{
		{"allow-untagged-cloud", "there is no cloud provider"},
		{"cloud-*", "there is no cloud provider"},
		{"configure-cloud-routes", "there is no cloud provider"},
		{"external-cloud-volume-plugin", "there is no cloud provider"},
		{"node-sync-period", "there is no cloud provider"},
		{"route-reconciliation-period", "there is no cloud provider"},
		{"attach-detach-reconcile-sync-period", "the default holds"},
		{"disable-attach-detach-reconcile-sync", "the default holds"},
		{"disable-force-detach-on-timeout", "the default holds"},
		{"cidr-allocator-type", "nodes have no pod ranges: pods have addresses of the VPC"},
		{"cluster-cidr", "nodes have no pod ranges: pods have addresses of the VPC"},
		{"node-cidr-mask-size*", "nodes have no pod ranges: pods have addresses of the VPC"},
		{"service-cluster-ip-range", "it keeps pod ranges off the services', and there are none"},
		{"cluster-signing-duration", "the default of a year holds"},
		{"cluster-signing-kube*", "one authority signs for every signer"},
		{"cluster-signing-legacy-*", "one authority signs for every signer"},
		{"concurrent*", "the default numbers of workers hold"},
		{"mirroring-*", "the defaults hold"},
		{"controller-*", "the defaults hold"},
		{"controllers", "all that are on by default, as on EKS"},
		{"emulated-version", "set for clusters of an older version alone"},
		{"enable-dynamic-provisioning", "on by default"},
		{"enable-garbage-collector", "on by default"},
		{"enable-hostpath-provisioner", "off by default"},
		{"enable-leader-migration", "one process a cluster is started, so none is elected"},
		{"leader-migration-config", "one process a cluster is started, so none is elected"},
		{"endpoint*-updates-batch-period", "the defaults hold"},
		{"flex-volume-plugin-dir", "nodes have no FlexVolume plugins"},
		{"horizontal-pod-autoscaler-*", "the defaults hold, as on EKS"},
		{"large-cluster-size-threshold", "the default holds"},
		{"legacy-service-account-token-clean-up-period", "the default holds"},
		{"max-endpoints-per-slice", "the default holds"},
		{"min-resync-period", "the default holds"},
		{"namespace-sync-period", "the default holds"},
		{"node-monitor-*", "the defaults are EKS's"},
		{"node-startup-grace-period", "the default is EKS's"},
		{"*node-eviction-rate", "the defaults are EKS's"},
		{"unhealthy-zone-threshold", "the defaults are EKS's"},
		{"pv*", "the defaults hold"},
		{"resource-quota-sync-period", "the default holds"},
		{"terminated-pod-gc-threshold", "the default is EKS's"},
	}, controllers...),
	"scheduler": append([]unset{
		{"kube-api-qps", "the default rates hold"},
		{"kube-api-burst", "the default rates hold"},
		{"config", "the default profile schedules what is not Fargate's"},
		{"write-config-to", "it prints the configuration"},
		{"pod-max-in-unschedulable-pods-duration", "the default holds"},
		{"emulated-version", "set for clusters of an older version alone"},
	}, controllers...),
}

// set are the names of the flags that a component is started with.
func set(flags []string) map[string]bool {
	names := map[string]bool{}
	for _, f := range flags {
		name, _, _ := strings.Cut(strings.TrimPrefix(f, "--"), "=")
		names[name] = true
	}
	return names
}

func components(c *controlPlane) map[string][]string {
	return map[string][]string{
		"apiserver": c.apiServerFlags(), "controller-manager": c.controllerManagerFlags(), "scheduler": c.schedulerFlags(),
	}
}

func upstream(t *testing.T, component string) []string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", "flags-"+component+".txt"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.Fields(string(b))
}

// TestEveryUpstreamFlagIsDecided fails when Kubernetes has a flag that is neither
// set nor left alone for a reason, and when the table names one that is gone.
func TestEveryUpstreamFlagIsDecided(t *testing.T) {
	for component, flags := range components(plane(t, KubernetesVersion)) {
		t.Run(component, func(t *testing.T) {
			names := set(flags)
			used := map[string]bool{}
			for _, name := range upstream(t, component) {
				matches := matching(t, undecided[component], name)
				switch {
				case names[name] && len(matches) > 0:
					t.Errorf("--%s is set, and the table says why it is not: %s", name, matches)
				case !names[name] && len(matches) == 0:
					t.Errorf("--%s of upstream is neither set nor in the table: decide about it", name)
				case len(matches) > 1:
					t.Errorf("--%s is in the table more than once: %s", name, matches)
				}
				for _, m := range matches {
					used[m] = true
				}
			}
			for _, u := range undecided[component] {
				if !used[u.pattern] {
					t.Errorf("the table has %s, which upstream no longer has", u.pattern)
				}
				if u.reason == "" {
					t.Errorf("the table gives no reason for %s", u.pattern)
				}
			}
		})
	}
}

func matching(t *testing.T, table []unset, name string) []string {
	t.Helper()
	var found []string
	for _, u := range table {
		ok, err := path.Match(u.pattern, name)
		if err != nil {
			t.Fatalf("pattern %s: %v", u.pattern, err)
		}
		if ok && !slices.Contains(found, u.pattern) {
			found = append(found, u.pattern)
		}
	}
	return found
}

// TestFlagsExist fails when a flag is passed that upstream does not have, also by
// emulation and with an etcd that speaks TLS.
func TestFlagsExist(t *testing.T) {
	c := plane(t, "1.34")
	c.etcd = Etcd{Endpoints: []string{"https://127.0.0.1:2379"}, CAFile: "ca", CertFile: "crt", KeyFile: "key"}
	for component, flags := range components(c) {
		t.Run(component, func(t *testing.T) {
			known := upstream(t, component)
			for name := range set(flags) {
				if !slices.Contains(known, name) {
					t.Errorf("--%s is passed, and upstream has no such flag", name)
				}
			}
		})
	}
}

// TestGoldenFlagsAreThoseOfTheBuild compares with the binary, where there is one.
func TestGoldenFlagsAreThoseOfTheBuild(t *testing.T) {
	if _, err := os.Stat(berthKube); err != nil {
		t.Skipf("berth-kube is not built (make bin/berth-kube): %v", err)
	}
	for component := range undecided {
		t.Run(component, func(t *testing.T) {
			out, err := exec.Command(berthKube, "flags", component).Output()
			if err != nil {
				t.Fatalf("asking berth-kube for the flags of %s: %v", component, err)
			}
			golden(t, "flags-"+component+".txt", bytes.TrimSpace(out))
		})
	}
}

func TestEmulation(t *testing.T) {
	for _, tt := range []struct {
		name, version string
		want          []string
	}{
		{"the version of the code", "1.36", nil},
		{"one before", "1.35", []string{"--emulated-version=1.35"}},
		{"two before", "1.34", []string{"--emulated-version=1.34"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for component, flags := range components(plane(t, tt.version)) {
				var got []string
				for _, f := range flags {
					if strings.HasPrefix(f, "--emulated-version") {
						got = append(got, f)
					}
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("%s (-want +got):\n%s", component, diff)
				}
			}
		})
	}
}

func TestCommandLines(t *testing.T) {
	c := plane(t, "1.35")
	c.etcd = Etcd{Endpoints: []string{"https://a:2379", "https://b:2379"}, CAFile: "/etcd/ca.crt", CertFile: "/etcd/client.crt", KeyFile: "/etcd/client.key"}
	for component, flags := range components(c) {
		t.Run(component, func(t *testing.T) {
			golden(t, "command-"+component+".txt", []byte(strings.Join(flags, "\n")))
		})
	}
}
