package local

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	containerdclient "github.com/containerd/containerd/v2/client"
	"github.com/spf13/cobra"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/agent"
	"berth.dev/berth/internal/cli"
)

// NewImage makes the command image.
func NewImage(f *cli.Factory) *cobra.Command {
	load := &cobra.Command{
		Use: "load FILE", Short: "Load a saved image, so that pods can use it without a registry",
		Long: `Load a saved image: an OCI archive, or the output of 'docker save'. Pods can then
use it by the name that it has in the archive, with imagePullPolicy IfNotPresent
or Never. FILE may be - for the standard input. Needs root.`,
		Example: `  docker save example.com/app:1 -o app.tar && berth image load app.tar`,
		Args: func(c *cobra.Command, args []string) error {
			if len(args) != 1 {
				return cli.Usagef("want one FILE: see '%s --help'", c.CommandPath())
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return loadImage(c.Context(), f, args[0]) },
	}
	return cli.Group("image", "Manage the images of this machine", load)
}

func loadImage(ctx context.Context, f *cli.Factory, path string) error {
	s, err := state(f)
	if err != nil {
		return err
	}
	if s.Runtime == dataplane.Hollow {
		return errors.New("this Berth runs no containers (runtime hollow): start it with --runtime gvisor or runc to use images")
	}
	in := f.In
	if path != "-" {
		file, err := os.Open(path)
		if err != nil {
			return fmt.Errorf("opening the image: %w", err)
		}
		defer file.Close()
		in = file
	}
	socket := agent.Paths(filepath.Join(f.DataDir(), "agent")).Socket
	if c, err := os.OpenFile(socket, os.O_WRONLY, 0); errors.Is(err, os.ErrPermission) {
		return errors.New("loading an image needs root: run the command again with sudo")
	} else if err == nil {
		c.Close()
	}
	return agent.WithContainerd(ctx, socket, func(ctx context.Context, c *containerdclient.Client) error {
		return load(ctx, f, c, in, path)
	})
}

func load(ctx context.Context, f *cli.Factory, c *containerdclient.Client, in io.Reader, path string) error {
	images, err := agent.Load(ctx, c, in)
	if err != nil {
		return fmt.Errorf("loading %s: %w", path, err)
	}
	for _, i := range images {
		f.Log().Successf("loaded image %q (%s)", i.Name, i.Target.Digest)
	}
	return nil
}
