package demo

import (
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"time"

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
func (o *Options) decide() (plan, error) {
	p := plan{DataDir: o.dataDir(), Runtime: o.wanted()}
	dir, err := filepath.Abs(p.DataDir)
	if err != nil {
		return p, fmt.Errorf("finding the data folder %s: %w", p.DataDir, err)
	}
	p.DataDir = dir
	if s, ok := running(dir); ok {
		p.Runtime = s.Runtime
		if p.hollow() {
			p.Lacks = []string{fmt.Sprintf("the Berth that runs in %s was started so (to change that: berth down%s, then run the demo again)", dir, o.dirFlag(dir))}
		}
		return p, nil
	}
	return p, o.fit(&p)
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
	if _, ok := running(dir); ok {
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

// running is what the Berth of a folder says of itself, if one answers there.
func running(dataDir string) (server.State, bool) {
	s, err := server.ReadState(dataDir)
	if err != nil {
		return s, false
	}
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(s.Endpoint, "http://"), time.Second)
	if err != nil {
		return s, false
	}
	conn.Close()
	return s, true
}
