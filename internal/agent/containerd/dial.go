package containerd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

// criNamespace is the containerd namespace of everything that the CRI makes.
const criNamespace = "k8s.io"

// DialSandbox connects to a TCP port on the loopback of a gVisor sandbox, as a
// port-forward of the kubelet does. containerd's own port-forward cannot: it
// dials in the pod's network namespace on the host, where gVisor's network
// stack does not listen. It makes a short-lived socket in folder, whose path
// must leave room for that (107 bytes in all).
//
// A port where nothing listens shows as a connection that ends at once.
func DialSandbox(ctx context.Context, paths Paths, runsc, folder, sandbox string, port uint16) (net.Conn, error) {
	dir, err := os.MkdirTemp(folder, "dial-")
	if err != nil {
		return nil, fmt.Errorf("making a folder to dial sandbox %s: %w", sandbox, err)
	}
	defer os.RemoveAll(dir)
	stream := filepath.Join(dir, "s")
	listener, err := net.Listen("unix", stream)
	if err != nil {
		return nil, fmt.Errorf("listening to dial sandbox %s: %w", sandbox, err)
	}
	defer listener.Close()

	// runsc hands its end of the stream to the sandbox and ends.
	cmd := exec.CommandContext(ctx, runsc, "--root="+filepath.Join(paths.RunscRoot, criNamespace),
		"port-forward", "--stream", stream, sandbox, strconv.Itoa(int(port)))
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("executing %s to dial sandbox %s: %w", runsc, sandbox, err)
	}
	ended := make(chan error, 1)
	go func() {
		err := cmd.Wait()
		if err != nil {
			listener.Close() // it may have ended before it connected
		}
		ended <- err
	}()
	conn, acceptErr := listener.Accept()
	if err := <-ended; err != nil || acceptErr != nil {
		if conn != nil {
			conn.Close()
		}
		return nil, fmt.Errorf("dialling port %d of sandbox %s: %w: %s", port, sandbox, errors.Join(err, acceptErr), bytes.TrimSpace(output.Bytes()))
	}
	return conn, nil
}
