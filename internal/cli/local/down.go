package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/server"
)

// DownOptions are those of down.
type DownOptions struct {
	Options
	Purge   bool
	Timeout time.Duration
}

// NewDown makes the command down.
func NewDown(f *cli.Factory, s Server) *cobra.Command {
	o := &DownOptions{Options: Options{Factory: f, Server: s}}
	c := &cobra.Command{
		Use: "down", Short: "Stop Berth",
		Long: `Stop the Berth that runs in the background. Its records stay, and its pods go on
running until the next 'berth up' takes them over. With --purge everything of it
is removed: records, pods, namespaces, mounts, cgroups, processes and files; that
works as well when the server is dead or was killed.`,
		Example: `  berth down
  berth down --purge`,
		Args: cli.NoArgs,
	}
	o.flags(c)
	c.Flags().BoolVar(&o.Purge, "purge", false, "remove every record, namespace, mount, cgroup, process and file")
	c.Flags().DurationVar(&o.Timeout, "timeout", 2*time.Minute, "how long to wait until Berth has stopped")
	c.RunE = cli.Run(&o.Timeout, func(ctx context.Context) error { return down(ctx, o) })
	return c
}

func down(ctx context.Context, o *DownOptions) error {
	s, err := o.stopped()
	if err != nil {
		return err
	}
	log := o.ErrLog()
	running, err := held(s.DataDir)
	if err != nil {
		return err
	}
	if running {
		if err := stop(ctx, o, s); err != nil {
			return err
		}
		log.Successf("Berth has stopped")
	} else {
		log.Infof("no Berth runs in %s", s.DataDir)
	}
	if !o.Purge {
		return nil
	}
	log.Infof("removing everything of the Berth in %s", s.DataDir)
	if err := o.Server.Purge(ctx, s); err != nil {
		return fmt.Errorf("purging %s: %w", s.DataDir, err)
	}
	log.Successf("nothing of the Berth in %s is left", s.DataDir)
	return nil
}

// stopped are the options of the Berth that is to be stopped: what is not given
// is what it last said of itself.
func (o *DownOptions) stopped() (server.Options, error) {
	state, err := server.ReadState(o.DataDir())
	if err == nil {
		if o.Global.Region == "" {
			o.Global.Region = state.Region
		}
		if o.Account == "" {
			o.Account = state.Account
		}
		if o.Runtime == "" {
			o.Runtime = string(state.Runtime)
		}
	}
	if err != nil && errors.Is(err, fs.ErrPermission) {
		return server.Options{}, fmt.Errorf("%w: run as the user who started it", err)
	}
	return o.options()
}

// stop asks the server to end and waits until it has.
func stop(ctx context.Context, o *DownOptions, s server.Options) error {
	pid := holder(s.DataDir)
	if pid == 0 {
		return fmt.Errorf("a process uses %s, and it is not a berth server: wait until it has ended", s.DataDir)
	}
	p, err := os.FindProcess(pid)
	if err != nil {
		return fmt.Errorf("finding the server, process %d: %w", pid, err)
	}
	defer p.Release()
	if !isServer(pid, s.DataDir) {
		return nil
	}
	o.ErrLog().Infof("stopping Berth (process %d)", pid)
	if err := p.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stopping the server, process %d: %w", pid, err)
	}
	err = o.Until(ctx, o.ErrLog(), "Berth to stop", func(context.Context) (bool, error) {
		running, err := held(s.DataDir)
		return !running, err
	})
	if err != nil {
		return fmt.Errorf("%w (if it hangs: kill -9 %d, then 'berth down --purge' or 'berth up')", err, pid)
	}
	return nil
}
