package local

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/doctor"
)

// DoctorOptions are those of doctor.
type DoctorOptions struct {
	Options
	Output cli.Output
	Probes doctor.Probes
}

// NewDoctor makes the command doctor.
func NewDoctor(f *cli.Factory) *cobra.Command {
	o := &DoctorOptions{Options: Options{Factory: f}, Probes: doctor.Real{}}
	c := &cobra.Command{
		Use: "doctor", Short: "Say what this machine has and lacks for Berth, and what to do",
		Long: `Say what this machine has and lacks for Berth, and what to do about it. The exit
code is 1 if the runtime cannot work here. Nothing is left on the machine.`,
		Example: `  berth doctor
  berth doctor --runtime runc -o json`,
		Args: cli.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return diagnose(c.Context(), o) },
	}
	o.flags(c)
	cli.AddOutputFlag(c, &o.Output)
	return c
}

func diagnose(_ context.Context, o *DoctorOptions) error {
	if err := o.Output.Check(); err != nil {
		return err
	}
	s, err := o.options()
	if err != nil {
		return err
	}
	running, err := held(s.DataDir)
	if err != nil {
		running = false
	}
	report := doctor.CheckHost(doctor.Host{
		Runtime: s.Runtime, DataDir: s.DataDir, Bin: s.Bin, Listen: s.Listen, Running: running, Probes: o.Probes,
	})
	if o.Output == cli.OutputTable {
		err = printReport(o, report)
	} else {
		err = cli.WriteData(o.Out, o.Output, report)
	}
	if err != nil || report.Works() {
		return err
	}
	var names []string
	for _, c := range report.Missing() {
		names = append(names, c.Name)
	}
	return fmt.Errorf("runtime %s cannot work on this machine, which lacks: %s", s.Runtime, strings.Join(names, ", "))
}

// printReport prints a line for each check, in the report's order, and what to do
// under each that failed.
func printReport(o *DoctorOptions, r doctor.Report) error {
	var b strings.Builder
	for _, c := range r.Checks {
		symbol := "✔"
		if !c.OK {
			symbol = "!"
			for _, m := range r.Missing() {
				if m.Name == c.Name {
					symbol = "✖"
				}
			}
		}
		fmt.Fprintf(&b, "[%s]  %-26s %s\n", symbol, c.Name, c.Detail)
		if !c.OK {
			fmt.Fprintf(&b, "     %-26s → %s%s\n", "", c.Remedy, neededFor(c))
		}
	}
	if r.Works() {
		fmt.Fprintf(&b, "runtime %s can work on this machine\n", r.Runtime)
	}
	_, err := fmt.Fprint(o.Out, b.String())
	return err
}

func neededFor(c doctor.Check) string {
	if len(c.NeededFor) == 0 {
		return ""
	}
	names := make([]string, len(c.NeededFor))
	for i, n := range c.NeededFor {
		names[i] = string(n)
	}
	return " (needed for " + strings.Join(names, ", ") + ")"
}
