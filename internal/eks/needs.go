package eks

import (
	"context"
	"net/netip"

	"berth.dev/berth/internal/arn"
)

// ControlPlane runs a cluster's Kubernetes. Both methods are safe to repeat
// from any state, also after a crash, and are never called twice at once for
// one cluster.
type ControlPlane interface {
	// Ensure takes the next steps towards a running control plane and says what
	// it observes. It is called until the observation is ready, and from time to
	// time afterwards. An error is retried with back-off.
	Ensure(ctx context.Context, c Cluster) (Observation, error)
	// Remove takes the next step towards nothing being left of the control
	// plane; true once all is gone.
	Remove(ctx context.Context, c Cluster) (gone bool, err error)
}

// Observation is what was seen of a control plane.
type Observation struct {
	// Ready means that Kubernetes answers through the endpoint.
	Ready bool
	// Endpoint is the cluster's URL, CertificateAuthority the PEM that verifies it.
	Endpoint             string
	CertificateAuthority []byte
	// Message says what is waited for while the control plane is not ready.
	Message string
	// Failed is a cause that no retry removes; "" while there is hope.
	Failed string
}

// Pods is the Fargate side of a cluster.
type Pods interface {
	// ProfileServed says whether the cluster's admission and scheduler observe
	// the profile and its execution role is mapped in the cluster.
	ProfileServed(ctx context.Context, c Cluster, p Profile) (bool, error)
	// Evict takes the next step towards no pod running on the profile and says
	// how many are left.
	Evict(ctx context.Context, c Cluster, p Profile) (left int, err error)
}

// Network is what EKS asks of EC2.
type Network interface {
	// Subnets describes those of the subnets that exist.
	Subnets(ctx context.Context, ids []string) ([]Subnet, error)
	// VPC describes a VPC that has subnets.
	VPC(ctx context.Context, id string) (VPC, error)
	// SecurityGroups describes those of the groups that exist.
	SecurityGroups(ctx context.Context, ids []string) ([]SecurityGroup, error)
	// EnsureClusterGroup makes a cluster's own security group, once, and gives
	// its id; the same group is the answer to every later call.
	EnsureClusterGroup(ctx context.Context, g ClusterGroup) (id string, err error)
	// DeleteClusterGroup takes the next step towards the group being gone; an
	// absent one is gone.
	DeleteClusterGroup(ctx context.Context, g ClusterGroup) (gone bool, err error)
}

// Subnet is what EKS needs to know of a subnet.
type Subnet struct {
	ID, VPC, AvailabilityZone string
	// Public says that its route table leads to an internet gateway.
	Public bool
}

// VPC is what EKS needs to know of a VPC.
type VPC struct {
	ID string
	// CIDRs are all the blocks of IPv4 addresses of the VPC.
	CIDRs []netip.Prefix
}

// SecurityGroup is what EKS needs to know of a security group.
type SecurityGroup struct{ ID, VPC string }

// ClusterGroup says for which cluster a security group is: the one that its
// Fargate pods and its own interfaces carry.
type ClusterGroup struct {
	Cluster arn.ARN
	// ClusterID tells a cluster from an earlier one of the same name.
	ClusterID string
	VPC       string
	// Tags are those that EKS puts on the group.
	Tags map[string]string
	// Name and Description are the group's own.
	Name, Description string
}

// Roles is what EKS asks of IAM.
type Roles interface {
	// Trusts says whether a role exists and whether its trust policy lets the
	// service assume it. The error is for a failure to find out.
	Trusts(ctx context.Context, a Assumption) (Trust, error)
	// PrincipalExists says whether the account has a user or role.
	PrincipalExists(ctx context.Context, principal arn.ARN) (bool, error)
	// EnsureServiceLinkedRole makes the role through which a service, for
	// example eks-fargate.amazonaws.com, acts in the account, once.
	EnsureServiceLinkedRole(ctx context.Context, service string) error
}

// Assumption is a service's request for a role.
type Assumption struct {
	Role    arn.ARN
	Service string
	// SourceARN and SourceAccount are the request's aws:SourceArn and
	// aws:SourceAccount.
	SourceARN     arn.ARN
	SourceAccount string
}

// Trust is what IAM knows of an Assumption.
type Trust struct{ Exists, Allowed bool }
