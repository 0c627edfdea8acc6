// Command containerd is containerd with the plugins that the Kubernetes CRI
// needs on Linux (plugins.go), and a lifeline.
//
// The lifeline: where the environment names a descriptor in BERTH_LIFELINE_FD,
// that descriptor is the reading end of a pipe whose other end only the parent
// holds. When the parent is gone, by whatever signal, the pipe ends and this
// process shuts down as on SIGTERM. Shims and containers are not touched:
// the next containerd over the same folders finds them.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/containerd/containerd/v2/cmd/containerd/command"
)

func main() {
	os.Exit(run(context.Background(), os.Args))
}

func run(ctx context.Context, args []string) int {
	if err := holdLifeline(); err != nil {
		fmt.Fprintln(os.Stderr, "containerd:", err)
		return 1
	}
	if err := command.App().Run(ctx, args); err != nil {
		fmt.Fprintln(os.Stderr, "containerd:", err)
		return 1
	}
	return 0
}
