package iam

import (
	"context"
	"errors"
	"fmt"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/iam/policy"
)

// Trust is what a service learns about a role that it is to assume.
type Trust struct {
	// Exists says that there is such a role; without it the rest is zero.
	Exists bool
	// Trusted says that the service may assume the role.
	Trusted bool
	// HasPath says that the role has a path other than /.
	HasPath bool
	// Name and ID are the role's own; ID is AROA….
	Name, ID string
	// Reason says in one line what decided, for logs.
	Reason string
}

// ServiceTrust decides whether a service may assume a role. The conditions are
// those the service would send, usually aws:SourceArn and aws:SourceAccount.
// An error is a failure to look, never a no.
func (s *Service) ServiceTrust(ctx context.Context, role arn.ARN, service string, conditions map[string][]string) (Trust, error) {
	r, err := s.roleByARN(ctx, role)
	if errors.Is(err, credential.ErrNoRole) {
		return Trust{Reason: "no such role"}, nil
	} else if err != nil {
		return Trust{}, fmt.Errorf("reading the trust of %s: %w", role, err)
	}
	d, err := policy.Parse(policy.Trust, r.Trust)
	if err != nil {
		return Trust{}, fmt.Errorf("reading the trust of %s: %w", role, err)
	}
	decision := policy.Trusts(d, service, conditions)
	return Trust{
		Exists: true, Trusted: decision.Allowed(), HasPath: r.Path != "/",
		Name: r.Name, ID: r.ID, Reason: decision.String(),
	}, nil
}
