package clusterconfig

import (
	"fmt"
	"maps"
	"slices"
)

const (
	apiVersion = "eksctl.io/v1alpha5"
	kind       = "ClusterConfig"
)

// Config is a ClusterConfig.
type Config struct {
	APIVersion              string            `json:"apiVersion"`
	Kind                    string            `json:"kind"`
	Metadata                Metadata          `json:"metadata"`
	KubernetesNetworkConfig NetworkConfig     `json:"kubernetesNetworkConfig,omitzero"`
	IAM                     IAM               `json:"iam,omitzero"`
	AccessConfig            AccessConfig      `json:"accessConfig,omitzero"`
	VPC                     VPC               `json:"vpc,omitzero"`
	AvailabilityZones       []string          `json:"availabilityZones,omitempty"`
	FargateProfiles         []*FargateProfile `json:"fargateProfiles,omitempty"`
}

// Metadata names the cluster.
type Metadata struct {
	Name    string            `json:"name"`
	Region  string            `json:"region,omitempty"`
	Version string            `json:"version,omitempty"`
	Tags    map[string]string `json:"tags,omitempty"`
}

// NetworkConfig is the cluster's own network.
type NetworkConfig struct {
	IPFamily        string `json:"ipFamily,omitempty"`
	ServiceIPv4CIDR string `json:"serviceIPv4CIDR,omitempty"`
}

// IAM are the roles that exist already.
type IAM struct {
	ServiceRoleARN             string `json:"serviceRoleARN,omitempty"`
	FargatePodExecutionRoleARN string `json:"fargatePodExecutionRoleARN,omitempty"`
}

// AccessConfig says who may use the cluster.
type AccessConfig struct {
	AuthenticationMode                      string `json:"authenticationMode,omitempty"`
	BootstrapClusterCreatorAdminPermissions *bool  `json:"bootstrapClusterCreatorAdminPermissions,omitempty"`
}

// VPC is the VPC of the cluster: one to make, or the subnets of one that exists.
type VPC struct {
	ID                string    `json:"id,omitempty"`
	CIDR              string    `json:"cidr,omitempty"`
	Subnets           Subnets   `json:"subnets,omitzero"`
	NAT               NAT       `json:"nat,omitzero"`
	ClusterEndpoints  Endpoints `json:"clusterEndpoints,omitzero"`
	PublicAccessCIDRs []string  `json:"publicAccessCIDRs,omitempty"`
}

// Subnets are subnets that exist, by zone or by any name.
type Subnets struct {
	Private map[string]Subnet `json:"private,omitempty"`
	Public  map[string]Subnet `json:"public,omitempty"`
}

// Subnet names a subnet.
type Subnet struct {
	ID string `json:"id,omitempty"`
}

// NAT says how private subnets reach the outside.
type NAT struct {
	Gateway string `json:"gateway,omitempty"`
}

// Endpoints says from where the API server is reached.
type Endpoints struct {
	PublicAccess  *bool `json:"publicAccess,omitempty"`
	PrivateAccess *bool `json:"privateAccess,omitempty"`
}

// FargateProfile is a Fargate profile.
type FargateProfile struct {
	Name                string            `json:"name"`
	PodExecutionRoleARN string            `json:"podExecutionRoleARN,omitempty"`
	Selectors           []Selector        `json:"selectors"`
	Subnets             []string          `json:"subnets,omitempty"`
	Tags                map[string]string `json:"tags,omitempty"`
	// Status is what the service says; a file does not hold it.
	Status string `json:"status,omitempty"`
}

// Selector says which pods a profile takes.
type Selector struct {
	Namespace string            `json:"namespace"`
	Labels    map[string]string `json:"labels,omitempty"`
}

// NAT modes.
const (
	NATSingle          = "Single"
	NATHighlyAvailable = "HighlyAvailable"
	NATDisable         = "Disable"
)

// IDs are the identifiers of subnets, in the order of their names.
func IDs(subnets map[string]Subnet) []string {
	ids := make([]string, 0, len(subnets))
	for _, name := range slices.Sorted(maps.Keys(subnets)) {
		ids = append(ids, subnets[name].ID)
	}
	return ids
}

// Existing says whether the subnets of a VPC that exists are named.
func (v VPC) Existing() bool { return len(v.Subnets.Private)+len(v.Subnets.Public) > 0 }

// SelectsCoreDNS says whether a profile takes the pods of CoreDNS.
func (p *FargateProfile) SelectsCoreDNS() bool {
	return slices.ContainsFunc(p.Selectors, func(s Selector) bool {
		return s.Namespace == "kube-system" && (len(s.Labels) == 0 || s.Labels["eks.amazonaws.com/component"] == "coredns")
	})
}

// DefaultProfile is what `create cluster --fargate` adds.
func DefaultProfile() *FargateProfile {
	return &FargateProfile{Name: "fp-default", Selectors: []Selector{{Namespace: "default"}, {Namespace: "kube-system"}}}
}

// Error is what is wrong with a ClusterConfig; Path leads to it.
type Error struct{ Path, Message string }

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

func wrong(path, format string, args ...any) error {
	return &Error{Path: path, Message: fmt.Sprintf(format, args...)}
}
