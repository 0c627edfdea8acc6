// Package dataplane is the protocol between an agent and the dataplane child
// that runs a cluster's kubelets on its host.
//
// It is a module of its own, with the standard library as its only dependency,
// because both sides import it and neither may import the other: the agent
// lives in the main module, the child in kube/, which links Kubernetes.
//
// The agent owns the intent. A dataplane keeps nothing on disk about which
// nodes it runs: after a restart the agent puts every node again, and each
// kubelet adopts the containers that it finds under its node's label.
package dataplane

import "time"

// ReadyLine is what a dataplane prints on standard output, alone on a line,
// once its control socket answers.
const ReadyLine = "dataplane ready"

// Runtime names what executes the pods of a dataplane.
type Runtime string

const (
	// GVisor runs each pod in a gVisor sandbox with a kernel of its own.
	GVisor Runtime = "gvisor"
	// Runc runs each pod as plain containers on the host's kernel.
	Runc Runtime = "runc"
	// Hollow runs no container: pods are Running, but execute nothing.
	Hollow Runtime = "hollow"
)

// Handler is the name of the runtime handler under which containerd must know
// the runtime, and which sandboxes of pods without a runtime class get. It is
// empty for Hollow.
func (r Runtime) Handler() string {
	switch r {
	case GVisor:
		return "runsc"
	case Runc:
		return "runc"
	}
	return ""
}

// Config is the file that a dataplane child is started with (--config, JSON,
// unknown fields refused).
type Config struct {
	// Cluster is the name of the EKS cluster.
	Cluster string `json:"cluster"`
	// Socket is the path of the Unix socket that serves the protocol.
	Socket string `json:"socket"`
	// StateDir holds one kubelet root directory per node: StateDir/<node name>.
	StateDir string `json:"stateDir"`
	// PodLogsDir holds the container logs, as the kubelet lays them out.
	PodLogsDir string `json:"podLogsDir"`
	// Runtime is what executes pods.
	Runtime Runtime `json:"runtime"`
	// RuntimeEndpoint is containerd's CRI socket, unix:///…; unused when Runtime is Hollow.
	RuntimeEndpoint string `json:"runtimeEndpoint,omitempty"`
	// CgroupParent is the cgroup under which every node's pods live, for
	// example /berth-1f3a/demo. It is created when it is absent.
	CgroupParent string `json:"cgroupParent"`
	// APIServer is the https URL of the cluster's API server as this process reaches it.
	APIServer string `json:"apiServer"`
	// CAData is the PEM of the cluster's certificate authority: it signs the
	// API server, and the clients that a kubelet admits.
	CAData []byte `json:"caData"`
	// ClusterDNS and ClusterDomain configure the pods' resolvers.
	ClusterDNS    []string `json:"clusterDNS"`
	ClusterDomain string   `json:"clusterDomain"`
	// ResolverConfig is the resolv.conf of a node: what dnsPolicy Default uses.
	ResolverConfig string `json:"resolverConfig"`
	// HostNetwork is set where no network namespace could be made: kubelets
	// listen on a loopback port each instead of on their node's address.
	HostNetwork bool `json:"hostNetwork,omitempty"`
	// Proxy configures the cluster's kube-proxy in this process's network
	// namespace; nil runs none.
	Proxy *Proxy `json:"proxy,omitempty"`
}

// Proxy configures kube-proxy.
type Proxy struct {
	// ClusterCIDRs are the address ranges of the pods: the VPC's CIDRs.
	ClusterCIDRs []string `json:"clusterCIDRs"`
	// NodeIP is the address that stands for this router among node addresses.
	NodeIP string `json:"nodeIP"`
	// CertData and KeyData (PEM) identify it to the API server as system:kube-proxy.
	CertData []byte `json:"certData"`
	KeyData  []byte `json:"keyData"`
}

// Taint is a Kubernetes taint that a node registers with.
type Taint struct {
	Key    string `json:"key"`
	Value  string `json:"value,omitempty"`
	Effect string `json:"effect"`
}

// Node is one kubelet's node. Two Nodes with the same name describe the same
// node; putting a different description under a name is a conflict.
type Node struct {
	// Name is the Kubernetes node name, fargate-ip-10-0-96-58.<region>.compute.internal.
	Name string `json:"name"`
	// Hostname is the address of type Hostname and the kubernetes.io/hostname label.
	Hostname string `json:"hostname"`
	// IP is the node's only address, which its pod shares.
	IP string `json:"ip"`
	// ProviderID is spec.providerID, aws:///<zone>/…
	ProviderID string            `json:"providerID"`
	Labels     map[string]string `json:"labels,omitempty"`
	Taints     []Taint           `json:"taints,omitempty"`
	// MaxPods is the number of pods that the node admits; 1 on Fargate.
	MaxPods int32 `json:"maxPods"`
	// Size is what the pod is billed for, and what its cgroup enforces.
	Size Size `json:"size"`
	// Capacity is what the node reports.
	Capacity Size `json:"capacity"`
	// ClientCert and ClientKey (PEM) identify the kubelet as system:node:<Name>.
	ClientCert []byte `json:"clientCert"`
	ClientKey  []byte `json:"clientKey"`
	// ServingCert and ServingKey (PEM) are the kubelet's own for :10250, with IP as a SAN.
	ServingCert []byte `json:"servingCert"`
	ServingKey  []byte `json:"servingKey"`
}

// Size is an amount of compute. Zero means unlimited.
type Size struct {
	MilliCPU       int64 `json:"milliCPU"`
	MemoryBytes    int64 `json:"memoryBytes"`
	EphemeralBytes int64 `json:"ephemeralBytes"`
}

// NodeStatus is what a dataplane observes of a node that it runs.
type NodeStatus struct {
	Name string `json:"name"`
	// Phase is Starting until the kubelet has registered its node, then
	// Running; Stopping while it is being removed; Failed with a Reason.
	Phase  Phase  `json:"phase"`
	Reason string `json:"reason,omitempty"`
	// KubeletAddress is host:port of the kubelet's server as bound.
	KubeletAddress string    `json:"kubeletAddress,omitempty"`
	StartedAt      time.Time `json:"startedAt"`
}

// Phase is where a node is in its life.
type Phase string

const (
	Starting Phase = "Starting"
	Running  Phase = "Running"
	Stopping Phase = "Stopping"
	Failed   Phase = "Failed"
)

// The protocol, HTTP over the Unix socket, JSON bodies:
//
//	PUT    /nodes/{name}  Node        → 200 NodeStatus; the same Node again is a no-op;
//	                                    409 Error when it differs from the running one
//	DELETE /nodes/{name}              → 204 once the kubelet has stopped and its root
//	                                    directory holds no mounts and is removed; 204 when absent.
//	                                    The node's sandboxes must have stopped first (409 Error
//	                                    otherwise), unless ?force=true, which stops them. Those
//	                                    that have stopped are removed through the runtime.
//	GET    /nodes/{name}              → 200 NodeStatus | 404 Error
//	GET    /nodes                     → 200 []NodeStatus, by name
//	GET    /healthz                   → 200 "ok" when kube-proxy has synced once (if configured)

// Error is the body of every answer of status 400 and above.
type Error struct {
	Message string `json:"message"`
}
