// Package process supervises the children of a Berth server: re-executed
// programs that keep process-global state, so that a crash of one never takes
// another with it. It starts them again with back-off, says what it observes of
// them, and holds their lifeline, so that none outlives its parent. It does not
// know what a child is for. The cluster and agent packages import it.
//
//	Start ─► running ──exit──► backing off ─► running …
//	            │                   │
//	          Stop                Stop
//	            └──────► stopped ◄──┘
package process

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// LifelineEnv names the environment variable that tells a child which of its
// file descriptors is the lifeline: a pipe whose end-of-file means that the
// parent is gone and that the child has to exit.
const LifelineEnv = "BERTH_LIFELINE_FD"

const (
	minDelay = 200 * time.Millisecond
	maxDelay = 10 * time.Second
	// settled is how long a child must have run for its next failure to count
	// as the first.
	settled = 30 * time.Second
)

// Spec describes a child.
type Spec struct {
	// Name is how the log calls it, for example demo/apiserver.
	Name string
	Path string
	Args []string
	// Env is added to a minimal environment (PATH and HOME).
	Env []string
	// LogFile takes its standard output and error, appended.
	LogFile string
	// Start starts the command; nil is cmd.Start. It is where a child enters
	// another network namespace.
	Start func(*exec.Cmd) error
	// Prepare runs before every start, to write the files that the child reads.
	Prepare func(context.Context) error
	// Exited, if set, is called after every exit that was not asked for.
	Exited func(error)
	// Grace is how long Stop waits after SIGTERM before SIGKILL; zero is 10 s.
	Grace time.Duration
}

// Process is a supervised child.
type Process struct {
	spec   Spec
	log    *slog.Logger
	cancel context.CancelFunc
	done   chan struct{}

	mu       sync.Mutex
	pid      int
	restarts int
	last     error
}

// Status is what is observed of a child.
type Status struct {
	// PID is 0 while it does not run.
	PID int
	// Restarts counts the starts after the first.
	Restarts int
	// LastExit is why it last ended, nil if it never did.
	LastExit error
}

// Start supervises the child until Stop, or until ctx ends.
func Start(ctx context.Context, spec Spec, log *slog.Logger) *Process {
	if spec.Grace == 0 {
		spec.Grace = 10 * time.Second
	}
	ctx, cancel := context.WithCancel(ctx)
	p := &Process{spec: spec, log: log.With("process", spec.Name), cancel: cancel, done: make(chan struct{})}
	go p.supervise(ctx)
	return p
}

// Stop ends the child and waits until it is gone.
func (p *Process) Stop() {
	p.cancel()
	<-p.done
}

// Status says what is observed now.
func (p *Process) Status() Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	return Status{PID: p.pid, Restarts: p.restarts, LastExit: p.last}
}

func (p *Process) supervise(ctx context.Context) {
	defer close(p.done)
	delay := minDelay
	for {
		started := time.Now()
		err := p.run(ctx)
		if ctx.Err() != nil {
			return
		}
		p.log.Warn("child exited", "error", err, "after", time.Since(started).Round(time.Millisecond))
		p.mu.Lock()
		p.last, p.restarts = err, p.restarts+1
		p.mu.Unlock()
		if p.spec.Exited != nil {
			p.spec.Exited(err)
		}
		if time.Since(started) > settled {
			delay = minDelay
		}
		timer := time.NewTimer(delay)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
		}
		delay = min(2*delay, maxDelay)
	}
}

// run starts the child once and waits for its end; when ctx ends it asks the
// child to end.
func (p *Process) run(ctx context.Context) error {
	if p.spec.Prepare != nil {
		if err := p.spec.Prepare(ctx); err != nil {
			return fmt.Errorf("preparing %s: %w", p.spec.Name, err)
		}
	}
	cmd, lifeline, err := p.command()
	if err != nil {
		return err
	}
	defer lifeline.Close()
	p.setPID(cmd.Process.Pid)
	defer p.setPID(0)
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	select {
	case err := <-exited:
		if err == nil {
			err = errors.New("exit status 0")
		}
		return err
	case <-ctx.Done():
	}
	_ = cmd.Process.Signal(syscall.SIGTERM)
	timer := time.NewTimer(p.spec.Grace)
	defer timer.Stop()
	select {
	case err = <-exited:
	case <-timer.C:
		p.log.Warn("child ignores SIGTERM, killing it")
		_ = cmd.Process.Kill()
		err = <-exited
	}
	return err
}

// command starts the child and returns the end of the lifeline that is held.
func (p *Process) command() (*exec.Cmd, *os.File, error) {
	logFile, err := os.OpenFile(p.spec.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, nil, fmt.Errorf("opening the log of %s: %w", p.spec.Name, err)
	}
	defer logFile.Close()
	theirs, ours, err := os.Pipe()
	if err != nil {
		return nil, nil, fmt.Errorf("making the lifeline of %s: %w", p.spec.Name, err)
	}
	defer theirs.Close()
	cmd := exec.Command(p.spec.Path, p.spec.Args...)
	cmd.Stdout, cmd.Stderr = logFile, logFile
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME"), LifelineEnv + "=" + strconv.Itoa(3),
	}, p.spec.Env...)
	// A process group of its own keeps a terminal's Ctrl-C from reaching the
	// child before its parent has decided.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	start := p.spec.Start
	if start == nil {
		start = (*exec.Cmd).Start
	}
	if err := start(cmd); err != nil {
		ours.Close()
		return nil, nil, fmt.Errorf("starting %s: %w", p.spec.Name, err)
	}
	return cmd, ours, nil
}

func (p *Process) setPID(pid int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.pid = pid
}
