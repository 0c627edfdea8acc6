package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli/clusterconfig"
)

// LoadConfig reads a ClusterConfig, from the standard input if path is "-", and
// makes its region the region of the command. Flags that say the same as a file
// are refused.
func LoadConfig(f *Factory, c *cobra.Command, path string, incompatible ...string) (*clusterconfig.Config, error) {
	for _, name := range incompatible {
		if flag := c.Flag(name); flag != nil && flag.Changed {
			return nil, Usagef("cannot use --%s when --config-file/-f is set", name)
		}
	}
	in := f.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("reading the configuration: %w", err)
		}
		defer file.Close()
		in = file
	}
	b, err := io.ReadAll(in)
	if err != nil {
		return nil, fmt.Errorf("reading the configuration %s: %w", path, err)
	}
	config, err := clusterconfig.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("loading config file %q: %w", path, err)
	}
	if config.Metadata.Region != "" {
		f.Global.Region = config.Metadata.Region
	}
	return config, nil
}
