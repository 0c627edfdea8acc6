package main

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// until asks again every few milliseconds until ok, and returns the last error
// when ctx ends first.
func until(ctx context.Context, what string, every time.Duration, ok func(context.Context) (bool, error)) error {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		done, err := ok(ctx)
		if done {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting until %s: %w (%v)", what, ctx.Err(), err)
		case <-tick.C:
		}
	}
}

// pause waits, so that what has just happened is over before it is measured.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// quantile is the smallest value that a share q of the values does not exceed.
func quantile(values []time.Duration, q float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	at := int(q*float64(len(sorted))+0.999999) - 1
	return milliseconds(sorted[min(max(at, 0), len(sorted)-1)])
}

func median(values []time.Duration) float64 { return quantile(values, 0.5) }

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
