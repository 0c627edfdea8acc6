package eks

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/store"
)

// Kinds of access entries.
const (
	StandardEntry = "STANDARD"
	FargateEntry  = "FARGATE_LINUX"
)

// clusterAdminPolicy is what a cluster's creator is given.
const clusterAdminPolicy = "AmazonEKSClusterAdminPolicy"

// AccessEntry is the record of an access entry: what an IAM principal is in a
// cluster's Kubernetes.
type AccessEntry struct {
	// ID is the UUID at the end of the ARN.
	ID        string
	ARN       arn.ARN
	Cluster   string
	Principal arn.ARN
	// Type is StandardEntry or FargateEntry.
	Type string
	// Username may hold {{SessionName}}.
	Username string
	Groups   []string          `json:",omitempty"`
	Policies []AccessPolicy    `json:",omitempty"`
	Tags     map[string]string `json:",omitempty"`
	// Profiles says that EKS made the entry for Fargate profiles; it goes with
	// the last of them.
	Profiles             bool `json:",omitempty"`
	CreatedAt, ChangedAt time.Time
	// Request is the key of the record of the request that made the entry.
	Request string `json:",omitempty"`
}

// AccessPolicy is an access policy that an entry has, in the whole cluster when
// Namespaces is empty.
type AccessPolicy struct {
	ARN        arn.ARN
	Namespaces []string `json:",omitempty"`
}

// entrySet is all the access entries of a cluster, by principal.
type entrySet struct {
	Entries map[string]AccessEntry
}

// AccessEntries is every access entry of a cluster, in the order of their
// principals; none for a cluster that does not exist. A cluster whose
// authentication mode is CONFIG_MAP has none: there the record of the cluster
// alone says that its creator is its admin.
func (s *Service) AccessEntries(ctx context.Context, cluster string) ([]AccessEntry, error) {
	set, err := s.entries.Get(ctx, cluster)
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return nil, err
	}
	entries := make([]AccessEntry, 0, len(set.Entries))
	for _, principal := range slices.Sorted(maps.Keys(set.Entries)) {
		entries = append(entries, set.Entries[principal])
	}
	return entries, nil
}

// AccessEntriesChanged calls f with the name of every cluster that has access
// entries, then with each cluster's whose entries change; it is a work.Source.
func (s *Service) AccessEntriesChanged(ctx context.Context, f func(cluster string)) error {
	return s.entries.Keys(ctx, "", f)
}

func (s *Service) entriesIn(tx *store.Tx, cluster string) (entrySet, error) {
	set, err := s.entries.GetIn(tx, cluster)
	if errors.Is(err, store.ErrNotFound) {
		return entrySet{Entries: map[string]AccessEntry{}}, nil
	}
	return set, err
}

// usesEntries says whether access entries count in the cluster.
func (c Cluster) usesEntries() bool { return c.AuthenticationMode != types.AuthenticationModeConfigMap }

// creatorEntry is the entry that makes a cluster's creator its admin.
func (s *Service) creatorEntry(c Cluster, id string) AccessEntry {
	e := s.newEntry(c, c.Creator, StandardEntry, id, c.CreatedAt)
	e.Policies = []AccessPolicy{{ARN: arn.ARN{
		Partition: s.scope.Partition, Service: "eks", Account: "aws", Resource: "cluster-access-policy/" + clusterAdminPolicy,
	}}}
	return e
}

func (s *Service) newEntry(c Cluster, principal arn.ARN, kind, id string, at time.Time) AccessEntry {
	e := AccessEntry{
		ID: id, Cluster: c.Name, Principal: principal, Type: kind,
		Username: defaultUsername(principal, kind), CreatedAt: at, ChangedAt: at,
		ARN: s.scope.Regional("eks", strings.Join([]string{
			"access-entry", c.Name, principal.ResourceType(), principal.Account, baseName(principal), id,
		}, "/")),
	}
	if kind == FargateEntry {
		e.Groups = []string{"system:bootstrappers", "system:nodes", "system:node-proxier"}
	}
	return e
}

// defaultUsername is the name that EKS gives: a user's is its ARN, a role's the
// one of its sessions, a Fargate node's that of the node.
func defaultUsername(principal arn.ARN, kind string) string {
	switch {
	case kind == FargateEntry:
		return "system:node:{{SessionName}}"
	case principal.ResourceType() == "role":
		session := principal
		session.Service, session.Resource = "sts", "assumed-role/"+baseName(principal)+"/{{SessionName}}"
		return session.String()
	default:
		return principal.String()
	}
}

// baseName is a principal's name without its path.
func baseName(principal arn.ARN) string {
	name := principal.ResourceID()
	return name[strings.LastIndexByte(name, '/')+1:]
}

// putEntry writes an entry within a transaction, unless there is one.
func (s *Service) putEntry(tx *store.Tx, e AccessEntry) error {
	set, err := s.entriesIn(tx, e.Cluster)
	if err != nil {
		return err
	}
	if _, ok := set.Entries[e.Principal.String()]; ok {
		return nil
	}
	set.Entries[e.Principal.String()] = e
	return s.entries.PutIn(tx, e.Cluster, set)
}

// dropProfileEntry removes within a transaction the entry of a profile's role
// when EKS made it and no profile that is left needs it.
func (s *Service) dropProfileEntry(tx *store.Tx, p Profile, left profileSet) error {
	for _, other := range left.Profiles {
		if other.Role == p.Role {
			return nil
		}
	}
	set, err := s.entriesIn(tx, p.Cluster)
	if err != nil {
		return err
	}
	if e, ok := set.Entries[p.Role.String()]; !ok || !e.Profiles {
		return nil
	}
	delete(set.Entries, p.Role.String())
	return s.entries.PutIn(tx, p.Cluster, set)
}

func (e AccessEntry) describe() *types.AccessEntry {
	out := &types.AccessEntry{
		AccessEntryArn: aws.String(e.ARN.String()), ClusterName: aws.String(e.Cluster),
		PrincipalArn: aws.String(e.Principal.String()), Type: aws.String(e.Type), Username: aws.String(e.Username),
		KubernetesGroups: nonNil(e.Groups), Tags: e.Tags,
		CreatedAt: aws.Time(e.CreatedAt), ModifiedAt: aws.Time(e.ChangedAt),
	}
	if out.Tags == nil {
		out.Tags = map[string]string{}
	}
	return out
}
