package hello

import (
	"context"
	"fmt"
	"math"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// cpu keeps workers busy for a duration, or until the process is told to stop,
// and says how much processor time it was given.
func cpu(ctx context.Context, p Process) error {
	fs := newFlags("cpu")
	workers := fs.Int("workers", runtime.NumCPU(), "")
	duration := fs.Duration("duration", 0, "")
	if err := onlyFlags(parse(fs, p.Args)); err != nil {
		return err
	}
	ctx, cancel := bounded(ctx, *duration)
	defer cancel()
	start := time.Now()
	fmt.Fprintf(p.Stdout, "burning with %d workers\n", *workers)
	var wg sync.WaitGroup
	for range *workers {
		wg.Go(func() { spin(ctx) })
	}
	wg.Wait()
	used, err := processorTime()
	if err != nil {
		return err
	}
	wall := time.Since(start)
	_, err = fmt.Fprintf(p.Stdout, "used %s of processor time in %s: %.2f cores\n",
		used.Round(time.Millisecond), wall.Round(time.Millisecond), used.Seconds()/wall.Seconds())
	return err
}

func spin(ctx context.Context) {
	x := 1.0
	for ctx.Err() == nil {
		for range 1 << 16 {
			x = math.Sqrt(x + 1)
		}
	}
	runtime.KeepAlive(x)
}

func processorTime() (time.Duration, error) {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("reading processor time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// mem fills memory and holds it for a duration, or until the process is told
// to stop. It grows in steps, so a limit is met where it stands.
func mem(ctx context.Context, p Process) error {
	fs := newFlags("mem")
	size := fs.String("bytes", "", "")
	duration := fs.Duration("duration", 0, "")
	if err := onlyFlags(parse(fs, p.Args)); err != nil {
		return err
	}
	want, err := parseBytes(*size)
	if err != nil {
		return err
	}
	const step = 1 << 20
	var held [][]byte
	for left := want; left > 0 && ctx.Err() == nil; left -= min(left, step) {
		block := make([]byte, min(left, step))
		for i := 0; i < len(block); i += os.Getpagesize() {
			block[i] = 1
		}
		held = append(held, block)
	}
	fmt.Fprintf(p.Stdout, "holding %d bytes\n", want)
	ctx, cancel := bounded(ctx, *duration)
	defer cancel()
	<-ctx.Done()
	runtime.KeepAlive(held)
	return nil
}

// parseBytes reads a whole number with one of Kubernetes' suffixes, or none.
func parseBytes(s string) (int64, error) {
	number := strings.TrimRight(s, "kKMGi")
	units := map[string]int64{
		"": 1, "k": 1e3, "M": 1e6, "G": 1e9, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30,
	}
	unit, ok := units[s[len(number):]]
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || !ok || n <= 0 || n > math.MaxInt64/unit {
		return 0, usagef("--bytes %q is not a size such as 67108864 or 64Mi", s)
	}
	return n * unit, nil
}

// sleep accepts several times and sleeps for their sum, as sleep does.
func sleep(ctx context.Context, p Process) error {
	if len(p.Args) == 0 {
		return usagef("want a time")
	}
	var total time.Duration
	for _, a := range p.Args {
		d, err := parseSleep(a)
		if err != nil {
			return err
		}
		if total += d; total < 0 {
			total = math.MaxInt64
		}
	}
	timer := time.NewTimer(total)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// parseSleep reads seconds, a Go duration, whole days such as 1d, or infinity.
func parseSleep(s string) (time.Duration, error) {
	if s == "infinity" || s == "inf" {
		return math.MaxInt64, nil
	}
	unit := time.Second
	number := s
	if days, ok := strings.CutSuffix(s, "d"); ok {
		unit, number = 24*time.Hour, days
	}
	if n, err := strconv.ParseFloat(number, 64); err == nil && n >= 0 && !math.IsInf(n, 0) {
		if n *= float64(unit); n >= math.MaxInt64 {
			return math.MaxInt64, nil
		}
		return time.Duration(n), nil
	}
	if d, err := time.ParseDuration(s); err == nil && d >= 0 {
		return d, nil
	}
	return 0, usagef("%q is not a time", s)
}

// bounded ends with ctx or after d, whichever is first; 0 sets no bound.
func bounded(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	if d <= 0 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, d)
}

func onlyFlags(operands []string, err error) error {
	if err == nil && len(operands) > 0 {
		return usagef("unexpected argument %q", operands[0])
	}
	return err
}
