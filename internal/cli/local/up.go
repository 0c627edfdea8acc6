package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/server"
)

// UpOptions are those of up.
type UpOptions struct {
	Options
	Timeout time.Duration
}

// logTail is how many lines of the log of a server that died are shown.
const logTail = 12

// NewUp makes the command up.
func NewUp(f *cli.Factory, s Server) *cobra.Command {
	o := &UpOptions{Options: Options{Factory: f, Server: s}}
	c := &cobra.Command{
		Use: "up", Short: "Start Berth in the background and wait until it is ready",
		Long: `Start Berth in the background and wait until it is ready. Its log is server.log in
the data folder. When it runs already, nothing happens.`,
		Example: `  berth up
  berth up --runtime runc
  berth up --data-dir /tmp/second --listen 127.0.0.1:4567`,
		Args: cli.NoArgs,
	}
	o.flags(c)
	c.Flags().DurationVar(&o.Timeout, "timeout", 3*time.Minute, "how long to wait until Berth is ready")
	c.RunE = cli.Run(&o.Timeout, func(ctx context.Context) error { return up(ctx, o) })
	return c
}

func up(ctx context.Context, o *UpOptions) error {
	s, err := o.options()
	if err != nil {
		return err
	}
	log, started := o.ErrLog(), o.Clock.Now()
	running, err := held(s.DataDir)
	if err != nil {
		return err
	}
	var child *child
	if running {
		log.Infof("Berth runs already in %s", s.DataDir)
	} else {
		log.Infof("starting Berth in %s (runtime %s, region %s)", s.DataDir, s.Runtime, s.Region)
		if child, err = start(o, s); err != nil {
			return err
		}
	}
	state, err := waitReady(ctx, o, s, child)
	if err != nil {
		return err
	}
	if running {
		differs(log, s, state, o)
	}
	for _, l := range state.Lacks {
		log.Warnf("this Berth lacks %s", l)
	}
	log.Successf("Berth is ready at %s (%s)", state.Endpoint, o.Clock.Since(started).Round(100*time.Millisecond))
	log.Infof(`next: eval "$(berth env%s)" && berth create cluster --fargate --name demo`, dataDirFlag(o.Factory))
	return nil
}

// dataDirFlag is the flag that names the folder, where it is not the default.
func dataDirFlag(f *cli.Factory) string {
	if f.Global.DataDir == "" {
		return ""
	}
	return " --data-dir " + quote(f.Global.DataDir)
}

// differs says which options of a server that runs already are not those that
// were asked for.
func differs(log *cli.Log, want server.Options, have server.State, o *UpOptions) {
	for _, x := range []struct{ name, want, have string }{
		{"--runtime", o.choose(o.Runtime, "BERTH_RUNTIME", ""), string(have.Runtime)},
		{"--region", o.choose(o.Global.Region, "BERTH_REGION", ""), have.Region},
		{"--account", o.choose(o.Account, "BERTH_ACCOUNT", ""), have.Account},
		{"--listen", o.choose(o.Listen, "BERTH_LISTEN", ""), strings.TrimPrefix(have.Endpoint, "http://")},
	} {
		if x.want != "" && x.want != x.have {
			log.Warnf("%s %s has no effect: the Berth that runs has %s; stop it first with 'berth down%s'", x.name, x.want, x.have, dataDirFlag(o.Factory))
		}
	}
}

// child is a server that has been started; died is closed when it has ended.
type child struct {
	pid  int
	died chan struct{}
	log  string
}

// start starts a server in a session of its own, so that it outlives this one.
func start(o *UpOptions, s server.Options) (*child, error) {
	if err := os.MkdirAll(s.DataDir, 0o700); err != nil {
		return nil, fmt.Errorf("making the data folder: %w: choose another with --data-dir, or run as root", err)
	}
	path := filepath.Join(s.DataDir, "server.log")
	if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("keeping the last log: %w", err)
	}
	logFile, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("opening the log: %w", err)
	}
	defer logFile.Close()
	cmd := exec.Command(o.Executable, arguments(s)...)
	cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = o.Environ, "/", logFile, logFile
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the server: %w", err)
	}
	c := &child{pid: cmd.Process.Pid, died: make(chan struct{}), log: path}
	go func() {
		_ = cmd.Wait()
		close(c.died)
	}()
	return c, nil
}

// waitReady waits until the server says that it is ready, and its port answers.
func waitReady(ctx context.Context, o *UpOptions, s server.Options, c *child) (server.State, error) {
	var state server.State
	said := ""
	err := o.Until(ctx, o.ErrLog(), "Berth to become ready", func(ctx context.Context) (bool, error) {
		if err := c.alive(o); err != nil {
			return false, err
		}
		var err error
		if state, err = server.ReadState(s.DataDir); err == nil && state.Ready && (c == nil || state.PID == c.pid) {
			return answers(ctx, state.Endpoint), nil
		}
		if now := lastLine(filepath.Join(s.DataDir, "server.log")); c != nil && now != said && now != emptyLog {
			said = now
			fmt.Fprintf(o.Err, "    %s\n", now)
		}
		return false, nil
	})
	if err != nil && c != nil && ctx.Err() != nil {
		err = fmt.Errorf("%w (its log is %s)", err, c.log)
	}
	return state, err
}

// alive is an error with the end of the log on the terminal if the server died.
func (c *child) alive(o *UpOptions) error {
	if c == nil {
		return nil
	}
	select {
	case <-c.died:
	default:
		return nil
	}
	fmt.Fprintf(o.Err, "the last lines of %s:\n", c.log)
	for _, l := range lastLines(c.log, logTail) {
		fmt.Fprintf(o.Err, "    %s\n", l)
	}
	reason := strings.TrimPrefix(lastLine(c.log), "Error: ")
	return fmt.Errorf("the server ended while it started: %s: see 'berth doctor' for what this machine lacks", strings.TrimSuffix(reason, "."))
}

func answers(ctx context.Context, endpoint string) bool {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint+"/", nil)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(r)
	if err != nil {
		return false
	}
	answer.Body.Close()
	return true
}

const emptyLog = "its log is empty"

// tailSize is how much of the end of a log is read, in bytes.
const tailSize = 64 << 10

func lastLines(path string, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil
	}
	b := make([]byte, min(info.Size(), tailSize))
	if _, err := f.ReadAt(b, info.Size()-int64(len(b))); err != nil {
		return nil
	}
	lines := strings.Split(string(bytes.TrimSpace(b)), "\n")
	return lines[max(0, len(lines)-n):]
}

func lastLine(path string) string {
	lines := lastLines(path, 1)
	if len(lines) == 0 {
		return emptyLog
	}
	return lines[0]
}
