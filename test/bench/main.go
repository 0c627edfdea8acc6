// Command bench measures Berth against named floors: for every figure the same
// outcome reached with as little as possible, measured in the same run on the
// same machine. It prints one JSON line a figure and asserts nothing. It is no
// test and no load generator. Nothing imports it; scripts/bench runs it.
//
// The Berths that it measures are the built program, in folders and on ports of
// their own. They are purged at the end, also after an interrupt.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

// part is a group of figures that share what they have to start.
type part struct {
	name  string
	limit time.Duration
	what  string
	do    func(ctx context.Context, b *bench) error
}

// parts run in this order.
var parts = []part{
	{"micro", 30 * time.Second, "matching of profiles and review of admissions, against doing neither", measureMicro},
	{"cluster", 2 * time.Minute, "CreateCluster until ACTIVE and answering, against a bare etcd and kube-apiserver", measureCluster},
	{"idle", 2 * time.Minute, "memory and CPU of an idle cluster, against a bare etcd and kube-apiserver", measureIdle},
	{"pod", 4 * time.Minute, "created until Running, one by one and at once, and memory, against the CRI alone", measurePods},
	{"hollow", 4 * time.Minute, "many nodes with their pods without containers, against their objects alone", measureHollow},
}

// bench is one run of this program.
type bench struct {
	// berth is the program that is measured; bin is the folder it lies in.
	berth, bin string
	// dir holds everything that the run writes.
	dir     string
	runtime string
	cpu     string
	// count is how many pods, hollow how many nodes, repeat how many clusters.
	count, hollow, repeat int
	// keep leaves dir, with the logs, where it is.
	keep bool
	out  io.Writer
	log  io.Writer
}

func run(args []string, out, log io.Writer) int {
	if len(args) > 0 && args[0] == "etcd" {
		return report(log, serveEtcd(args[1:]))
	}
	// The kernel signals a child whose parent's thread ends; this one does not.
	runtime.LockOSThread()
	b := &bench{out: out, log: log}
	chosen, err := b.parse(args)
	if errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if err != nil {
		return report(log, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if b.dir, err = os.MkdirTemp("/tmp", "bb-"); err != nil {
		return report(log, err)
	}
	if !b.keep {
		defer os.RemoveAll(b.dir)
	}
	if b.keep {
		fmt.Fprintf(log, "bench: logs are kept in %s\n", b.dir)
	}
	b.machine()
	failed := 0
	for _, p := range parts {
		if !slices.Contains(chosen, p.name) {
			continue
		}
		fmt.Fprintf(log, "bench: %s: %s\n", p.name, p.what)
		begin := time.Now()
		limited, cancel := context.WithTimeout(ctx, p.limit)
		err := p.do(limited, b)
		cancel()
		failed += report(log, named(p.name, err))
		fmt.Fprintf(log, "bench: %s took %v\n", p.name, time.Since(begin).Round(time.Second))
		if ctx.Err() != nil {
			return 1
		}
	}
	return min(failed, 1)
}

func (b *bench) parse(args []string) (chosen []string, err error) {
	var names []string
	for _, p := range parts {
		names = append(names, p.name)
	}
	flags := flag.NewFlagSet("bench", flag.ContinueOnError)
	flags.SetOutput(b.log)
	flags.Usage = func() {
		fmt.Fprintf(b.log, "bench [flags] [%s]...\n", strings.Join(names, "|"))
		flags.PrintDefaults()
	}
	flags.StringVar(&b.berth, "berth", "bin/berth", "the program to measure")
	flags.StringVar(&b.bin, "bin", "bin", "folder of the programs that it runs")
	flags.StringVar(&b.runtime, "runtime", "gvisor", "what executes the pods: gvisor or runc")
	flags.StringVar(&b.cpu, "cpu", "", "CPU that each pod requests, for example 2; empty is Fargate's smallest size")
	flags.IntVar(&b.count, "count", 20, "pods to start one after another, and at once")
	flags.IntVar(&b.hollow, "hollow", 500, "nodes of the hollow runtime")
	flags.IntVar(&b.repeat, "repeat", 3, "clusters to create")
	flags.BoolVar(&b.keep, "keep", false, "keep the folder with the logs, and say where it is")
	if err := flags.Parse(args); err != nil {
		return nil, err
	}
	for _, name := range flags.Args() {
		if !slices.Contains(names, name) {
			return nil, fmt.Errorf("no figure %q, one of %s", name, strings.Join(names, ", "))
		}
	}
	for _, path := range []*string{&b.berth, &b.bin} {
		if *path, err = filepath.Abs(*path); err != nil {
			return nil, err
		}
		if _, err := os.Stat(*path); err != nil {
			return nil, fmt.Errorf("looking for what is measured (make build): %w", err)
		}
	}
	if flags.NArg() == 0 {
		return names, nil
	}
	return flags.Args(), nil
}

func named(name string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("measuring %s: %w", name, err)
}

func report(log io.Writer, err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(log, "bench: %v\n", err)
	return 1
}

// figure is one line of the output.
type figure struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	// Floor is the same outcome without Berth; nil where there is no such thing.
	Floor     *float64 `json:"floor,omitempty"`
	FloorName string   `json:"floorName,omitempty"`
	Ratio     *float64 `json:"ratio,omitempty"`
	N         int      `json:"n"`
	Note      string   `json:"note,omitempty"`
}

// above names the floor of a figure.
func (f figure) above(floor float64, name string) figure {
	if floor <= 0 {
		return f
	}
	ratio := rounded(f.Value / floor)
	floor = rounded(floor)
	f.Floor, f.FloorName, f.Ratio = &floor, name, &ratio
	return f
}

// print writes a figure with the load of the machine, which bears on every one.
func (b *bench) print(f figure) {
	f.Value = rounded(f.Value)
	if load := loadAverage(); load != "" {
		f.Note = strings.TrimPrefix(f.Note+"; load "+load, "; ")
	}
	line, err := json.Marshal(f)
	if err != nil {
		fmt.Fprintf(b.log, "bench: encoding figure %s: %v\n", f.Name, err)
		return
	}
	fmt.Fprintln(b.out, string(line))
}

func rounded(v float64) float64 {
	scale := 1000.0
	if v >= 100 {
		scale = 1
	}
	return float64(int64(v*scale+0.5)) / scale
}

// loadAverage is the load of the last minute.
func loadAverage() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return ""
	}
	load, _, _ := strings.Cut(string(text), " ")
	return load
}

func (b *bench) machine() {
	release, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	b.print(figure{Name: "machine", Value: float64(runtime.NumCPU()), Unit: "cores", N: 1, Note: "Linux " + strings.TrimSpace(string(release))})
}
