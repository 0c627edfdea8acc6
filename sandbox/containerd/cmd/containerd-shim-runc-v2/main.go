// Command containerd-shim-runc-v2 is containerd's shim for runc, as upstream
// builds it.
//
// It adds nothing to upstream: it exists so that the shim is built from the
// same Go module, at the same version, as the containerd that starts it.
package main

import (
	"context"

	"github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2/manager"
	_ "github.com/containerd/containerd/v2/cmd/containerd-shim-runc-v2/task/plugin"
	"github.com/containerd/containerd/v2/pkg/shim"
)

func main() {
	shim.RunShim(context.Background(), manager.NewShimManager("io.containerd.runc.v2"))
}
