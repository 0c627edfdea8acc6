package demo

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/doctor"
	"berth.dev/berth/internal/server"
)

// plan is what the demo does on this host.
type plan struct {
	// DataDir is the folder of the Berth that is used.
	DataDir string
	// Runtime is what executes pods.
	Runtime dataplane.Runtime
	// Lacks says why pods execute nothing, a line each; it is empty if they do.
	Lacks []string
}

// hollow says whether pods execute nothing.
func (p plan) hollow() bool { return p.Runtime == dataplane.Hollow }

// notice are the first and the last lines of a demo that is not the whole one.
func (p plan) notice() []string {
	if !p.hollow() {
		return nil
	}
	lines := []string{"NOTE: this demo runs with --runtime hollow: pods are Running but execute nothing, because"}
	for _, l := range p.Lacks {
		lines = append(lines, "  - "+l)
	}
	return lines
}

// decide chooses where and with what the demo runs.
func (o *Options) decide(ctx context.Context) (plan, error) {
	p := plan{Runtime: o.wanted()}
	dir, err := filepath.Abs(o.dataDir())
	if err != nil {
		return p, fmt.Errorf("finding the data folder %s: %w", o.dataDir(), err)
	}
	p.DataDir = dir
	taken, err := held(dir)
	if err != nil {
		return p, err
	}
	if !taken {
		return p, o.fit(&p)
	}
	// A Berth that is starting, perhaps for a demo that was interrupted, takes a
	// moment to say what it is.
	err = o.Until(ctx, o.Log(), "the Berth in "+dir+" to say with which runtime it runs", func(context.Context) (bool, error) {
		s, err := server.ReadState(dir)
		p.Runtime = s.Runtime
		return err == nil, nil
	})
	if p.hollow() {
		p.Lacks = o.whyHollow(dir)
	}
	return p, err
}

// whyHollow is why the Berth that runs may be hollow: because the host cannot
// carry more, or because somebody chose so.
func (o *Options) whyHollow(dir string) []string {
	wanted := o.wanted()
	if wanted == dataplane.Hollow {
		wanted = dataplane.GVisor
	}
	report := doctor.CheckHost(doctor.Host{Runtime: wanted, DataDir: dir, Bin: o.bin(), Listen: o.listen(), Running: true, Probes: o.Probes})
	if !report.Works() {
		return missing(report)
	}
	return []string{fmt.Sprintf("the Berth that runs in %s was started so (to change that: berth down --purge%s, then run the demo again)", dir, o.dirFlag(dir))}
}

// fit turns to runtime hollow where the host cannot carry the one that is
// wanted, and fails where it cannot carry that either.
func (o *Options) fit(p *plan) error {
	host := doctor.Host{Runtime: p.Runtime, DataDir: p.DataDir, Bin: o.bin(), Listen: o.listen(), Probes: o.Probes}
	report := doctor.CheckHost(host)
	if p.hollow() {
		p.Lacks = []string{"--runtime hollow was asked for"}
	} else if !report.Works() {
		p.Lacks, p.Runtime = missing(report), dataplane.Hollow
		host.Runtime = dataplane.Hollow
		report = doctor.CheckHost(host)
	}
	if !report.Works() {
		return fmt.Errorf("this machine lacks what every runtime of Berth needs: %s", strings.Join(missing(report), "; "))
	}
	return nil
}

func missing(r doctor.Report) []string {
	var lines []string
	for _, c := range r.Missing() {
		lines = append(lines, fmt.Sprintf("the host lacks %s (%s): %s", c.Name, c.Detail, c.Remedy))
	}
	return lines
}

// dataDir is the folder that the user named, else the default one, else, for a
// user who may not write there, one of the user's own.
func (o *Options) dataDir() string {
	dir := o.DataDir()
	if o.Global.DataDir != "" || o.Env("BERTH_DATA_DIR") != "" || o.Probes.UID() == 0 || o.Env("HOME") == "" {
		return dir
	}
	return filepath.Join(o.Env("HOME"), ".local", "state", "berth")
}

// bin is the folder of the programs that Berth runs.
func (o *Options) bin() string {
	if dir := o.Env("BERTH_BIN"); dir != "" {
		return dir
	}
	return filepath.Dir(o.Executable)
}

func (o *Options) listen() string {
	for _, l := range []string{o.Listen, o.Env("BERTH_LISTEN")} {
		if l != "" {
			return l
		}
	}
	return server.Defaults().Listen
}

// held says whether a server uses a data folder: it locks it as long as it lives.
func held(dataDir string) (bool, error) {
	f, err := os.Open(filepath.Join(dataDir, "lock"))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("looking for the server of %s: %w", dataDir, err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_SH|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return true, nil
	}
	return false, err
}
