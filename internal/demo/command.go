package demo

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/doctor"
)

// Options are those of demo.
type Options struct {
	*cli.Factory
	// Listen, Account and Runtime are for a Berth that is started; empty ones are
	// left to `berth up`.
	Listen, Account, Runtime string
	Timeout                  time.Duration
	// Probes ask the host what it can carry.
	Probes doctor.Probes
}

// NewCommand makes the command demo.
func NewCommand(f *cli.Factory) *cobra.Command {
	o := &Options{Factory: f, Probes: doctor.Real{}}
	c := &cobra.Command{
		Use: "demo", Short: "Start Berth, create a Fargate cluster and run a web server on it",
		Long: `Start Berth if it does not run, create the cluster "demo" with a Fargate profile,
run a web server on it, and show what happened. A second run takes seconds, and
an interrupted one goes on. Berth is left running.

Where the host cannot carry sandboxes, the demo says what is missing and runs
what it can with --runtime hollow.`,
		Example: `  berth demo
  berth demo --data-dir /tmp/second --listen 127.0.0.1:4567`,
		Args: cli.NoArgs,
	}
	c.Flags().StringVar(&o.Listen, "listen", "", "address of the AWS APIs of a Berth that is started, host:port")
	c.Flags().StringVar(&o.Account, "account", "", "AWS account id of a Berth that is started")
	c.Flags().StringVar(&o.Runtime, "runtime", "", "what executes pods in a Berth that is started: gvisor, runc or hollow")
	c.Flags().DurationVar(&o.Timeout, "timeout", 10*time.Minute, "maximum time for the whole demo")
	c.RunE = cli.Run(&o.Timeout, func(ctx context.Context) error { return Run(ctx, o) })
	return c
}

// wanted is the runtime that is asked for.
func (o *Options) wanted() dataplane.Runtime {
	for _, r := range []string{o.Runtime, o.Env("BERTH_RUNTIME")} {
		if r != "" {
			return dataplane.Runtime(r)
		}
	}
	return dataplane.GVisor
}
