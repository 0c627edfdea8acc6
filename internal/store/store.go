// Package store keeps Berth's records in etcd, as JSON under one prefix:
// typed tables, transactions across them, and watches. It knows no record's
// meaning. Domain services import it; codecs and the command line do not.
//
// Inside a transaction there is no clock, randomness or I/O: the function may
// run more than once, and what it needs comes in as arguments. Reads are copies.
package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/client/v3/concurrency"
)

var (
	// ErrNotFound says that no record has the key.
	ErrNotFound = errors.New("record not found")
	// ErrExists says that a record has the key already.
	ErrExists = errors.New("record exists already")
)

// Store is a prefix of an etcd.
type Store struct {
	client *clientv3.Client
	prefix string
}

// New opens the records under prefix, for example /berth/.
func New(client *clientv3.Client, prefix string) *Store {
	return &Store{client: client, prefix: strings.TrimSuffix(prefix, "/") + "/"}
}

// Tx is a transaction: it sees one snapshot and is applied whole or not at all.
type Tx struct {
	stm concurrency.STM
}

// Update runs f in a serializable transaction. f is run again when another
// writer got in between; when f returns an error nothing is written and the
// error comes back as it is.
func (s *Store) Update(ctx context.Context, f func(*Tx) error) error {
	_, err := concurrency.NewSTM(s.client, func(stm concurrency.STM) error {
		return f(&Tx{stm: stm})
	}, concurrency.WithAbortContext(ctx), concurrency.WithIsolation(concurrency.SerializableSnapshot))
	return err
}

// Table is the records of one kind, by key. A key is one or more segments
// joined by slashes; a prefix of segments lists a subtree.
type Table[T any] struct {
	store *Store
	root  string
	kind  string
}

// NewTable opens the table of a kind, for example "ec2/subnets". Two tables
// must not share a kind.
func NewTable[T any](s *Store, kind string) Table[T] {
	return Table[T]{store: s, root: s.prefix + kind + "/", kind: kind}
}

// Get reads a record; ErrNotFound when there is none.
func (t Table[T]) Get(ctx context.Context, key string) (T, error) {
	var zero T
	r, err := t.store.client.Get(ctx, t.root+key)
	if err != nil {
		return zero, fmt.Errorf("reading %s %s: %w", t.kind, key, err)
	}
	if len(r.Kvs) == 0 {
		return zero, fmt.Errorf("reading %s %s: %w", t.kind, key, ErrNotFound)
	}
	return t.decode(key, string(r.Kvs[0].Value))
}

// Entry is a record and its key.
type Entry[T any] struct {
	Key   string
	Value T
}

// List reads the records whose key begins with prefix, in order of their keys.
func (t Table[T]) List(ctx context.Context, prefix string) ([]Entry[T], error) {
	entries, _, err := t.snapshot(ctx, prefix)
	return entries, err
}

func (t Table[T]) snapshot(ctx context.Context, prefix string) ([]Entry[T], int64, error) {
	r, err := t.store.client.Get(ctx, t.root+prefix, clientv3.WithPrefix())
	if err != nil {
		return nil, 0, fmt.Errorf("listing %s %s: %w", t.kind, prefix, err)
	}
	entries := make([]Entry[T], 0, len(r.Kvs))
	for _, kv := range r.Kvs {
		key := strings.TrimPrefix(string(kv.Key), t.root)
		v, err := t.decode(key, string(kv.Value))
		if err != nil {
			return nil, 0, err
		}
		entries = append(entries, Entry[T]{Key: key, Value: v})
	}
	return entries, r.Header.Revision, nil
}

// Create writes a new record in a transaction of its own; ErrExists when the
// key is taken.
func (t Table[T]) Create(ctx context.Context, key string, v T) error {
	return t.store.Update(ctx, func(tx *Tx) error { return t.CreateIn(tx, key, v) })
}

// Change edits a record in a transaction of its own and returns the outcome.
// An error of f leaves the record as it was; ErrNotFound when there is none.
func (t Table[T]) Change(ctx context.Context, key string, f func(*T) error) (T, error) {
	var out T
	err := t.store.Update(ctx, func(tx *Tx) error {
		v, err := t.GetIn(tx, key)
		if err != nil {
			return err
		}
		if err := f(&v); err != nil {
			return err
		}
		out = v
		return t.PutIn(tx, key, v)
	})
	return out, err
}

// Delete removes a record; an absent one is not an error.
func (t Table[T]) Delete(ctx context.Context, key string) error {
	return t.store.Update(ctx, func(tx *Tx) error { t.DeleteIn(tx, key); return nil })
}

// GetIn reads within a transaction; ErrNotFound when there is none.
func (t Table[T]) GetIn(tx *Tx, key string) (T, error) {
	var zero T
	s := tx.stm.Get(t.root + key)
	if s == "" {
		return zero, fmt.Errorf("reading %s %s: %w", t.kind, key, ErrNotFound)
	}
	return t.decode(key, s)
}

// HasIn says within a transaction whether there is a record.
func (t Table[T]) HasIn(tx *Tx, key string) bool { return tx.stm.Get(t.root+key) != "" }

// CreateIn writes a new record within a transaction; ErrExists when the key is taken.
func (t Table[T]) CreateIn(tx *Tx, key string, v T) error {
	if t.HasIn(tx, key) {
		return fmt.Errorf("creating %s %s: %w", t.kind, key, ErrExists)
	}
	return t.PutIn(tx, key, v)
}

// PutIn writes a record within a transaction, whether or not there is one.
func (t Table[T]) PutIn(tx *Tx, key string, v T) error {
	b, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encoding %s %s: %w", t.kind, key, err)
	}
	tx.stm.Put(t.root+key, string(b))
	return nil
}

// DeleteIn removes a record within a transaction.
func (t Table[T]) DeleteIn(tx *Tx, key string) { tx.stm.Del(t.root + key) }

func (t Table[T]) decode(key, s string) (T, error) {
	var v T
	if err := json.Unmarshal([]byte(s), &v); err != nil {
		return v, fmt.Errorf("decoding %s %s: %w", t.kind, key, err)
	}
	return v, nil
}
