// Package work runs durable reconcilers: each is a function from a record's
// key to the next step towards what the record asks for. Intent is stored
// before the side effect, so a reconciler that starts after a crash is told of
// every key again and goes on where its predecessor stopped. It knows nothing
// of any record's meaning; domain services and controllers import it.
//
//	record written ─► key queued ─► Reconcile(key) ─► done
//	                     ▲   ▲          │  │
//	                     │   └─ after ──┘  │
//	                     └── back-off ─────┘ error
package work

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"k8s.io/client-go/util/workqueue"
	"k8s.io/utils/clock"
)

// Func takes one step for the record of a key, which may be gone. It returns
// how long to wait before it is called again (zero: not until the record
// changes), or an error, which is logged and retried with back-off. It is
// never called twice at once for one key.
type Func func(ctx context.Context, key string) (again time.Duration, err error)

// Options tune a Queue.
type Options struct {
	// Workers is how many keys are worked at once; zero means 4.
	Workers int
	// MinDelay and MaxDelay bound the back-off of a failing key; zero means
	// 50 ms and 30 s.
	MinDelay, MaxDelay time.Duration
	// Clock is the real one when nil.
	Clock clock.WithTicker
	// Log is slog.Default when nil.
	Log *slog.Logger
}

// Queue is a set of keys that wait to be reconciled.
type Queue struct {
	name string
	do   Func
	opts Options
	q    workqueue.TypedRateLimitingInterface[string]
}

// New makes a queue; Run works it.
func New(name string, do Func, opts Options) *Queue {
	if opts.Workers == 0 {
		opts.Workers = 4
	}
	if opts.MinDelay == 0 {
		opts.MinDelay = 50 * time.Millisecond
	}
	if opts.MaxDelay == 0 {
		opts.MaxDelay = 30 * time.Second
	}
	if opts.Clock == nil {
		opts.Clock = clock.RealClock{}
	}
	if opts.Log == nil {
		opts.Log = slog.Default()
	}
	limiter := workqueue.NewTypedItemExponentialFailureRateLimiter[string](opts.MinDelay, opts.MaxDelay)
	return &Queue{
		name: name, do: do, opts: opts,
		q: workqueue.NewTypedRateLimitingQueueWithConfig(limiter, workqueue.TypedRateLimitingQueueConfig[string]{
			Clock: opts.Clock,
		}),
	}
}

// Add queues a key at once.
func (q *Queue) Add(key string) { q.q.Add(key) }

// AddAfter queues a key once d has passed.
func (q *Queue) AddAfter(key string, d time.Duration) { q.q.AddAfter(key, d) }

// Len is how many keys wait.
func (q *Queue) Len() int { return q.q.Len() }

// Run works the queue until ctx ends and every running step has returned.
func (q *Queue) Run(ctx context.Context) {
	var wg sync.WaitGroup
	stop := context.AfterFunc(ctx, q.q.ShutDown)
	defer stop()
	for range q.opts.Workers {
		wg.Go(func() {
			for q.step(ctx) {
			}
		})
	}
	wg.Wait()
}

func (q *Queue) step(ctx context.Context) bool {
	key, shutdown := q.q.Get()
	if shutdown {
		return false
	}
	defer q.q.Done(key)
	again, err := q.do(ctx, key)
	switch {
	case err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()):
	case err != nil:
		q.opts.Log.Warn("reconcile", "queue", q.name, "key", key, "attempt", q.q.NumRequeues(key)+1, "error", err)
		q.q.AddRateLimited(key)
	default:
		q.q.Forget(key)
		if again > 0 {
			q.q.AddAfter(key, again)
		}
	}
	return true
}

// Source calls f with keys until ctx ends; store.Table.Keys is one.
type Source func(ctx context.Context, f func(key string)) error

// Follow feeds the queue from a source until ctx ends, starting the source
// again with back-off when it fails. to maps a source's key to the key to
// reconcile; nil keeps it.
func (q *Queue) Follow(ctx context.Context, source Source, to func(string) string) {
	if to == nil {
		to = func(key string) string { return key }
	}
	delay := q.opts.MinDelay
	for ctx.Err() == nil {
		err := source(ctx, func(key string) {
			delay = q.opts.MinDelay
			q.Add(to(key))
		})
		if ctx.Err() != nil {
			return
		}
		q.opts.Log.Warn("follow", "queue", q.name, "error", err)
		timer := q.opts.Clock.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C():
		}
		delay = min(2*delay, q.opts.MaxDelay)
	}
}
