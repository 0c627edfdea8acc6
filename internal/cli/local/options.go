package local

import (
	"context"
	"log/slog"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/server"
)

// Server is the server, as this package starts and removes it.
type Server struct {
	// Run runs a Berth until ctx ends; Purge removes a stopped one.
	Run, Purge func(context.Context, server.Options) error
}

// Options are what the commands that start or remove a server have in common.
type Options struct {
	*cli.Factory
	Server Server
	// Listen, Account, Runtime and Etcd are flags; empty ones are not given.
	Listen, Account, Runtime string
	Etcd                     []string
}

// flags adds the flags of a server; the environment has each too, as BERTH_*.
func (o *Options) flags(c *cobra.Command) {
	d := server.Defaults()
	c.Flags().StringVar(&o.Listen, "listen", "", "address of the AWS APIs, host:port (default "+d.Listen+")")
	c.Flags().StringVar(&o.Account, "account", "", "AWS account id (default "+d.Account+")")
	c.Flags().StringVar(&o.Runtime, "runtime", "", "what executes pods: gvisor, runc or hollow (default "+string(d.Runtime)+")")
	c.Flags().StringSliceVar(&o.Etcd, "etcd-endpoints", nil, "endpoints of an external etcd (default: an embedded one)")
}

// options are the server's options: a flag goes before the environment, which
// goes before the default.
func (o *Options) options() (server.Options, error) {
	s := server.Defaults()
	s.DataDir = o.DataDir()
	s.Listen = o.choose(o.Listen, "BERTH_LISTEN", s.Listen)
	s.Account = o.choose(o.Account, "BERTH_ACCOUNT", s.Account)
	s.Region = o.choose(o.Global.Region, "BERTH_REGION", s.Region)
	s.Runtime = dataplane.Runtime(o.choose(o.Runtime, "BERTH_RUNTIME", string(s.Runtime)))
	s.Bin = o.choose("", "BERTH_BIN", filepath.Dir(o.Executable))
	s.AccessKeyID = o.choose("", "BERTH_ROOT_ACCESS_KEY_ID", s.AccessKeyID)
	s.SecretAccessKey = o.choose("", "BERTH_ROOT_SECRET_ACCESS_KEY", s.SecretAccessKey)
	s.EtcdEndpoints = o.Etcd
	if env := o.Env("BERTH_ETCD_ENDPOINTS"); len(s.EtcdEndpoints) == 0 && env != "" {
		s.EtcdEndpoints = strings.Split(env, ",")
	}
	s.Log = slog.New(slog.NewTextHandler(o.Err, &slog.HandlerOptions{Level: level(o.Env("BERTH_LOG_LEVEL"))}))
	if err := s.Validate(); err != nil {
		return s, &cli.UsageError{Message: err.Error()}
	}
	return s, nil
}

func (o *Options) choose(flag, env, otherwise string) string {
	if flag != "" {
		return flag
	}
	if v := o.Env(env); v != "" {
		return v
	}
	return otherwise
}

// level is the level of the server's log; a text that names none is Info.
func level(text string) slog.Level {
	l := slog.LevelInfo
	_ = l.UnmarshalText([]byte(text))
	return l
}

// arguments are the command line of a server with these options; the keys are
// left to the environment, which other users of the machine cannot read.
func arguments(s server.Options) []string {
	args := []string{
		"server", "--data-dir", s.DataDir, "--listen", s.Listen, "--region", s.Region,
		"--account", s.Account, "--runtime", string(s.Runtime),
	}
	if len(s.EtcdEndpoints) > 0 {
		args = append(args, "--etcd-endpoints", strings.Join(s.EtcdEndpoints, ","))
	}
	return args
}

// NewServer makes the command server.
func NewServer(f *cli.Factory, s Server) *cobra.Command {
	o := &Options{Factory: f, Server: s}
	c := &cobra.Command{
		Use: "server", Short: "Run Berth in the foreground",
		Long: `Run Berth in the foreground, until it is interrupted. 'berth up' runs it in the
background. Pods go on running when the server stops; 'berth down --purge'
removes them.`,
		Args: cli.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return serve(c.Context(), o) },
	}
	o.flags(c)
	return c
}

func serve(ctx context.Context, o *Options) error {
	s, err := o.options()
	if err != nil {
		return err
	}
	return o.Server.Run(ctx, s)
}
