// Package principal is who calls: the identity that the front door verified
// and that domain services read from the context. It verifies nothing itself.
// Every package may import it.
package principal

import (
	"context"

	"berth.dev/berth/internal/arn"
)

// Kind is what sort of principal calls.
type Kind string

const (
	Root        Kind = "Root"
	User        Kind = "User"
	AssumedRole Kind = "AssumedRole"
)

// Principal is a verified caller.
type Principal struct {
	Kind Kind
	// ARN is what GetCallerIdentity answers: arn:…:root, …:user/name or
	// arn:…:sts::…:assumed-role/role/session.
	ARN arn.ARN
	// Account is the 12-digit account id.
	Account string
	// UserID is the account for root, AIDA… for a user, AROA…:session for a role.
	UserID string
	// AccessKeyID is the key that signed.
	AccessKeyID string
	// Role is the role's own ARN (with its path) for AssumedRole.
	Role arn.ARN
	// SessionName is the role session's name for AssumedRole.
	SessionName string
}

// Issuer is the IAM entity behind the caller: the role of a session, else the
// caller's own ARN. Access entries and aws-auth name issuers.
func (p Principal) Issuer() arn.ARN {
	if p.Kind == AssumedRole {
		return p.Role
	}
	return p.ARN
}

type key struct{}

// NewContext returns ctx with the caller.
func NewContext(ctx context.Context, p Principal) context.Context {
	return context.WithValue(ctx, key{}, p)
}

// FromContext is the verified caller; ok is false on paths without one.
func FromContext(ctx context.Context) (p Principal, ok bool) {
	p, ok = ctx.Value(key{}).(Principal)
	return p, ok
}
