// Package eks is Berth's Elastic Kubernetes Service: clusters, Fargate
// profiles and access entries as records, the rules by which they are made and
// removed, and the reconcilers that bring them about. Its operations carry the
// names and shapes of the AWS SDK. It runs no Kubernetes, knows no network and
// no policy language: what it needs of those it asks through ControlPlane,
// Pods, Network and Roles. It imports no wire protocol and no other domain
// service. The composition root imports it.
//
// A status is written only from an observation:
//
//	CreateCluster ─► CREATING ── ControlPlane.Ensure: Ready ──► ACTIVE
//	                    │                                         │
//	                    └── Observation.Failed ──► FAILED         │
//	DeleteCluster ─► DELETING ◄──────────────────────┴────────────┘
//	                    └── ControlPlane.Remove, security group gone ──► no record
//
//	CreateFargateProfile ─► CREATING ── Pods.ProfileServed ──► ACTIVE
//	                           └── not served in time ──► CREATE_FAILED
//	DeleteFargateProfile ─► DELETING ── Pods.Evict: none left ──► no record
//	                           └── pods left after long ──► DELETE_FAILED
package eks

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"time"

	"k8s.io/utils/clock"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fargate/profile"
	"berth.dev/berth/internal/id"
	"berth.dev/berth/internal/principal"
	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/work"
)

// Config is what a Service needs.
type Config struct {
	Store *store.Store
	// Scope is the partition, region and account of every resource.
	Scope        arn.Scope
	ControlPlane ControlPlane
	Pods         Pods
	Network      Network
	Roles        Roles
	// Issuer makes the URL of a cluster's OpenID Connect issuer of its 32
	// upper-case hexadecimal digits; nil means the one that EKS would use.
	Issuer func(oidcID string) string
	// Quotas are the account's limits; the zero value means the defaults.
	Quotas Quotas
	// Intervals say how patient the reconcilers are; zero fields mean the
	// defaults.
	Intervals Intervals
	// Clock, IDs and Log default to the real ones.
	Clock clock.WithTicker
	IDs   id.Source
	Log   *slog.Logger
}

// Quotas are limits that AWS raises on request.
type Quotas struct {
	Clusters, Profiles int
	Selectors, Labels  int
	// ControlPlaneSecurityGroups is how many security groups a cluster's own
	// interfaces may be given.
	ControlPlaneSecurityGroups int
}

// DefaultQuotas are those of a new account.
var DefaultQuotas = Quotas{
	Clusters: 100, Profiles: 10,
	Selectors: profile.DefaultLimits.Selectors, Labels: profile.DefaultLimits.Labels,
	ControlPlaneSecurityGroups: 4,
}

// Intervals are the reconcilers' times.
type Intervals struct {
	// Poll is between two steps towards a state that is waited for.
	Poll time.Duration
	// Resync is between two looks at a state that holds.
	Resync time.Duration
	// ProfileCreation and ProfileDeletion are how long a profile may stay in
	// CREATING and DELETING before it is said to have failed.
	ProfileCreation, ProfileDeletion time.Duration
}

// DefaultIntervals fail a profile when the AWS SDK's waiters give up.
var DefaultIntervals = Intervals{
	Poll: 250 * time.Millisecond, Resync: 15 * time.Second,
	ProfileCreation: 10 * time.Minute, ProfileDeletion: 30 * time.Minute,
}

// Service is the EKS of one account and region.
type Service struct {
	store  *store.Store
	scope  arn.Scope
	plane  ControlPlane
	pods   Pods
	net    Network
	roles  Roles
	issuer func(string) string
	quotas Quotas
	times  Intervals
	clock  clock.WithTicker
	ids    id.Source
	log    *slog.Logger
	// started is when this process began to work.
	started time.Time

	clusters store.Table[Cluster]
	profiles store.Table[profileSet]
	entries  store.Table[entrySet]
	index    store.Table[clusterIndex]
	requests store.Table[request]
}

// New makes the service; Run works its reconcilers.
func New(c Config) (*Service, error) {
	switch {
	case c.Store == nil:
		return nil, errors.New("making the EKS service: no store")
	case c.Scope.Partition == "" || c.Scope.Region == "" || c.Scope.Account == "":
		return nil, errors.New("making the EKS service: no partition, region or account")
	case c.ControlPlane == nil || c.Pods == nil || c.Network == nil || c.Roles == nil:
		return nil, errors.New("making the EKS service: a collaborator is missing")
	}
	c = c.withDefaults()
	return &Service{
		store: c.Store, scope: c.Scope, plane: c.ControlPlane, pods: c.Pods, net: c.Network, roles: c.Roles,
		issuer: c.Issuer, quotas: c.Quotas, times: c.Intervals, clock: c.Clock, ids: c.IDs, log: c.Log, started: c.Clock.Now(),
		clusters: store.NewTable[Cluster](c.Store, "eks/clusters"),
		profiles: store.NewTable[profileSet](c.Store, "eks/fargate-profiles"),
		entries:  store.NewTable[entrySet](c.Store, "eks/access-entries"),
		index:    store.NewTable[clusterIndex](c.Store, "eks/index"),
		requests: store.NewTable[request](c.Store, "eks/requests"),
	}, nil
}

func (c Config) withDefaults() Config {
	if c.Quotas == (Quotas{}) {
		c.Quotas = DefaultQuotas
	}
	d := DefaultIntervals
	for _, v := range []struct{ set, to *time.Duration }{
		{&c.Intervals.Poll, &d.Poll},
		{&c.Intervals.Resync, &d.Resync},
		{&c.Intervals.ProfileCreation, &d.ProfileCreation},
		{&c.Intervals.ProfileDeletion, &d.ProfileDeletion},
	} {
		if *v.set == 0 {
			*v.set = *v.to
		}
	}
	if c.Issuer == nil {
		region, suffix := c.Scope.Region, dnsSuffix(c.Scope.Partition)
		c.Issuer = func(oidcID string) string { return "https://oidc.eks." + region + "." + suffix + "/id/" + oidcID }
	}
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if c.IDs.Random == nil {
		c.IDs.Random = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

func dnsSuffix(partition string) string {
	if partition == "aws-cn" {
		return "amazonaws.com.cn"
	}
	return "amazonaws.com"
}

// now has the milliseconds that EKS shows.
func (s *Service) now() time.Time { return s.clock.Now().UTC().Truncate(time.Millisecond) }

// options are those of both queues.
func (s *Service) options() work.Options { return work.Options{Clock: s.clock, Log: s.log} }

// creator is the IAM entity that calls; the account's root when the call comes
// from inside.
func (s *Service) creator(ctx context.Context) arn.ARN {
	if p, ok := principal.FromContext(ctx); ok {
		return p.Issuer()
	}
	return s.scope.Global("iam", "root")
}
