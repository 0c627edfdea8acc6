package store

import (
	"context"
	"strings"

	"go.etcd.io/etcd/api/v3/v3rpc/rpctypes"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Keys calls f with the key of every record under prefix, then with the key of
// each record that is written or removed, until ctx ends or etcd fails. A
// compacted history is read again from a fresh list, so a key may come more
// than once and intermediate states may be skipped: level, not edge. After a
// fresh list, a removal may go unseen; callers that care list for themselves.
func (t Table[T]) Keys(ctx context.Context, prefix string, f func(key string)) error {
	for {
		entries, rev, err := t.snapshot(ctx, prefix)
		if err != nil {
			return err
		}
		for _, e := range entries {
			f(e.Key)
		}
		err = t.follow(ctx, prefix, rev+1, f)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != rpctypes.ErrCompacted {
			return err
		}
	}
}

func (t Table[T]) follow(ctx context.Context, prefix string, rev int64, f func(key string)) error {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	for r := range t.store.client.Watch(ctx, t.root+prefix, clientv3.WithPrefix(), clientv3.WithRev(rev)) {
		if err := r.Err(); err != nil {
			return err
		}
		for _, ev := range r.Events {
			f(strings.TrimPrefix(string(ev.Kv.Key), t.root))
		}
	}
	return ctx.Err()
}
