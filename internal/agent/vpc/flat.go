package vpc

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"sync"

	"berth.dev/berth/internal/vpcnet/linux"
)

// Flat stands in for namespaces on a host that cannot make them: every VPC is
// the host's own network, in which only kubelets answer, each on a loopback
// port that is known here by its node's address.
type Flat struct {
	mu       sync.Mutex
	kubelets map[string]string
}

// NewFlat makes a Flat that knows no kubelet.
func NewFlat() *Flat { return &Flat{kubelets: map[string]string{}} }

// Sync has nothing to set up.
func (f *Flat) Sync(context.Context, string) error { return nil }

// Carried is nothing.
func (f *Flat) Carried(context.Context) ([]string, error) { return nil, nil }

// Declared has nothing to declare.
func (f *Flat) Declared(context.Context, string, string) error { return nil }

// Attach refuses: there is no router to attach to.
func (f *Flat) Attach(_ context.Context, vpcID, interfaceID, _, _ string) (linux.Attachment, error) {
	return linux.Attachment{}, fmt.Errorf("attaching %s in %s: this host has no network namespaces", interfaceID, vpcID)
}

// Detach has nothing to undo.
func (f *Flat) Detach(context.Context, string, string) error { return nil }

// Start starts a command on the host.
func (f *Flat) Start(_ string, cmd *exec.Cmd) error { return cmd.Start() }

// Serve makes a kubelet's address, ip:10250, lead to where it listens; an empty
// listener takes it away.
func (f *Flat) Serve(address, listener string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if listener == "" {
		delete(f.kubelets, address)
		return
	}
	f.kubelets[address] = listener
}

// Dial reaches kubelets alone.
func (f *Flat) Dial(ctx context.Context, vpcID, network, address string) (net.Conn, error) {
	f.mu.Lock()
	listener, ok := f.kubelets[address]
	f.mu.Unlock()
	if !ok {
		return nil, fmt.Errorf("dialing %s in %s: this host has no network namespaces, so that only kubelets can be reached", address, vpcID)
	}
	return (&net.Dialer{}).DialContext(ctx, network, listener)
}

// Listen refuses: there is no address of a VPC on the host.
func (f *Flat) Listen(_ context.Context, vpcID, _, address string) (net.Listener, error) {
	return nil, fmt.Errorf("listening on %s in %s: this host has no network namespaces", address, vpcID)
}

// Stop has nothing to end.
func (f *Flat) Stop() {}
