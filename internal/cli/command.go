package cli

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// Group makes a command that only has subcommands: it refuses an unknown one
// and says which may have been meant.
func Group(use, short string, children ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short, Args: cobra.ArbitraryArgs, RunE: RunGroup, SuggestionsMinimumDistance: 2}
	c.AddCommand(children...)
	return c
}

// RunGroup is what a command with subcommands does when none of them is named.
func RunGroup(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return c.Help()
	}
	message := fmt.Sprintf("unknown command %q for %q", args[0], c.CommandPath())
	if s := c.SuggestionsFor(args[0]); len(s) > 0 {
		message += fmt.Sprintf(": did you mean %q?", strings.Join(s, `" or "`))
	} else {
		message += fmt.Sprintf(": see '%s --help'", c.CommandPath())
	}
	return Usagef("%s", message)
}

// FlagError turns an error of the flag parser into a UsageError that suggests
// the flag that may have been meant.
func FlagError(c *cobra.Command, err error) error {
	message := err.Error()
	if name, ok := strings.CutPrefix(message, "unknown flag: --"); ok {
		if near := nearestFlag(c, name); near != "" {
			return Usagef("%s: did you mean --%s?", message, near)
		}
	}
	return Usagef("%s: see '%s --help'", message, c.CommandPath())
}

func nearestFlag(c *cobra.Command, name string) string {
	best, distance := "", 3
	c.Flags().VisitAll(func(f *pflag.Flag) {
		if d := editDistance(f.Name, name); d < distance {
			best, distance = f.Name, d
		}
	})
	return best
}

// editDistance is the least number of changed, added and removed bytes between
// two names.
func editDistance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			diagonal, row[j+1] = row[j+1], min(row[j+1]+1, row[j]+1, diagonal+cost)
		}
	}
	return row[len(b)]
}

// NameArg takes a name that may be given by a flag or as the only argument.
func NameArg(flag string, value *string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) > 1:
			return Usagef("only one argument is allowed to be used as a name")
		case len(args) == 1 && *value != "":
			return Usagef("--%s=%s and argument %s cannot be used at the same time", flag, *value, args[0])
		case len(args) == 1:
			*value = strings.TrimSpace(args[0])
		}
		return nil
	}
}

// NoArgs refuses arguments.
func NoArgs(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return Usagef("unexpected argument %q: see '%s --help'", args[0], c.CommandPath())
	}
	return nil
}

// DefaultTimeout is how long a command that waits goes on, as with eksctl.
const DefaultTimeout = 25 * time.Minute

// AddTimeoutFlag adds --timeout.
func AddTimeoutFlag(c *cobra.Command, d *time.Duration) {
	c.Flags().DurationVar(d, "timeout", DefaultTimeout, "maximum waiting time for any long-running operation")
}

// Run makes the run function of a command that has a time limit.
func Run(timeout *time.Duration, run func(context.Context) error) func(*cobra.Command, []string) error {
	return func(c *cobra.Command, _ []string) error {
		ctx, cancel := context.WithTimeout(c.Context(), *timeout)
		defer cancel()
		return run(ctx)
	}
}
