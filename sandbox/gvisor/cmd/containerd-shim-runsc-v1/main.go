// Command containerd-shim-runsc-v1 is the containerd shim that runs a pod's
// containers in a gVisor sandbox.
//
// The task service is upstream's, with one correction. What is ours is how a
// shim is started (see package shim): upstream's start gives up where it may
// not lower an OOM score, and keeps its sockets in a folder that every
// containerd shares.
package main

import (
	"context"
	"os"

	containerdshim "github.com/containerd/containerd/v2/pkg/shim"

	"berth.dev/berth/sandbox/gvisor/internal/shim"
)

func main() {
	shim.RegisterService()
	containerdshim.Run(context.Background(), shim.New("io.containerd.runsc.v1", os.Stdin))
}
