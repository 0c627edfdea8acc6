package iam

import (
	"context"
	"errors"
	"fmt"

	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/principal"
	"berth.dev/berth/internal/store"
)

// Lookup finds whose access key an id is and the secret that signs with it.
// Temporary keys come with the session token that a request must carry; for
// others it is "". It returns credential.ErrUnknownKey for an id that stands
// for nobody now, and credential.ErrExpired for a session that has ended.
func (s *Service) Lookup(ctx context.Context, accessKeyID string) (secret, sessionToken string, p principal.Principal, err error) {
	if accessKeyID != "" && accessKeyID == s.root.ID {
		return s.root.Secret.Reveal(), "", s.rootPrincipal(accessKeyID), nil
	}
	k, err := s.keys.Get(ctx, accessKeyID)
	if err == nil {
		p, err = s.keyOwner(ctx, k)
		return k.Secret.Reveal(), "", p, err
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", "", p, err
	}
	r, err := s.sessions.Get(ctx, accessKeyID)
	if errors.Is(err, store.ErrNotFound) {
		return "", "", p, unknownKey(accessKeyID)
	} else if err != nil {
		return "", "", p, err
	}
	if !s.clock.Now().Before(r.Expires) {
		return "", "", p, fmt.Errorf("looking up access key %s: %w", accessKeyID, credential.ErrExpired)
	}
	p, err = s.sessionOwner(ctx, r)
	return r.Secret.Reveal(), r.Token.Reveal(), p, err
}

func unknownKey(id string) error {
	return fmt.Errorf("looking up access key %s: %w", id, credential.ErrUnknownKey)
}

func (s *Service) rootPrincipal(key string) principal.Principal {
	return principal.Principal{
		Kind: principal.Root, ARN: s.scope.Global("iam", "root"), Account: s.scope.Account,
		UserID: s.scope.Account, AccessKeyID: key,
	}
}

func (s *Service) keyOwner(ctx context.Context, k keyRecord) (principal.Principal, error) {
	u, err := s.users.Get(ctx, nameKey(k.User))
	if errors.Is(err, store.ErrNotFound) || !k.Active {
		return principal.Principal{}, unknownKey(k.ID)
	} else if err != nil {
		return principal.Principal{}, err
	}
	return principal.Principal{Kind: principal.User, ARN: u.ARN, Account: u.ARN.Account, UserID: u.ID, AccessKeyID: k.ID}, nil
}

// sessionOwner is the principal of a session whose identity is still there: a
// role made again under the same name is another role.
func (s *Service) sessionOwner(ctx context.Context, r sessionRecord) (principal.Principal, error) {
	v := r.Session
	if v.Role.Service != "" {
		role, err := s.roleByARN(ctx, v.Role)
		if errors.Is(err, credential.ErrNoRole) || err == nil && role.ID != v.RoleID {
			return principal.Principal{}, unknownKey(r.ID)
		} else if err != nil {
			return principal.Principal{}, err
		}
		return principal.Principal{
			Kind: principal.AssumedRole, Role: role.ARN, SessionName: v.SessionName, AccessKeyID: r.ID,
			Account: role.ARN.Account, UserID: role.ID + ":" + v.SessionName,
			ARN: s.scope.Global("sts", "assumed-role/"+role.Name+"/"+v.SessionName),
		}, nil
	}
	if v.Owner == s.scope.Global("iam", "root") {
		return s.rootPrincipal(r.ID), nil
	}
	u, err := s.users.Get(ctx, policyKey(v.Owner.Resource))
	if errors.Is(err, store.ErrNotFound) || err == nil && u.ID != v.OwnerID {
		return principal.Principal{}, unknownKey(r.ID)
	} else if err != nil {
		return principal.Principal{}, err
	}
	return principal.Principal{Kind: principal.User, ARN: u.ARN, Account: u.ARN.Account, UserID: u.ID, AccessKeyID: r.ID}, nil
}
