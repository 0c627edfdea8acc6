package demo

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"time"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/server"
)

//go:embed web.yaml
var manifest []byte

// session is one run of the demo.
type session struct {
	*Options
	plan    plan
	state   server.State
	aws     *cli.AWS
	log     *cli.Log
	tools   programs
	watcher *watcher
	started time.Time
}

// Run runs the demo. It may be run again at any time, also after it was
// interrupted; Berth is left running in either case.
func Run(ctx context.Context, o *Options) error {
	p, err := o.decide(ctx)
	if err != nil {
		return err
	}
	s := newSession(o, p)
	s.say(p.notice()...)
	if err := s.run(ctx); err != nil {
		if ctx.Err() != nil {
			err = interrupted(ctx)
		} else {
			err = fmt.Errorf("%w (the logs: %s)", err, s.logs())
		}
		s.say(p.notice()...)
		return err
	}
	s.next()
	s.say(p.notice()...)
	return nil
}

// newSession gives the demo a factory of its own: its Berth is the plan's, and
// two goroutines write to its output.
func newSession(o *Options, p plan) *session {
	t, own := *o.Terminal, *o
	t.Out = &lockedWriter{w: o.Out}
	t.Err = t.Out
	own.Factory = &cli.Factory{Terminal: &t, Global: &cli.Global{DataDir: p.DataDir, Region: o.Global.Region}}
	return &session{Options: &own, plan: p, log: t.Log(), started: t.Clock.Now(), tools: programs{
		out: t.Out, err: t.Err, environ: t.Environ, berth: t.Executable,
		kubectl: filepath.Join(o.bin(), "kubectl"), kubeconfig: filepath.Join(folder(p.DataDir), "kubeconfig"),
	}}
}

// lockedWriter keeps what two goroutines write apart.
type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lockedWriter) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}

func (s *session) say(lines ...string) {
	for _, l := range lines {
		fmt.Fprintln(s.Out, l)
	}
}

func (s *session) heading(format string, args ...any) {
	fmt.Fprintf(s.Out, "\n==> %s\n", fmt.Sprintf(format, args...))
}

func (s *session) run(ctx context.Context) error {
	if _, err := os.Stat(s.tools.kubectl); err != nil {
		return fmt.Errorf("looking for kubectl: %w: build it with make build", err)
	}
	if err := s.up(ctx); err != nil {
		return err
	}
	following, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.watcher.follow(following)
	}()
	err := s.deploy(ctx)
	stop()
	<-done
	if h := s.watcher.snapshot(); h != nil {
		err = errors.Join(err, saveHistory(s.plan.DataDir, h))
	}
	if err != nil {
		return err
	}
	return s.show(ctx)
}

// up starts Berth, or finds it running, as `berth up` does.
func (s *session) up(ctx context.Context) error {
	s.heading("Start Berth")
	args := []string{"up", "--data-dir", s.plan.DataDir, "--runtime", string(s.plan.Runtime)}
	for _, f := range []struct{ name, value string }{{"--listen", s.Listen}, {"--account", s.Account}, {"--region", s.Global.Region}} {
		if f.value != "" {
			args = append(args, f.name, f.value)
		}
	}
	c := command(ctx, s.Executable, args...)
	c.Env, c.Stdout, c.Stderr = s.Environ, s.Out, s.Err
	if err := c.Run(); err != nil {
		return fmt.Errorf("starting Berth in %s: %w (its output is above)", s.plan.DataDir, err)
	}
	var err error
	if s.state, err = server.ReadState(s.plan.DataDir); err != nil {
		return err
	}
	if s.state.Runtime != s.plan.Runtime {
		return fmt.Errorf("the Berth in %s runs with --runtime %s, not %s: run the demo again", s.plan.DataDir, s.state.Runtime, s.plan.Runtime)
	}
	s.Global.Region = s.state.Region
	if s.aws, err = s.AWS(); err != nil {
		return err
	}
	s.watcher = &watcher{aws: s.aws, dataDir: s.plan.DataDir, clock: s.Clock, log: s.log, said: map[string]string{}}
	return nil
}

// deploy makes the cluster and the web server.
func (s *session) deploy(ctx context.Context) error {
	s.heading("Create the network, the roles, the cluster %q and its Fargate profile through the AWS APIs, and put CoreDNS on Fargate", clusterName)
	if err := s.createCluster(ctx); err != nil {
		return err
	}
	s.heading("Deploy a web server: two replicas, so two nodes, and a Service")
	path := filepath.Join(folder(s.plan.DataDir), "web.yaml")
	if err := writeFile(path, manifest); err != nil {
		return err
	}
	if err := s.tools.show(ctx, "apply", "-f", path); err != nil {
		return err
	}
	return s.waitForWeb(ctx)
}

// logs is where to look when something failed.
func (s *session) logs() string {
	return fmt.Sprintf("%s, %s and %s", filepath.Join(s.plan.DataDir, "server.log"),
		filepath.Join(s.plan.DataDir, "clusters", "*", "*.log"), filepath.Join(s.plan.DataDir, "agent", "containerd.log"))
}

// next says what a user may try, and ends the demo.
func (s *session) next() {
	flag := s.dirFlag(s.plan.DataDir)
	s.heading("Done in %s. Berth is left running at %s; try next:", since(s.Clock.Since(s.started)), s.state.Endpoint)
	s.say(
		fmt.Sprintf(`eval "$(%s env%s)"`, short(s.Executable), flag),
		fmt.Sprintf("KUBECONFIG=%s %s get pods -A -o wide", s.tools.kubeconfig, short(s.tools.kubectl)),
		fmt.Sprintf("%s delete cluster --name %s%s", short(s.Executable), clusterName, flag),
	)
}

// dirFlag is the flag that names a data folder, where it is not the default.
func (o *Options) dirFlag(dir string) string {
	if dir == cli.DefaultDataDir {
		return ""
	}
	return " --data-dir " + dir
}
