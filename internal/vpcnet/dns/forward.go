package dns

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"sync"

	"github.com/miekg/dns"
)

// forward asks the host's resolvers in turn until one gives an answer that is
// one; SERVFAIL if none does.
func (r *Resolver) forward(ctx context.Context, query *dns.Msg, network string) *dns.Msg {
	servers, err := r.upstreams.list()
	if err != nil {
		r.config.Log.Warn("reading the host's resolvers", "error", err)
	}
	var last *dns.Msg
	for _, server := range servers {
		reply, err := r.exchange(ctx, query, network, server)
		if err != nil {
			r.config.Log.Debug("asking the host's resolver", "server", server, "error", err)
			continue
		}
		last = reply
		if reply.Rcode != dns.RcodeServerFailure && reply.Rcode != dns.RcodeRefused {
			break
		}
	}
	if last == nil {
		last = new(dns.Msg).SetRcode(query, dns.RcodeServerFailure)
		last.RecursionAvailable = true
	}
	return last
}

// exchange asks under an id of its own, so that the client's, which others may
// have seen, is of no use to a forger.
func (r *Resolver) exchange(ctx context.Context, query *dns.Msg, network, server string) (*dns.Msg, error) {
	ctx, cancel := context.WithTimeout(ctx, r.config.Timeout)
	defer cancel()
	question := query.Copy()
	question.Id = dns.Id()
	client := dns.Client{Net: network, Timeout: r.config.Timeout}
	reply, _, err := client.ExchangeContext(ctx, question, server)
	if err != nil {
		return nil, err
	}
	reply.Id = query.Id
	return reply, nil
}

// upstreams are the nameservers of a resolv.conf, as of its last change.
type upstreams struct {
	path string

	mu      sync.Mutex
	seen    os.FileInfo
	servers []string
}

// list keeps to what it had while the file cannot be read.
func (u *upstreams) list() ([]string, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	info, err := os.Stat(u.path)
	if err != nil {
		return u.servers, err
	}
	if u.seen != nil && os.SameFile(info, u.seen) && info.ModTime().Equal(u.seen.ModTime()) && info.Size() == u.seen.Size() {
		return u.servers, nil
	}
	b, err := os.ReadFile(u.path)
	if err != nil {
		return u.servers, err
	}
	servers, err := parseResolvConf(b)
	if err != nil {
		return u.servers, err
	}
	u.seen, u.servers = info, servers
	return servers, nil
}

func parseResolvConf(b []byte) ([]string, error) {
	c, err := dns.ClientConfigFromReader(bytes.NewReader(b))
	if err != nil {
		return nil, fmt.Errorf("parsing resolv.conf: %w", err)
	}
	servers := make([]string, 0, len(c.Servers))
	for _, s := range c.Servers {
		servers = append(servers, net.JoinHostPort(s, c.Port))
	}
	return servers, nil
}
