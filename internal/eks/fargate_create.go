package eks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fargate/profile"
	"berth.dev/berth/internal/store"
)

const (
	// podService is who assumes a profile's execution role.
	podService = "eks-fargate-pods.amazonaws.com"
	// fargateService is whose service-linked role Fargate works with.
	fargateService = "eks-fargate.amazonaws.com"
)

// CreateFargateProfile records a profile; the reconciler sees it into service.
// Checks come in this order: the token of an earlier request; the cluster; the
// name's being free; the cluster's being ACTIVE; the name; the selectors; the
// quota; no other profile CREATING or DELETING; the role; the subnets.
func (s *Service) CreateFargateProfile(ctx context.Context, in *eks.CreateFargateProfileInput) (*eks.CreateFargateProfileOutput, error) {
	on := subject{str(in.ClusterName), str(in.FargateProfileName)}
	unsigned := *in
	unsigned.ClientRequestToken = nil
	call, err := newCall("CreateFargateProfile", str(in.ClientRequestToken), unsigned)
	if err != nil {
		return nil, err
	}
	asked := Profile{
		Name: on.profile, Cluster: on.cluster, Request: call.key,
		Status: types.FargateProfileStatusCreating, Selectors: selectors(in.Selectors), Tags: maps.Clone(in.Tags),
	}
	var c Cluster
	var p Profile
	look := func(tx *store.Tx) (earlier bool, err error) {
		c, p, earlier, err = s.mayCreateProfile(tx, asked, call)
		return earlier, err
	}
	if earlier, err := s.ask(ctx, look); err != nil || earlier {
		return createdProfile(p, err)
	}
	first := c.ID
	planned, err := s.planProfile(ctx, c, asked, in)
	if err != nil {
		return nil, err
	}
	entry := s.newEntry(c, planned.Role, FargateEntry, s.ids.UUID(), planned.CreatedAt)
	entry.Profiles = true
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if earlier, err := look(tx); err != nil || earlier {
			return err
		}
		if c.ID != first {
			// Another cluster took the name between the two looks.
			return noCluster(on.cluster)
		}
		p = planned
		if c.usesEntries() {
			if err := s.putEntry(tx, entry); err != nil {
				return err
			}
		}
		return s.putNewProfile(tx, p, call)
	})
	return createdProfile(p, err)
}

func createdProfile(p Profile, err error) (*eks.CreateFargateProfileOutput, error) {
	if err != nil {
		return nil, err
	}
	return &eks.CreateFargateProfileOutput{FargateProfile: p.describe()}, nil
}

// mayCreateProfile gives the cluster and, when an earlier call with the same
// token made it, the profile; or a refusal that the records alone justify.
func (s *Service) mayCreateProfile(tx *store.Tx, p Profile, call call) (Cluster, Profile, bool, error) {
	on := subject{p.Cluster, p.Name}
	if _, earlier, err := s.replayed(tx, call, on); err != nil {
		return Cluster{}, Profile{}, false, err
	} else if earlier {
		set, err := s.profilesIn(tx, p.Cluster)
		return Cluster{}, set.Profiles[p.Name], true, err
	}
	c, err := s.clusters.GetIn(tx, p.Cluster)
	if err != nil {
		return Cluster{}, Profile{}, false, absent(err, noCluster(p.Cluster))
	}
	set, err := s.profilesIn(tx, p.Cluster)
	if err != nil {
		return Cluster{}, Profile{}, false, err
	}
	return c, Profile{}, false, s.checkProfile(c, set, p, on)
}

func (s *Service) checkProfile(c Cluster, set profileSet, p Profile, on subject) error {
	if _, taken := set.Profiles[p.Name]; taken {
		return on.inUse("A Fargate Profile already exists with this name in this cluster.")
	}
	if c.Status != types.ClusterStatusActive {
		return on.badRequest("Cluster '%s' is not in ACTIVE status", c.Name)
	}
	if err := profile.ValidateName(p.Name); err != nil {
		return on.about(err)
	}
	limits := profile.Limits{Selectors: s.quotas.Selectors, Labels: s.quotas.Labels}
	if err := profile.ValidateSelectors(p.Selectors, limits); err != nil {
		return on.about(err)
	}
	if wrong := checkTags(p.Tags); wrong != "" {
		return on.badParameter("%s", wrong)
	}
	if len(set.Profiles) >= s.quotas.Profiles {
		return on.overLimit("Fargate Profile limit exceeded for cluster %s: at most %d", c.Name, s.quotas.Profiles)
	}
	if other, ok := set.busy(); ok {
		return on.inUse("Cannot create Fargate Profile %s because cluster %s currently has Fargate profile %s in status %s",
			p.Name, c.Name, other.Name, other.Status)
	}
	return nil
}

// profilesIn is the profiles of a cluster, none if there is no record.
func (s *Service) profilesIn(tx *store.Tx, cluster string) (profileSet, error) {
	set, err := s.profiles.GetIn(tx, cluster)
	if errors.Is(err, store.ErrNotFound) {
		return profileSet{Profiles: map[string]Profile{}}, nil
	}
	return set, err
}

func (s *Service) putNewProfile(tx *store.Tx, p Profile, call call) error {
	set, err := s.profilesIn(tx, p.Cluster)
	if err != nil {
		return err
	}
	set.Profiles[p.Name] = p
	if err := s.profiles.PutIn(tx, p.Cluster, set); err != nil {
		return err
	}
	return s.remember(tx, call, subject{p.Cluster, p.Name})
}

// planProfile completes a profile with what IAM and EC2 know.
func (s *Service) planProfile(ctx context.Context, c Cluster, p Profile, in *eks.CreateFargateProfileInput) (Profile, error) {
	on := subject{c.Name, p.Name}
	p.ID = s.ids.UUID()
	p.ARN = s.scope.Regional("eks", strings.Join([]string{"fargateprofile", c.Name, p.Name, p.ID}, "/"))
	p.CreatedAt = s.now()
	p.StatusSince = p.CreatedAt
	var err error
	if p.Role, err = s.executionRole(ctx, p, str(in.PodExecutionRoleArn), on); err != nil {
		return Profile{}, err
	}
	if p.Subnets, err = s.profileSubnets(ctx, c, in.Subnets, on); err != nil {
		return Profile{}, err
	}
	return p, nil
}

// executionRole checks the role that pods' hosts assume: it must have no path
// and trust Fargate for this very profile.
func (s *Service) executionRole(ctx context.Context, p Profile, role string, on subject) (arn.ARN, error) {
	a, err := arn.Parse(role)
	if err != nil || a.Service != "iam" || a.ResourceType() != "role" || a.ResourceID() == "" {
		return arn.ARN{}, on.badParameter("Invalid ARN: %s", role)
	}
	if a.Account != s.scope.Account {
		return arn.ARN{}, on.refuse(403, "AccessDeniedException", "Cross-account pass role is not allowed.")
	}
	if strings.Contains(a.ResourceID(), "/") {
		return arn.ARN{}, on.badParameter("The podExecutionRoleArn must not contain a path other than /: %s", role)
	}
	trust, err := s.roles.Trusts(ctx, Assumption{
		Role: a, Service: podService, SourceARN: p.ARN, SourceAccount: s.scope.Account,
	})
	if err != nil {
		return arn.ARN{}, fmt.Errorf("checking role %s of Fargate profile %s: %w", a, p.Name, err)
	}
	if !trust.Exists || !trust.Allowed {
		return arn.ARN{}, on.badParameter("Misconfigured PodExecutionRole Trust Policy; Please add the %s Service Principal", podService)
	}
	return a, nil
}

// profileSubnets checks the subnets that a profile names, or takes the
// cluster's private ones when it names none.
func (s *Service) profileSubnets(ctx context.Context, c Cluster, ids []string, on subject) ([]string, error) {
	chosen := ids
	if len(ids) == 0 {
		chosen = c.Subnets
	}
	subnets, err := s.describeSubnets(ctx, chosen, on)
	if err != nil {
		return nil, err
	}
	var private []string
	for _, n := range subnets {
		switch {
		case n.VPC != c.VPC:
			return nil, on.badParameter("Subnet %s provided in Fargate Profile does not belong to the VPC %s of cluster %s", n.ID, c.VPC, c.Name)
		case !n.Public:
			private = append(private, n.ID)
		case len(ids) > 0:
			return nil, on.badParameter("Subnet %s provided in Fargate Profile is not a private subnet", n.ID)
		}
	}
	if len(private) == 0 {
		return nil, on.badParameter("Fargate Profile requires at least one private subnet and cluster %s has none", c.Name)
	}
	return private, nil
}

func selectors(in []types.FargateProfileSelector) []profile.Selector {
	out := make([]profile.Selector, 0, len(in))
	for _, s := range in {
		out = append(out, profile.Selector{Namespace: str(s.Namespace), Labels: maps.Clone(s.Labels)})
	}
	return slices.Clip(out)
}
