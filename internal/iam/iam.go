// Package iam is Berth's Identity and Access Management: roles, users, access
// keys and policies, the keys that sign requests, and the decision whether an
// identity may do what it asks. It speaks no wire protocol, verifies no
// signature and knows no other service; the front door calls its operations,
// which carry the names and shapes of the AWS SDK. The composition root imports
// it; package policy below it is free of its records.
package iam

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/id"
	"berth.dev/berth/internal/principal"
	"berth.dev/berth/internal/store"
)

// Key is an access key of the installation's root user.
type Key struct {
	ID     string
	Secret credential.Secret
}

// Config is what a Service needs.
type Config struct {
	Store *store.Store
	// Scope names the partition and the account; IAM has no region.
	Scope arn.Scope
	// Root is the root user's key; with an empty ID the root user has none.
	Root Key
	// Clock, IDs and Log default to the real ones.
	Clock clock.PassiveClock
	IDs   id.Source
	Log   *slog.Logger
}

// Service is the IAM of one account.
type Service struct {
	store *store.Store
	scope arn.Scope
	root  Key
	clock clock.PassiveClock
	ids   id.Source
	log   *slog.Logger

	roles    store.Table[roleRecord]
	users    store.Table[userRecord]
	policies store.Table[policyRecord]
	keys     store.Table[keyRecord]
	sessions store.Table[sessionRecord]
	profiles store.Table[profileRecord]

	// managed holds AWS's policies by ARN; nothing writes it after New.
	managed map[string]managedPolicy

	sweep struct {
		sync.Mutex
		next time.Time
	}
}

// New makes the service of an account.
func New(c Config) (*Service, error) {
	switch {
	case c.Store == nil:
		return nil, errors.New("making the IAM service: no store")
	case c.Scope.Partition == "" || c.Scope.Account == "":
		return nil, errors.New("making the IAM service: no partition or account")
	case (c.Root.ID == "") != (c.Root.Secret == ""):
		return nil, errors.New("making the IAM service: half a root key")
	}
	if c.Clock == nil {
		c.Clock = clock.RealClock{}
	}
	if c.IDs.Random == nil {
		c.IDs.Random = rand.Reader
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	managed, err := loadManaged(c.Scope.Partition)
	if err != nil {
		return nil, fmt.Errorf("making the IAM service: %w", err)
	}
	return &Service{
		managed: managed,
		store:   c.Store, scope: c.Scope, root: c.Root, clock: c.Clock, ids: c.IDs, log: c.Log,
		roles:    store.NewTable[roleRecord](c.Store, "iam/roles"),
		users:    store.NewTable[userRecord](c.Store, "iam/users"),
		policies: store.NewTable[policyRecord](c.Store, "iam/policies"),
		keys:     store.NewTable[keyRecord](c.Store, "iam/access-keys"),
		sessions: store.NewTable[sessionRecord](c.Store, "iam/sessions"),
		profiles: store.NewTable[profileRecord](c.Store, "iam/instance-profiles"),
	}, nil
}

// now is the time in the whole seconds that IAM shows.
func (s *Service) now() time.Time { return s.clock.Now().UTC().Truncate(time.Second) }

// caller is who asks; requests without a verified caller come from inside.
func caller(ctx context.Context) principal.Principal {
	p, _ := principal.FromContext(ctx)
	return p
}
