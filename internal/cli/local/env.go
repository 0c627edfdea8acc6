package local

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/server"
)

// state is what the running server of the data folder says of itself.
func state(f *cli.Factory) (server.State, error) {
	running, err := held(f.DataDir())
	if err != nil {
		return server.State{}, err
	}
	s, err := server.ReadState(f.DataDir())
	if err != nil || !running {
		return s, fmt.Errorf("no Berth runs in %s: start one with 'berth up%s'", f.DataDir(), dataDirFlag(f))
	}
	return s, nil
}

// NewEnv makes the command env.
func NewEnv(f *cli.Factory) *cobra.Command {
	return &cobra.Command{
		Use: "env", Short: "Print the environment that points AWS clients to Berth",
		Long:    `Print the shell commands that point AWS clients to the Berth that runs.`,
		Example: `  eval "$(berth env)"`,
		Args:    cli.NoArgs,
		RunE:    func(*cobra.Command, []string) error { return env(f) },
	}
}

func env(f *cli.Factory) error {
	s, err := state(f)
	if err != nil {
		return err
	}
	for _, v := range []struct{ name, value string }{
		{"AWS_ENDPOINT_URL", s.Endpoint},
		{"AWS_ACCESS_KEY_ID", s.AccessKeyID},
		{"AWS_SECRET_ACCESS_KEY", s.SecretAccessKey},
		{"AWS_REGION", s.Region},
		{"AWS_DEFAULT_REGION", s.Region},
	} {
		if _, err := fmt.Fprintf(f.Out, "export %s=%s\n", v.name, quote(v.value)); err != nil {
			return err
		}
	}
	return nil
}

// quote makes one word of a shell of any text.
func quote(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("@%+=:,./_-", r)
	}
	if s != "" && strings.IndexFunc(s, func(r rune) bool { return !plain(r) }) < 0 {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// StatusOptions are those of status.
type StatusOptions struct {
	*cli.Factory
	Output cli.Output
}

// NewStatus makes the command status.
func NewStatus(f *cli.Factory) *cobra.Command {
	o := &StatusOptions{Factory: f}
	c := &cobra.Command{
		Use: "status", Short: "Say whether Berth runs, and how",
		Long: "Say whether Berth runs, and how. The exit code is 1 if it does not run.",
		Args: cli.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return status(c.Context(), o) },
	}
	cli.AddOutputFlag(c, &o.Output)
	return c
}

// statusView is what status prints; keys of the root user are not in it.
type statusView struct {
	Ready     bool      `json:"ready"`
	Answers   bool      `json:"answers"`
	PID       int       `json:"pid"`
	StartedAt time.Time `json:"startedAt"`
	Endpoint  string    `json:"endpoint"`
	Region    string    `json:"region"`
	Account   string    `json:"account"`
	Runtime   string    `json:"runtime"`
	DataDir   string    `json:"dataDir"`
	Lacks     []string  `json:"lacks,omitempty"`
}

func status(ctx context.Context, o *StatusOptions) error {
	if err := o.Output.Check(); err != nil {
		return err
	}
	s, err := state(o.Factory)
	if err != nil {
		return err
	}
	v := statusView{
		Ready: s.Ready, Answers: answers(ctx, s.Endpoint), PID: s.PID, StartedAt: s.StartedAt, Endpoint: s.Endpoint,
		Region: s.Region, Account: s.Account, Runtime: string(s.Runtime), DataDir: o.DataDir(), Lacks: s.Lacks,
	}
	if o.Output != cli.OutputTable {
		return cli.WriteData(o.Out, o.Output, v)
	}
	table := cli.Table[statusView]{Kind: "servers", Columns: []cli.Column[statusView]{
		{Name: "STATUS", Value: statusView.word},
		{Name: "ENDPOINT", Value: func(v statusView) string { return v.Endpoint }},
		{Name: "REGION", Value: func(v statusView) string { return v.Region }},
		{Name: "ACCOUNT", Value: func(v statusView) string { return v.Account }},
		{Name: "RUNTIME", Value: func(v statusView) string { return v.Runtime }},
		{Name: "PID", Value: func(v statusView) string { return fmt.Sprint(v.PID) }},
		{Name: "SINCE", Value: func(v statusView) string { return v.StartedAt.UTC().Format(time.RFC3339) }},
		{Name: "DATA", Value: func(v statusView) string { return v.DataDir }},
	}}
	if err := table.Write(o.Out, []statusView{v}); err != nil {
		return err
	}
	for _, l := range v.Lacks {
		fmt.Fprintf(o.Out, "lacks %s\n", l)
	}
	return nil
}

func (v statusView) word() string {
	switch {
	case !v.Ready:
		return "STARTING"
	case !v.Answers:
		return "NOT ANSWERING"
	}
	return "READY"
}
