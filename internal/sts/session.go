package sts

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/sts"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/principal"
)

const (
	sessionTokenDuration = 12 * time.Hour
	sessionTokenMost     = 36 * time.Hour
	sessionTokenRoot     = time.Hour
)

// GetSessionToken gives a user or the root user a temporary key of its own. A
// temporary key cannot call it. There are no MFA devices.
func (s *Service) GetSessionToken(ctx context.Context, in *sts.GetSessionTokenInput) (*sts.GetSessionTokenOutput, error) {
	p, ok := principal.FromContext(ctx)
	if !ok {
		return nil, missingToken()
	}
	var c check
	d := sessionTokenDuration
	if in.DurationSeconds != nil {
		d = c.duration(*in.DurationSeconds, sessionTokenMost)
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	switch {
	case p.Kind == principal.AssumedRole, strings.HasPrefix(p.AccessKeyID, "ASIA"):
		return nil, fault.New(403, "AccessDenied", "Cannot call GetSessionToken with session credentials")
	case in.SerialNumber != nil || in.TokenCode != nil:
		return nil, fault.New(403, "AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.")
	case p.Kind == principal.Root:
		d = min(d, sessionTokenRoot)
	}
	t, err := s.identities.IssueSession(ctx, credential.Session{Owner: p.ARN, OwnerID: p.UserID, Duration: d})
	if err != nil {
		return nil, err
	}
	return &sts.GetSessionTokenOutput{Credentials: credentials(t)}, nil
}

// GetAccessKeyInfo says which account an access key belongs to.
func (s *Service) GetAccessKeyInfo(ctx context.Context, in *sts.GetAccessKeyInfoInput) (*sts.GetAccessKeyInfoOutput, error) {
	var c check
	id := c.text("accessKeyId", in.AccessKeyId, 16, 128)
	if err := c.err(); err != nil {
		return nil, err
	}
	account, err := s.identities.KeyAccount(ctx, id)
	if errors.Is(err, credential.ErrUnknownKey) {
		return nil, invalid("The access key ID %s is not valid.", id).Because(err)
	} else if err != nil {
		return nil, err
	}
	return &sts.GetAccessKeyInfoOutput{Account: &account}, nil
}
