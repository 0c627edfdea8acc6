// Command berth-cni is the CNI plugin that containerd executes for every pod.
// It is a program of its own, not a subcommand of berth, because it runs twice
// in every pod's life and has to start in a millisecond.
package main

import (
	"context"
	"os"

	"berth.dev/berth/internal/agent/cni"
)

func main() {
	os.Exit(cni.Run(context.Background(), os.Getenv, os.Stdin, os.Stdout))
}
