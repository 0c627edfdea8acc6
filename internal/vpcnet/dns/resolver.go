package dns

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/miekg/dns"
)

// Config says what a resolver answers.
type Config struct {
	// Region is the region in the private names.
	Region string
	// CIDRs are the VPC's blocks, whose addresses have private names.
	CIDRs []netip.Prefix
	// Hostnames is the attribute enableDnsHostnames. Without it the private names
	// do not exist.
	Hostnames bool
	// Lookup, if set, is asked first about every name, in lower case and without
	// a trailing dot; nil means that the name is none of its own. It must not
	// block and is called from several goroutines.
	Lookup func(name string) []netip.Addr
	// ResolvConf names the host's resolvers, /etc/resolv.conf by default. It is
	// read again when it has changed.
	ResolvConf string
	// Timeout is how long one of the host's resolvers may take; 2 s by default.
	Timeout time.Duration
	// Log may be nil.
	Log *slog.Logger
}

// TTL is how long an answer about a private name holds, in seconds.
const TTL = 60

// Resolver answers questions. It has no state but what it read of ResolvConf.
type Resolver struct {
	config    Config
	upstreams upstreams
}

// New makes a resolver.
func New(c Config) *Resolver {
	if c.ResolvConf == "" {
		c.ResolvConf = "/etc/resolv.conf"
	}
	if c.Timeout == 0 {
		c.Timeout = 2 * time.Second
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return &Resolver{config: c, upstreams: upstreams{path: c.ResolvConf}}
}

// Answer answers one message; network is "udp" or "tcp", the way it came. The
// answer may be longer than the asker can take.
func (r *Resolver) Answer(ctx context.Context, query *dns.Msg, network string) *dns.Msg {
	if query.Opcode != dns.OpcodeQuery {
		return new(dns.Msg).SetRcode(query, dns.RcodeNotImplemented)
	}
	if len(query.Question) != 1 {
		return new(dns.Msg).SetRcode(query, dns.RcodeFormatError)
	}
	if reply := r.private(query); reply != nil {
		return reply
	}
	return r.forward(ctx, query, network)
}

// private answers what is not the world's business; nil for all else.
func (r *Resolver) private(query *dns.Msg) *dns.Msg {
	q := query.Question[0]
	if q.Qclass != dns.ClassINET {
		return nil
	}
	if r.config.Lookup != nil {
		if addrs := r.config.Lookup(normalise(q.Name)); addrs != nil {
			return addressReply(query, addrs, normalise(q.Name)+".")
		}
	}
	if a, ok := parseReverse(q.Name); ok && r.inVPC(a) {
		return r.reverseReply(query, a)
	}
	if _, ok := underDomain(r.config.Region, q.Name); !ok {
		return nil
	}
	zone := Domain(r.config.Region) + "."
	a, ok := ParsePrivateName(r.config.Region, q.Name)
	if !ok || !r.inVPC(a) || !r.config.Hostnames {
		return negative(query, dns.RcodeNameError, zone)
	}
	return addressReply(query, []netip.Addr{a}, zone)
}

func (r *Resolver) inVPC(a netip.Addr) bool {
	for _, p := range r.config.CIDRs {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

func (r *Resolver) reverseReply(query *dns.Msg, a netip.Addr) *dns.Msg {
	q := query.Question[0]
	if !r.config.Hostnames {
		return negative(query, dns.RcodeNameError, q.Name)
	}
	if q.Qtype != dns.TypePTR && q.Qtype != dns.TypeANY {
		return negative(query, dns.RcodeSuccess, q.Name)
	}
	reply := positive(query)
	reply.Answer = []dns.RR{&dns.PTR{Hdr: header(q.Name, dns.TypePTR), Ptr: PrivateName(r.config.Region, a) + "."}}
	return reply
}

func addressReply(query *dns.Msg, addrs []netip.Addr, zone string) *dns.Msg {
	q := query.Question[0]
	reply := positive(query)
	for _, a := range addrs {
		switch {
		case a.Is4() && (q.Qtype == dns.TypeA || q.Qtype == dns.TypeANY):
			reply.Answer = append(reply.Answer, &dns.A{Hdr: header(q.Name, dns.TypeA), A: a.AsSlice()})
		case a.Is6() && (q.Qtype == dns.TypeAAAA || q.Qtype == dns.TypeANY):
			reply.Answer = append(reply.Answer, &dns.AAAA{Hdr: header(q.Name, dns.TypeAAAA), AAAA: a.AsSlice()})
		}
	}
	if len(reply.Answer) == 0 {
		return negative(query, dns.RcodeSuccess, zone)
	}
	return reply
}

func header(name string, kind uint16) dns.RR_Header {
	return dns.RR_Header{Name: name, Rrtype: kind, Class: dns.ClassINET, Ttl: TTL}
}

func positive(query *dns.Msg) *dns.Msg {
	reply := new(dns.Msg).SetReply(query)
	reply.RecursionAvailable = true
	if o := query.IsEdns0(); o != nil {
		reply.SetEdns0(o.UDPSize(), false)
	}
	return reply
}

// negative says that there is no such name (NXDOMAIN) or no such record
// (success). The SOA lets clients remember it, briefly: pods come and go.
func negative(query *dns.Msg, rcode int, zone string) *dns.Msg {
	reply := positive(query)
	reply.Rcode = rcode
	soa := &dns.SOA{Hdr: header(zone, dns.TypeSOA), Ns: zone, Mbox: "hostmaster." + zone,
		Serial: 1, Refresh: 3600, Retry: 600, Expire: 86400, Minttl: 5}
	soa.Hdr.Ttl = soa.Minttl
	reply.Ns = []dns.RR{soa}
	return reply
}

// Serve answers on both sockets until the context ends, waits for the questions
// in hand and closes the sockets. It returns nil, or why it ended earlier.
func (r *Resolver) Serve(ctx context.Context, packets net.PacketConn, streams net.Listener) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	servers := []*dns.Server{
		{PacketConn: packets, Handler: r.handler(ctx, "udp")},
		{Listener: streams, Handler: r.handler(ctx, "tcp")},
	}
	ended := make(chan error, len(servers))
	running, err := len(servers), error(nil)
	for _, s := range servers {
		started := make(chan struct{})
		s.NotifyStartedFunc = func() { close(started) }
		go func() { ended <- s.ActivateAndServe() }()
		// Shutdown ends a server only once it has started.
		select {
		case <-started:
		case err = <-ended:
			running--
		}
	}
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-ended:
			running--
		}
	}
	cancel()
	for _, s := range servers {
		// It fails for a server that has ended, which is what is wanted.
		_ = s.Shutdown()
	}
	packets.Close()
	streams.Close()
	for range running {
		<-ended
	}
	return err
}

func (r *Resolver) handler(ctx context.Context, network string) dns.Handler {
	return dns.HandlerFunc(func(w dns.ResponseWriter, query *dns.Msg) {
		reply := r.Answer(ctx, query, network)
		if network == "udp" {
			reply.Truncate(udpSize(query))
		}
		if err := w.WriteMsg(reply); err != nil {
			r.config.Log.Debug("writing dns reply", "client", w.RemoteAddr(), "error", err)
		}
	})
}

func udpSize(query *dns.Msg) int {
	if o := query.IsEdns0(); o != nil && o.UDPSize() > dns.MinMsgSize {
		return int(o.UDPSize())
	}
	return dns.MinMsgSize
}
