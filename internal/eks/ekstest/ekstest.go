// Package ekstest gives tests of and around the EKS service what the service
// needs of others: fakes in memory, and the contracts that the fakes and the
// real ones keep alike. Only tests import it.
package ekstest

import (
	"context"
	"net/netip"
	"slices"
	"sync"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/eks"
)

// Plane is a control plane that comes up and goes down in a few steps.
type Plane struct {
	mu sync.Mutex
	// Steps is how many calls it takes to be ready, and to be gone.
	Steps int
	// Failed and Err are what Ensure reports when they are set.
	Failed string
	Err    error

	up map[string]int
}

var _ eks.ControlPlane = (*Plane)(nil)

// Set changes the plane's fields under its lock.
func (p *Plane) Set(f func(*Plane)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// Ensure takes one step up.
func (p *Plane) Ensure(_ context.Context, c eks.Cluster) (eks.Observation, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Err != nil || p.Failed != "" {
		return eks.Observation{Failed: p.Failed}, p.Err
	}
	if p.up == nil {
		p.up = map[string]int{}
	}
	if p.up[c.ID] < p.Steps {
		p.up[c.ID]++
		return eks.Observation{Message: "waiting for the API server"}, nil
	}
	return eks.Observation{
		Ready: true, Endpoint: "https://" + c.ID + ".example:6443",
		CertificateAuthority: []byte("-----BEGIN CERTIFICATE-----\n"),
	}, nil
}

// Remove takes one step down.
func (p *Plane) Remove(_ context.Context, c eks.Cluster) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Err != nil {
		return false, p.Err
	}
	if p.up[c.ID] > 0 {
		p.up[c.ID]--
		return false, nil
	}
	delete(p.up, c.ID)
	return true, nil
}

// Running is how many control planes are there, whole or in part.
func (p *Plane) Running() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.up)
}

// Pods is a Fargate side with a number of pods on every profile.
type Pods struct {
	mu sync.Mutex
	// Served is what ProfileServed answers, Left how many pods there are; every
	// Evict takes one away, unless Stuck.
	Served bool
	Left   int
	Stuck  bool
	Err    error
}

var _ eks.Pods = (*Pods)(nil)

// Set changes the fields under the lock.
func (p *Pods) Set(f func(*Pods)) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f(p)
}

// ProfileServed answers Served.
func (p *Pods) ProfileServed(context.Context, eks.Cluster, eks.Profile) (bool, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.Served, p.Err
}

// Evict takes one pod away.
func (p *Pods) Evict(context.Context, eks.Cluster, eks.Profile) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.Left > 0 && !p.Stuck {
		p.Left--
	}
	return p.Left, p.Err
}

// Network is a network whose parts a test lists.
type Network struct {
	mu     sync.Mutex
	Nets   []eks.Subnet
	VPCs   []eks.VPC
	Groups []eks.SecurityGroup
	// ClusterGroups are the security groups of clusters, by the cluster's ID.
	ClusterGroups map[string]string
}

var _ eks.Network = (*Network)(nil)

// NewNetwork is vpc-1 (192.168.0.0/16, secondary 100.64.0.0/16) with a public
// and a private subnet in each of the zones a, b and c and security group sg-1,
// and vpc-2 (10.0.0.0/16) with private subnets in a and b and sg-2.
func NewNetwork() *Network {
	n := &Network{
		VPCs: []eks.VPC{
			{ID: "vpc-1", CIDRs: []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("100.64.0.0/16")}},
			{ID: "vpc-2", CIDRs: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")}},
		},
		Groups:        []eks.SecurityGroup{{ID: "sg-1", VPC: "vpc-1"}, {ID: "sg-2", VPC: "vpc-2"}},
		ClusterGroups: map[string]string{},
	}
	for _, z := range []string{"a", "b", "c"} {
		zone := "eu-west-1" + z
		n.Nets = append(n.Nets,
			eks.Subnet{ID: "subnet-pub" + z, VPC: "vpc-1", AvailabilityZone: zone, Public: true},
			eks.Subnet{ID: "subnet-pri" + z, VPC: "vpc-1", AvailabilityZone: zone})
	}
	n.Nets = append(n.Nets,
		eks.Subnet{ID: "subnet-2a", VPC: "vpc-2", AvailabilityZone: "eu-west-1a"},
		eks.Subnet{ID: "subnet-2b", VPC: "vpc-2", AvailabilityZone: "eu-west-1b"})
	return n
}

// Subnets gives the listed ones.
func (n *Network) Subnets(_ context.Context, ids []string) (found []eks.Subnet, err error) {
	for _, s := range n.Nets {
		if slices.Contains(ids, s.ID) {
			found = append(found, s)
		}
	}
	return found, nil
}

// VPC gives the listed one.
func (n *Network) VPC(_ context.Context, id string) (eks.VPC, error) {
	return n.VPCs[slices.IndexFunc(n.VPCs, func(v eks.VPC) bool { return v.ID == id })], nil
}

// SecurityGroups gives the listed ones.
func (n *Network) SecurityGroups(_ context.Context, ids []string) (found []eks.SecurityGroup, err error) {
	for _, g := range n.Groups {
		if slices.Contains(ids, g.ID) {
			found = append(found, g)
		}
	}
	return found, nil
}

// EnsureClusterGroup makes a group once.
func (n *Network) EnsureClusterGroup(_ context.Context, g eks.ClusterGroup) (string, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, ok := n.ClusterGroups[g.ClusterID]; !ok {
		n.ClusterGroups[g.ClusterID] = "sg-" + g.ClusterID[:17]
	}
	return n.ClusterGroups[g.ClusterID], nil
}

// DeleteClusterGroup deletes it.
func (n *Network) DeleteClusterGroup(_ context.Context, g eks.ClusterGroup) (bool, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.ClusterGroups, g.ClusterID)
	return true, nil
}

// Roles is an IAM in which a test says who trusts whom.
type Roles struct {
	mu sync.Mutex
	// Trusted says which services a role, by name, trusts.
	Trusted map[string][]string
	// Asked are the assumptions that were checked, Linked the services whose
	// service-linked role was made.
	Asked  []eks.Assumption
	Linked []string
}

var _ eks.Roles = (*Roles)(nil)

// NewRoles has roles cluster and pods, which trust EKS and Fargate, and
// stranger, which trusts EC2.
func NewRoles() *Roles {
	return &Roles{Trusted: map[string][]string{
		"cluster": {"eks.amazonaws.com"}, "pods": {"eks-fargate-pods.amazonaws.com"}, "stranger": {"ec2.amazonaws.com"},
	}}
}

// Trusts looks into Trusted.
func (r *Roles) Trusts(_ context.Context, a eks.Assumption) (eks.Trust, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Asked = append(r.Asked, a)
	services, ok := r.Trusted[a.Role.ResourceID()]
	return eks.Trust{Exists: ok, Allowed: slices.Contains(services, a.Service)}, nil
}

// PrincipalExists is true for the roles of Trusted.
func (r *Roles) PrincipalExists(_ context.Context, principal arn.ARN) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.Trusted[principal.ResourceID()]
	return ok, nil
}

// EnsureServiceLinkedRole notes the service.
func (r *Roles) EnsureServiceLinkedRole(_ context.Context, service string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !slices.Contains(r.Linked, service) {
		r.Linked = append(r.Linked, service)
	}
	return nil
}
