package eks

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fargate/profile"
)

// Cluster is the record of a cluster. The operations write what was asked for
// and the intent to delete, the reconciler what was observed: Status out of
// CREATING, Endpoint, CertificateAuthority, ClusterSecurityGroup and Issues.
type Cluster struct {
	// ID tells this cluster from every other, also of the same name; it is the
	// cluster's key under /clusters/ in etcd and the first label of its endpoint.
	ID   string
	Name string
	ARN  arn.ARN
	// Version is the minor version, for example 1.36.
	Version         string
	PlatformVersion string
	Status          types.ClusterStatus
	Role            arn.ARN
	// Creator is the IAM user or role that made the cluster; CreatorIsAdmin says
	// whether it may do everything in it.
	Creator            arn.ARN
	CreatorIsAdmin     bool
	AuthenticationMode types.AuthenticationMode

	VPC     string
	Subnets []string
	// SecurityGroups are those the caller named for the cluster's interfaces;
	// ClusterSecurityGroup is the one EKS makes.
	SecurityGroups       []string `json:",omitempty"`
	ClusterSecurityGroup string
	PublicAccess         bool
	PrivateAccess        bool
	PublicAccessCIDRs    []string
	ServiceCIDR          string

	// OIDCID is 32 upper-case hexadecimal digits, Issuer the URL that holds them.
	OIDCID, Issuer string
	Endpoint       string
	// CertificateAuthority is PEM.
	CertificateAuthority []byte

	// SelfManagedAddons asks for the networking add-ons at creation.
	SelfManagedAddons  bool
	Support            types.SupportType
	DeletionProtection bool
	Tags               map[string]string    `json:",omitempty"`
	Issues             []types.ClusterIssue `json:",omitempty"`
	CreatedAt          time.Time
	// Request is the key of the record of the request that made the cluster.
	Request string `json:",omitempty"`
}

// Profile is the record of a Fargate profile.
type Profile struct {
	// ID is the UUID at the end of the ARN.
	ID        string
	Name      string
	Cluster   string
	ARN       arn.ARN
	Role      arn.ARN
	Subnets   []string
	Selectors []profile.Selector
	Status    types.FargateProfileStatus
	Tags      map[string]string           `json:",omitempty"`
	Issues    []types.FargateProfileIssue `json:",omitempty"`
	CreatedAt time.Time
	// StatusSince is when Status became what it is.
	StatusSince time.Time
	// Request is the key of the record of the request that made the profile.
	Request string `json:",omitempty"`
}

// Serving says whether new pods may land on the profile: admission and the
// scheduler observe it before it is ACTIVE, which is what makes it so, and no
// longer once it is being deleted.
func (p Profile) Serving() bool {
	return p.Status == types.FargateProfileStatusCreating || p.Status == types.FargateProfileStatusActive
}

// Matching is what decides whether a pod belongs to the profile.
func (p Profile) Matching() profile.Profile {
	return profile.Profile{Name: p.Name, Selectors: p.Selectors}
}

// profileSet is all the profiles of a cluster, by name. They are one record
// because their rules, such as one CREATING at a time, are about all of them.
type profileSet struct {
	Profiles map[string]Profile
}

// busy finds the profile that is being created or deleted.
func (s profileSet) busy() (Profile, bool) {
	for _, p := range s.Profiles {
		if p.Status == types.FargateProfileStatusCreating || p.Status == types.FargateProfileStatusDeleting {
			return p, true
		}
	}
	return Profile{}, false
}

// clusterIndex is the one record of all clusters: the VPC of each, by name.
// Transactions that must see all clusters, for the quota and for the rule of
// one cluster per VPC, read it.
type clusterIndex struct {
	VPCs map[string]string
}

// indexKey is the key of the clusterIndex.
const indexKey = "clusters"

// request remembers a create call by its token, as long as what it made lasts.
type request struct {
	// Fingerprint is of everything that was asked for.
	Fingerprint string
	// Cluster and Profile name what was made; Profile is "" for a cluster.
	Cluster, Profile string
}
