package hello

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"time"
)

func lookup(ctx context.Context, p Process) error {
	fs := newFlags("lookup")
	server := fs.String("server", "", "")
	timeout := fs.Duration("timeout", 5*time.Second, "")
	operands, err := parse(fs, p.Args)
	if err != nil {
		return err
	}
	if len(operands) != 1 {
		return usagef("want one name, got %d", len(operands))
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	answers, err := newResolver(*server).lookup(ctx, operands[0])
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, strings.Join(answers, "\n"))
	return err
}

// nslookup is lookup under the name, and with the output, that users know.
func nslookup(ctx context.Context, p Process) error {
	if len(p.Args) < 1 || len(p.Args) > 2 {
		return usagef("want a name and perhaps a server, got %d arguments", len(p.Args))
	}
	server := ""
	if len(p.Args) == 2 {
		server = p.Args[1]
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	r := newResolver(server)
	answers, err := r.lookup(ctx, p.Args[0])
	if asked, ok := r.asked.Load().(string); ok {
		host, _, _ := net.SplitHostPort(asked)
		fmt.Fprintf(p.Stdout, "Server:\t\t%s\nAddress:\t%s\n\n", host, asked)
	}
	if err != nil {
		return err
	}
	_, isAddress := netip.ParseAddr(p.Args[0])
	for _, a := range answers {
		if isAddress == nil {
			fmt.Fprintf(p.Stdout, "%s\tname = %s\n", p.Args[0], a)
		} else {
			fmt.Fprintf(p.Stdout, "Name:\t%s\nAddress: %s\n", p.Args[0], a)
		}
	}
	return nil
}

// resolver asks server, or those of /etc/resolv.conf when it is empty, and
// remembers in asked which one that was.
type resolver struct {
	net.Resolver
	asked atomic.Value // string, host:port
}

func newResolver(server string) *resolver {
	r := &resolver{}
	if server != "" {
		if _, _, err := net.SplitHostPort(server); err != nil {
			server = net.JoinHostPort(server, "53")
		}
	}
	r.PreferGo = true
	r.Dial = func(ctx context.Context, network, address string) (net.Conn, error) {
		if server != "" {
			address = server
		}
		r.asked.Store(address)
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}
	return r
}

// lookup returns the addresses of a name or the names of an address.
func (r *resolver) lookup(ctx context.Context, name string) ([]string, error) {
	if _, err := netip.ParseAddr(name); err == nil {
		return r.LookupAddr(ctx, name)
	}
	return r.LookupHost(ctx, name)
}
