package eks

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/store"
)

// reservedNames are the beginnings that no user's name may have.
var reservedNames = []string{"system:", "eks:", "aws:", "amazon:", "iam:"}

// CreateAccessEntry lets an IAM user or role into a cluster under a Kubernetes
// user name and groups. Of the types only STANDARD may be asked for: those of
// nodes belong to nodes that Berth makes itself.
func (s *Service) CreateAccessEntry(ctx context.Context, in *eks.CreateAccessEntryInput) (*eks.CreateAccessEntryOutput, error) {
	on := subject{cluster: str(in.ClusterName)}
	unsigned := *in
	unsigned.ClientRequestToken = nil
	call, err := newCall("CreateAccessEntry", str(in.ClientRequestToken), unsigned)
	if err != nil {
		return nil, err
	}
	principal, err := s.entryPrincipal(ctx, in, on)
	if err != nil {
		return nil, err
	}
	id, now := s.ids.UUID(), s.now()
	var e AccessEntry
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		if _, earlier, err := s.replayed(tx, call, on); err != nil {
			return err
		} else if earlier {
			set, err := s.entriesIn(tx, on.cluster)
			e = set.Entries[principal.String()]
			return err
		}
		c, set, err := s.clusterEntries(tx, on)
		if err != nil {
			return err
		}
		if _, taken := set.Entries[principal.String()]; taken {
			return on.inUse("The specified access entry resource is already in use on this cluster.")
		}
		e = s.newEntry(c, principal, StandardEntry, id, now)
		e.Groups, e.Tags, e.Request = in.KubernetesGroups, maps.Clone(in.Tags), call.key
		if in.Username != nil {
			e.Username = *in.Username
		}
		if err := s.remember(tx, call, on); err != nil {
			return err
		}
		return s.putEntry(tx, e)
	})
	if err != nil {
		return nil, err
	}
	return &eks.CreateAccessEntryOutput{AccessEntry: e.describe()}, nil
}

// entryPrincipal checks what the request alone, and IAM, can say.
func (s *Service) entryPrincipal(ctx context.Context, in *eks.CreateAccessEntryInput, on subject) (arn.ARN, error) {
	a, err := arn.Parse(str(in.PrincipalArn))
	if err != nil || a.Service != "iam" || !slices.Contains([]string{"role", "user"}, a.ResourceType()) ||
		strings.HasPrefix(a.Resource, "role/aws-service-role/") {
		return arn.ARN{}, on.badParameter("The specified principalArn is invalid: invalid principal.")
	}
	if kind := str(in.Type); in.Type != nil && kind != StandardEntry {
		return arn.ARN{}, on.badParameter("Access entries of type %s are not supported by Berth", kind)
	}
	if wrong := checkUsername(in.Username); wrong != "" {
		return arn.ARN{}, on.badParameter("%s", wrong)
	}
	for _, g := range in.KubernetesGroups {
		if reserved(g) {
			return arn.ARN{}, on.badParameter("The kubernetes group name %s is invalid, it cannot start with %s", g, strings.Join(reservedNames, ", "))
		}
	}
	if wrong := checkTags(in.Tags); wrong != "" {
		return arn.ARN{}, on.badParameter("%s", wrong)
	}
	exists, err := s.roles.PrincipalExists(ctx, a)
	if err != nil {
		return arn.ARN{}, fmt.Errorf("looking up principal %s: %w", a, err)
	}
	if !exists {
		return arn.ARN{}, on.badParameter("The specified principalArn is invalid: invalid principal.")
	}
	return a, nil
}

// checkUsername says what is wrong with a user name that was asked for.
func checkUsername(name *string) string {
	const session = "{{SessionName}}"
	switch {
	case name == nil:
		return ""
	case reserved(*name):
		return "The username cannot start with " + strings.Join(reservedNames, ", ")
	case strings.Contains(*name, session) && !strings.Contains((*name)[:strings.Index(*name, session)], ":"):
		return "The username must have a colon before {{SessionName}}"
	}
	return ""
}

func reserved(name string) bool {
	return slices.ContainsFunc(reservedNames, func(p string) bool { return strings.HasPrefix(name, p) })
}

// DescribeAccessEntry shows the access entry of a principal.
func (s *Service) DescribeAccessEntry(ctx context.Context, in *eks.DescribeAccessEntryInput) (*eks.DescribeAccessEntryOutput, error) {
	on := subject{cluster: str(in.ClusterName)}
	var e AccessEntry
	err := s.store.Update(ctx, func(tx *store.Tx) (err error) {
		e, _, err = s.entryIn(tx, str(in.PrincipalArn), on)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &eks.DescribeAccessEntryOutput{AccessEntry: e.describe()}, nil
}

// ListAccessEntries lists the principals that have an access entry, in order.
func (s *Service) ListAccessEntries(ctx context.Context, in *eks.ListAccessEntriesInput) (*eks.ListAccessEntriesOutput, error) {
	on := subject{cluster: str(in.ClusterName)}
	var set entrySet
	err := s.store.Update(ctx, func(tx *store.Tx) (err error) {
		_, set, err = s.clusterEntries(tx, on)
		return err
	})
	if err != nil {
		return nil, err
	}
	var principals []string
	for principal, e := range set.Entries {
		if in.AssociatedPolicyArn == nil || e.has(*in.AssociatedPolicyArn) {
			principals = append(principals, principal)
		}
	}
	slices.Sort(principals)
	principals, next, err := page(principals, in.MaxResults, in.NextToken, on)
	if err != nil {
		return nil, err
	}
	return &eks.ListAccessEntriesOutput{AccessEntries: nonNil(principals), NextToken: next}, nil
}

// DeleteAccessEntry takes a principal's access away.
func (s *Service) DeleteAccessEntry(ctx context.Context, in *eks.DeleteAccessEntryInput) (*eks.DeleteAccessEntryOutput, error) {
	on := subject{cluster: str(in.ClusterName)}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		e, set, err := s.entryIn(tx, str(in.PrincipalArn), on)
		if err != nil {
			return err
		}
		delete(set.Entries, e.Principal.String())
		s.forget(tx, e.Request)
		return s.entries.PutIn(tx, on.cluster, set)
	})
	if err != nil {
		return nil, err
	}
	return &eks.DeleteAccessEntryOutput{}, nil
}

// clusterEntries is the entries of a cluster that exists and uses them.
func (s *Service) clusterEntries(tx *store.Tx, on subject) (Cluster, entrySet, error) {
	c, err := s.clusters.GetIn(tx, on.cluster)
	if err != nil {
		return Cluster{}, entrySet{}, absent(err, noCluster(on.cluster))
	}
	if !c.usesEntries() {
		return Cluster{}, entrySet{}, on.badRequest("The cluster's authentication mode must be set to one of [%s, %s] to perform this operation.",
			types.AuthenticationModeApi, types.AuthenticationModeApiAndConfigMap)
	}
	set, err := s.entriesIn(tx, on.cluster)
	return c, set, err
}

func (s *Service) entryIn(tx *store.Tx, principal string, on subject) (AccessEntry, entrySet, error) {
	_, set, err := s.clusterEntries(tx, on)
	if err != nil {
		return AccessEntry{}, entrySet{}, err
	}
	e, ok := set.Entries[principal]
	if !ok {
		return AccessEntry{}, entrySet{}, on.refuse(404, "ResourceNotFoundException",
			"The specified principalArn could not be found. You can view your available access entries with 'list-access-entries'.")
	}
	return e, set, nil
}

func (e AccessEntry) has(policy string) bool {
	return slices.ContainsFunc(e.Policies, func(p AccessPolicy) bool { return p.ARN.String() == policy })
}
