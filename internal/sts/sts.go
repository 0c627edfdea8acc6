// Package sts is Berth's Security Token Service: who a caller is, and
// temporary keys for those who may have them. It keeps no records of its own;
// roles and sessions are behind Identities. It speaks no wire protocol. The
// composition root imports it.
package sts

import (
	"context"
	"errors"
	"log/slog"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/principal"
)

// Identities is what STS needs of IAM.
type Identities interface {
	// Role reads a role; credential.ErrNoRole when there is none.
	Role(ctx context.Context, role arn.ARN) (credential.Role, error)
	// Authorize returns a *fault.Error when the caller's own policies do not
	// allow an action on a resource.
	Authorize(ctx context.Context, p principal.Principal, action, resource string, conditions map[string][]string) error
	// IssueSession makes a temporary key.
	IssueSession(ctx context.Context, v credential.Session) (credential.Temporary, error)
	// KeyAccount is the account that an access key belongs to;
	// credential.ErrUnknownKey when there is no such key.
	KeyAccount(ctx context.Context, accessKeyID string) (account string, err error)
}

// Config is what a Service needs.
type Config struct {
	Scope      arn.Scope
	Identities Identities
	// RootMayAssumeRoles lets the root user assume roles whose trust policy
	// names its account. AWS refuses the root user always; an installation
	// whose only key is the root user's may want otherwise.
	RootMayAssumeRoles bool
	Log                *slog.Logger
}

// Service is the STS of one account.
type Service struct {
	scope      arn.Scope
	identities Identities
	rootMay    bool
	log        *slog.Logger
}

// New makes the service of an account.
func New(c Config) (*Service, error) {
	if c.Identities == nil || c.Scope.Partition == "" || c.Scope.Account == "" {
		return nil, errors.New("making the STS service: no identities, partition or account")
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Service{scope: c.Scope, identities: c.Identities, rootMay: c.RootMayAssumeRoles, log: c.Log}, nil
}

// GetCallerIdentity says who signed the request. Everyone may ask.
func (s *Service) GetCallerIdentity(ctx context.Context, _ *sts.GetCallerIdentityInput) (*sts.GetCallerIdentityOutput, error) {
	p, ok := principal.FromContext(ctx)
	if !ok {
		return nil, missingToken()
	}
	text := p.ARN.String()
	return &sts.GetCallerIdentityOutput{Account: &p.Account, Arn: &text, UserId: &p.UserID}, nil
}

func missingToken() *fault.Error {
	return fault.New(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
}
