package app

import (
	"fmt"
	"runtime/debug"

	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
)

// versionInfo is what version prints.
type versionInfo struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
}

func newVersion(f *cli.Factory) *cobra.Command {
	var o cli.Output
	c := &cobra.Command{
		Use: "version", Short: "Print the version of berth", Args: cli.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			v := readVersion()
			if o == "" {
				_, err := fmt.Fprintln(f.Out, v.Version)
				return err
			}
			if o == cli.OutputTable {
				return cli.Usagef(`unknown output format %q: use json or yaml`, o)
			}
			if err := o.Check(); err != nil {
				return err
			}
			return cli.WriteData(f.Out, o, v)
		},
	}
	c.Flags().StringVarP((*string)(&o), "output", "o", "", "output format: json or yaml")
	return c
}

func readVersion() versionInfo {
	v := versionInfo{Version: "dev"}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	v.Go = info.GoVersion
	if info.Main.Version != "" && info.Main.Version != "(devel)" {
		v.Version = info.Main.Version
	}
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			v.Revision = s.Value
		case "vcs.modified":
			v.Modified = s.Value == "true"
		}
	}
	return v
}
