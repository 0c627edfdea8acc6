// Command runsc is gVisor's OCI runtime, as upstream builds it.
//
// It adds nothing to upstream: it exists so that runsc is built from the Go
// module that go.mod pins, without cgo and without a download of binaries.
package main

import "gvisor.dev/gvisor/runsc/cli/maincli"

func main() {
	maincli.Main()
}
