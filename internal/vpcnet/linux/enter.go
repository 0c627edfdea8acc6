package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os/exec"
	"syscall"
)

// Listen opens a listening stream socket inside a namespace; network is "tcp",
// "tcp4" or "tcp6". It is served from the caller's side like any other.
func (d *Driver) Listen(ctx context.Context, namespace, network, address string) (net.Listener, error) {
	var l net.Listener
	err := d.inside(namespace, func() (err error) {
		var lc net.ListenConfig
		lc.SetMultipathTCP(false)
		l, err = lc.Listen(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listening in %s: %w", namespace, err)
	}
	return l, nil
}

// ListenPacket opens a packet socket inside a namespace; network is "udp",
// "udp4" or "udp6".
func (d *Driver) ListenPacket(ctx context.Context, namespace, network, address string) (net.PacketConn, error) {
	var c net.PacketConn
	err := d.inside(namespace, func() (err error) {
		var lc net.ListenConfig
		c, err = lc.ListenPacket(ctx, network, address)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("listening in %s: %w", namespace, err)
	}
	return c, nil
}

// Start starts a command inside a namespace. Only the network namespace differs
// from the caller's: mounts, /sys among them, are the same.
func (d *Driver) Start(namespace string, cmd *exec.Cmd) error {
	if err := d.inside(namespace, cmd.Start); err != nil {
		return fmt.Errorf("starting %s in %s: %w", cmd.Path, namespace, err)
	}
	return nil
}

func (d *Driver) inside(namespace string, f func() error) error {
	ns, err := openNamespace(namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	return inside(ns, f)
}

// ErrNotLiteral says that Dial was given a name where it needs an IP address:
// names are resolved by whoever knows in which network they are meant.
var ErrNotLiteral = errors.New("the address is not an IP address and port")

// errSecondSocket stops the net package from making another socket for the same
// dial, which would be on the host.
var errSecondSocket = errors.New("a dial makes one socket")

// Dial connects from inside a namespace to an IP address and port; network is
// "tcp" or "udp", or one of their 4 and 6. The thread is inside only until the
// socket exists, so a slow peer holds no thread.
func (d *Driver) Dial(ctx context.Context, namespace, network, address string) (net.Conn, error) {
	if _, err := netip.ParseAddrPort(address); err != nil {
		return nil, fmt.Errorf("dialing %s in %s: %w", address, namespace, ErrNotLiteral)
	}
	type result struct {
		conn net.Conn
		err  error
	}
	done := make(chan result, 1)
	go func() {
		conn, err := dialInside(ctx, namespace, network, address)
		done <- result{conn, err}
	}()
	r := <-done
	if r.err != nil {
		return nil, fmt.Errorf("dialing in %s: %w", namespace, r.err)
	}
	return r.conn, nil
}

// dialInside must run on a goroutine of its own, see pinnedThread.release.
func dialInside(ctx context.Context, namespace, network, address string) (net.Conn, error) {
	ns, err := openNamespace(namespace)
	if err != nil {
		return nil, err
	}
	defer ns.Close()
	t, err := pinThread()
	if err != nil {
		return nil, err
	}
	away := true
	leave := func() error { away = false; return t.release() }
	if err := setns(ns); err != nil {
		return nil, errors.Join(err, leave())
	}
	dialer := net.Dialer{
		FallbackDelay: -1,
		Control: func(string, string, syscall.RawConn) error {
			if !away {
				return errSecondSocket
			}
			return leave()
		},
	}
	conn, err := dialer.DialContext(ctx, network, address)
	if away {
		err = errors.Join(err, leave())
	}
	if err != nil && conn != nil {
		conn.Close()
		conn = nil
	}
	return conn, err
}
