package iam

import (
	"maps"
	"slices"
	"strings"
	"time"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/iam/credential"
)

// Records are kept by lower-case name: IAM's names are unique without regard
// to case. A record shows the name as it was given.
func nameKey(name string) string { return strings.ToLower(name) }

// grants is what a role or user is allowed, kept in the identity's own record
// so that an attachment and a deletion cannot pass each other.
type grants struct {
	// Attached holds the ARNs of managed policies in order of attachment.
	Attached []string `json:"attached,omitempty"`
	// Inline holds documents by policy name.
	Inline map[string]string `json:"inline,omitempty"`
	// Boundary is the ARN of the permissions boundary.
	Boundary string `json:"boundary,omitempty"`
}

func (g *grants) attach(policy string) bool {
	if slices.Contains(g.Attached, policy) {
		return false
	}
	g.Attached = append(g.Attached, policy)
	return true
}

func (g *grants) detach(policy string) bool {
	i := slices.Index(g.Attached, policy)
	if i < 0 {
		return false
	}
	g.Attached = slices.Delete(g.Attached, i, i+1)
	return true
}

func (g *grants) inlineNames() []string { return slices.Sorted(maps.Keys(g.Inline)) }

type roleRecord struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ID          string            `json:"id"`
	ARN         arn.ARN           `json:"arn"`
	Trust       string            `json:"trust"`
	Description *string           `json:"description,omitempty"`
	MaxSession  int32             `json:"maxSession"`
	Created     time.Time         `json:"created"`
	Tags        map[string]string `json:"tags,omitempty"`
	// Service is the service principal of a service-linked role.
	Service string `json:"service,omitempty"`
	// Profiles holds the names of the instance profiles that hold the role.
	Profiles []string `json:"profiles,omitempty"`
	grants
}

type userRecord struct {
	Name    string            `json:"name"`
	Path    string            `json:"path"`
	ID      string            `json:"id"`
	ARN     arn.ARN           `json:"arn"`
	Created time.Time         `json:"created"`
	Tags    map[string]string `json:"tags,omitempty"`
	// Keys holds the ids of the user's access keys in order of creation.
	Keys []string `json:"keys,omitempty"`
	grants
}

type policyRecord struct {
	Name        string            `json:"name"`
	Path        string            `json:"path"`
	ID          string            `json:"id"`
	ARN         arn.ARN           `json:"arn"`
	Description *string           `json:"description,omitempty"`
	Document    string            `json:"document"`
	Created     time.Time         `json:"created"`
	Tags        map[string]string `json:"tags,omitempty"`
	// AttachedTo and BoundaryOf hold the ARNs of identities.
	AttachedTo []string `json:"attachedTo,omitempty"`
	BoundaryOf []string `json:"boundaryOf,omitempty"`
}

type keyRecord struct {
	ID string `json:"id"`
	// User is the owner's name.
	User    string            `json:"user"`
	Secret  credential.Secret `json:"secret"`
	Active  bool              `json:"active"`
	Created time.Time         `json:"created"`
}

type sessionRecord struct {
	ID      string             `json:"id"`
	Secret  credential.Secret  `json:"secret"`
	Token   credential.Secret  `json:"token"`
	Expires time.Time          `json:"expires"`
	Session credential.Session `json:"session"`
}
