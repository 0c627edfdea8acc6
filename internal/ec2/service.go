package ec2

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/id"
	"berth.dev/berth/internal/store"
)

// Realizer knows when records have become a network.
type Realizer interface {
	// Realized returns nil once a network has been applied that was compiled from
	// Network(vpcID) at this generation or a later one. It may wait for that, or
	// return an error at once, after which it is asked again with back-off.
	Realized(ctx context.Context, vpcID string, generation int64) error
}

// RealizerFunc is a Realizer made of a function.
type RealizerFunc func(ctx context.Context, vpcID string, generation int64) error

// Realized implements Realizer.
func (f RealizerFunc) Realized(ctx context.Context, vpcID string, generation int64) error {
	return f(ctx, vpcID, generation)
}

// Config is what a Service is made of.
type Config struct {
	Store *store.Store
	// Scope is the one partition, region and account that the service holds.
	Scope arn.Scope
	// Now is the clock; time.Now when nil.
	Now func() time.Time
	// IDs makes the resources' identifiers.
	IDs id.Source
	// Realizer observes networks; when nil, every network counts as applied,
	// which only tests may want.
	Realizer Realizer
	// Log is slog.Default when nil.
	Log *slog.Logger
}

// Service is EC2 in one account and region.
type Service struct {
	scope    arn.Scope
	now      func() time.Time
	ids      id.Source
	realizer Realizer
	log      *slog.Logger

	store     *store.Store
	records   store.Table[record]
	owners    store.Table[string]
	gateways  store.Table[internetGateway]
	addresses store.Table[address]
	elastic   store.Table[pool]
	tokens    store.Table[token]

	// locks keep callers of this process from colliding in the store's
	// optimistic transactions; the transactions alone keep the records right.
	locks locks
}

// New makes the service; it does no I/O.
func New(c Config) *Service {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Log == nil {
		c.Log = slog.Default()
	}
	if c.Realizer == nil {
		c.Realizer = RealizerFunc(func(context.Context, string, int64) error { return nil })
	}
	return &Service{
		scope: c.Scope, now: c.Now, ids: c.IDs, realizer: c.Realizer, log: c.Log,
		store:     c.Store,
		records:   store.NewTable[record](c.Store, "ec2/networks"),
		owners:    store.NewTable[string](c.Store, "ec2/owners"),
		gateways:  store.NewTable[internetGateway](c.Store, "ec2/internet-gateways"),
		addresses: store.NewTable[address](c.Store, "ec2/addresses"),
		elastic:   store.NewTable[pool](c.Store, "ec2/address-pool"),
		tokens:    store.NewTable[token](c.Store, "ec2/tokens"),
	}
}

// change edits the document of a VPC in one transaction. When dryRun is set
// nothing is written and a request that would have succeeded is refused with
// DryRunOperation.
func (s *Service) change(ctx context.Context, vpcID string, dryRun bool, f func(*store.Tx, *network) error) error {
	defer s.locks.lock(vpcID)()
	now := s.now()
	return s.update(ctx, dryRun, func(tx *store.Tx) error {
		n, err := s.networkIn(tx, vpcID)
		if err != nil {
			return err
		}
		for _, gone := range n.prune(now) {
			s.dropToken(tx, "CreateNatGateway", gone.ClientToken)
			s.owners.DeleteIn(tx, gone.ID)
		}
		if err := f(tx, n); err != nil {
			return err
		}
		return s.putNetwork(tx, n)
	})
}

// changePart is change for the VPC that the part of a kind belongs to.
func (s *Service) changePart(ctx context.Context, k kind, id string, dryRun bool, f func(*store.Tx, *network) error) error {
	vpcID, err := s.owner(ctx, k, id)
	if err != nil {
		return err
	}
	err = s.change(ctx, vpcID, dryRun, f)
	if errors.Is(err, errNoNetwork) {
		return k.notFound(id)
	}
	return err
}

// update runs a transaction that is thrown away in a dry run.
func (s *Service) update(ctx context.Context, dryRun bool, f func(*store.Tx) error) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		if err := f(tx); err != nil {
			return err
		}
		if dryRun {
			return errDryRun
		}
		return nil
	})
}

// owner is the VPC that a part belongs to. Identifiers are never used again, so
// it may be read before the transaction that needs it.
func (s *Service) owner(ctx context.Context, k kind, id string) (string, error) {
	if err := k.check(id); err != nil {
		return "", err
	}
	vpcID, err := s.owners.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) {
		return "", k.notFound(id)
	}
	return vpcID, err
}

// errNoNetwork is wrapped by the refusal of a VPC that is not there.
var errNoNetwork = errors.New("the VPC has no record")

func (s *Service) networkIn(tx *store.Tx, vpcID string) (*network, error) {
	r, err := s.records.GetIn(tx, documentKey(vpcID))
	if errors.Is(err, store.ErrNotFound) {
		return nil, kindVPC.notFound(vpcID).Because(errNoNetwork)
	}
	if err != nil {
		return nil, err
	}
	if r.Network == nil {
		return nil, fmt.Errorf("reading the record of VPC %s: it holds no VPC", vpcID)
	}
	return r.Network, nil
}

func (s *Service) putNetwork(tx *store.Tx, n *network) error {
	n.Generation++
	return s.records.PutIn(tx, documentKey(n.VPC.ID), record{Network: n})
}
