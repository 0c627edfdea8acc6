package iam

import (
	"context"
	"errors"
	"fmt"
	"time"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/store"
)

const sweepInterval = 15 * time.Minute

// IssueSession keeps a session and returns the temporary key that stands for
// it. Whether the session may be is for the caller to decide first.
func (s *Service) IssueSession(ctx context.Context, v credential.Session) (credential.Temporary, error) {
	t := credential.Temporary{
		AccessKeyID: s.ids.IAM("ASIA")[:20],
		Secret:      credential.Secret(s.ids.Secret(40)),
		Token:       credential.Secret(s.ids.Secret(356)),
		Expiration:  s.now().Add(v.Duration),
	}
	r := sessionRecord{ID: t.AccessKeyID, Secret: t.Secret, Token: t.Token, Expires: t.Expiration, Session: v}
	if err := s.sessions.Create(ctx, r.ID, r); err != nil {
		return credential.Temporary{}, fmt.Errorf("issuing a session of %s%s: %w", v.Role, v.Owner, err)
	}
	if err := s.sweepSessions(ctx); err != nil {
		s.log.WarnContext(ctx, "expired sessions were not swept", "error", err)
	}
	return t, nil
}

// sweepSessions deletes sessions an hour after their end, so that for a while
// a stale key is told that it has expired. It does so now and then, as
// sessions are issued: without new sessions there is nothing that grows.
func (s *Service) sweepSessions(ctx context.Context) error {
	now := s.clock.Now()
	s.sweep.Lock()
	due := !now.Before(s.sweep.next)
	if due {
		s.sweep.next = now.Add(sweepInterval)
	}
	s.sweep.Unlock()
	if !due {
		return nil
	}
	entries, err := s.sessions.List(ctx, "")
	if err != nil {
		return err
	}
	for _, e := range entries {
		if now.Sub(e.Value.Expires) > time.Hour {
			if err := s.sessions.Delete(ctx, e.Key); err != nil {
				return err
			}
		}
	}
	return nil
}

// Role reads the role with an ARN; credential.ErrNoRole when there is none, or
// when the ARN has another path or account than the role.
func (s *Service) Role(ctx context.Context, a arn.ARN) (credential.Role, error) {
	r, err := s.roleByARN(ctx, a)
	if err != nil {
		return credential.Role{}, err
	}
	return credential.Role{
		ARN: r.ARN, Name: r.Name, Path: r.Path, ID: r.ID, Trust: r.Trust,
		MaxSession: time.Duration(r.MaxSession) * time.Second, ServiceLinked: r.Service != "",
	}, nil
}

// RoleByARN is Role for those who need a role's name, unique id and trust
// document alone.
func (s *Service) RoleByARN(ctx context.Context, a arn.ARN) (name, uniqueID, trust string, err error) {
	r, err := s.roleByARN(ctx, a)
	return r.Name, r.ID, r.Trust, err
}

func (s *Service) roleByARN(ctx context.Context, a arn.ARN) (roleRecord, error) {
	if a.Service != "iam" || a.ResourceType() != "role" {
		return roleRecord{}, fmt.Errorf("reading role %s: %w", a, credential.ErrNoRole)
	}
	r, err := s.roles.Get(ctx, policyKey(a.Resource))
	if errors.Is(err, store.ErrNotFound) || err == nil && r.ARN != a {
		return roleRecord{}, fmt.Errorf("reading role %s: %w", a, credential.ErrNoRole)
	}
	return r, err
}
