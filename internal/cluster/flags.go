package cluster

import (
	"fmt"
	"strings"
)

// KubernetesVersion is the minor version whose code runs; older ones are served
// through upstream's emulation.
const KubernetesVersion = "1.36"

// apiServerFlags are the flags that the API server is started with. Every
// upstream flag that is not among them stands with its reason in the table of
// flags_test.go.
func (c *controlPlane) apiServerFlags() []string {
	flags := []string{
		"--bind-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", c.material.APIServerPort),
		"--advertise-address=" + c.spec.Interfaces[0].String(),
		"--endpoint-reconciler-type=none",
		"--service-cluster-ip-range=" + c.spec.ServiceCIDR.String(),
		"--allow-privileged=true",
		"--profiling=false",

		"--etcd-servers=" + strings.Join(c.etcd.Endpoints, ","),
		"--etcd-prefix=/clusters/" + c.spec.ID,

		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--client-ca-file=" + c.path("pki/ca.crt"),
		"--tls-cert-file=" + c.path("pki/apiserver.crt"),
		"--tls-private-key-file=" + c.path("pki/apiserver.key"),
		"--authentication-token-webhook-config-file=" + c.path("authenticator.kubeconfig"),
		"--authentication-token-webhook-version=v1",

		"--kubelet-certificate-authority=" + c.path("pki/ca.crt"),
		"--kubelet-client-certificate=" + c.path("pki/apiserver-kubelet-client.crt"),
		"--kubelet-client-key=" + c.path("pki/apiserver-kubelet-client.key"),
		"--kubelet-preferred-address-types=InternalIP",
		"--egress-selector-config-file=" + c.path("egress.yaml"),

		"--proxy-client-cert-file=" + c.path("pki/front-proxy-client.crt"),
		"--proxy-client-key-file=" + c.path("pki/front-proxy-client.key"),
		"--requestheader-client-ca-file=" + c.path("pki/front-proxy-ca.crt"),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",

		"--service-account-issuer=" + c.spec.OIDCIssuer,
		"--service-account-key-file=" + c.path("pki/sa.crt"),
		"--service-account-signing-key-file=" + c.path("pki/sa.key"),
		"--api-audiences=https://kubernetes.default.svc",
	}
	if c.etcd.CAFile != "" {
		flags = append(flags, "--etcd-cafile="+c.etcd.CAFile, "--etcd-certfile="+c.etcd.CertFile, "--etcd-keyfile="+c.etcd.KeyFile)
	}
	return append(flags, c.emulation()...)
}

func (c *controlPlane) controllerManagerFlags() []string {
	return append([]string{
		"--kubeconfig=" + c.path("controller-manager.kubeconfig"),
		"--authentication-kubeconfig=" + c.path("controller-manager.kubeconfig"),
		"--authorization-kubeconfig=" + c.path("controller-manager.kubeconfig"),
		"--secure-port=0",
		"--leader-elect=false",
		"--profiling=false",
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + c.path("pki/sa.key"),
		"--root-ca-file=" + c.path("pki/ca.crt"),
		"--cluster-signing-cert-file=" + c.path("pki/ca.crt"),
		"--cluster-signing-key-file=" + c.path("pki/ca.key"),
		"--cluster-name=" + c.spec.Name,
		"--allocate-node-cidrs=false",
		// Each controller makes a service account and a token for itself when a
		// cluster is new; upstream's 20 requests a second take seconds for it.
		"--kube-api-qps=500",
		"--kube-api-burst=1000",
	}, c.emulation()...)
}

func (c *controlPlane) schedulerFlags() []string {
	return append([]string{
		"--kubeconfig=" + c.path("scheduler.kubeconfig"),
		"--authentication-kubeconfig=" + c.path("scheduler.kubeconfig"),
		"--authorization-kubeconfig=" + c.path("scheduler.kubeconfig"),
		"--secure-port=0",
		"--leader-elect=false",
		"--profiling=false",
	}, c.emulation()...)
}

// emulation asks upstream to behave as an older minor version.
func (c *controlPlane) emulation() []string {
	if c.spec.Version == KubernetesVersion {
		return nil
	}
	return []string{"--emulated-version=" + c.spec.Version}
}
