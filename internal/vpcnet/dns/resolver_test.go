package dns

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
)

func vpcConfig() Config {
	return Config{
		Region:     "eu-west-1",
		CIDRs:      []netip.Prefix{netip.MustParsePrefix("10.0.0.0/16")},
		Hostnames:  true,
		ResolvConf: "/nonexistent/resolv.conf",
		Lookup: func(name string) []netip.Addr {
			switch name {
			case "abc.gr7.eu-west-1.eks.amazonaws.com":
				return []netip.Addr{netip.MustParseAddr("10.0.1.5"), netip.MustParseAddr("10.0.2.5")}
			case "empty.example":
				return []netip.Addr{}
			}
			return nil
		},
	}
}

func render(m *dns.Msg) []string {
	out := []string{dns.RcodeToString[m.Rcode]}
	for _, rr := range m.Answer {
		out = append(out, strings.ReplaceAll(rr.String(), "\t", " "))
	}
	for _, rr := range m.Ns {
		out = append(out, "authority "+rr.Header().Name)
	}
	return out
}

func TestPrivateAnswers(t *testing.T) {
	off := vpcConfig()
	off.Hostnames = false
	const zone = "authority eu-west-1.compute.internal."
	for _, tt := range []struct {
		name   string
		config Config
		ask    string
		kind   uint16
		want   []string
	}{
		{"address", vpcConfig(), "ip-10-0-1-10.eu-west-1.compute.internal.", dns.TypeA,
			[]string{"NOERROR", "ip-10-0-1-10.eu-west-1.compute.internal. 60 IN A 10.0.1.10"}},
		{"case is the client's", vpcConfig(), "Ip-10-0-1-10.eu-west-1.compute.internal.", dns.TypeA,
			[]string{"NOERROR", "Ip-10-0-1-10.eu-west-1.compute.internal. 60 IN A 10.0.1.10"}},
		{"no IPv6", vpcConfig(), "ip-10-0-1-10.eu-west-1.compute.internal.", dns.TypeAAAA, []string{"NOERROR", zone}},
		{"outside the VPC", vpcConfig(), "ip-10-1-1-10.eu-west-1.compute.internal.", dns.TypeA, []string{"NXDOMAIN", zone}},
		{"other name of the domain", vpcConfig(), "db.eu-west-1.compute.internal.", dns.TypeA, []string{"NXDOMAIN", zone}},
		{"hostnames off", off, "ip-10-0-1-10.eu-west-1.compute.internal.", dns.TypeA, []string{"NXDOMAIN", zone}},
		{"reverse", vpcConfig(), "10.1.0.10.in-addr.arpa.", dns.TypePTR,
			[]string{"NOERROR", "10.1.0.10.in-addr.arpa. 60 IN PTR ip-10-0-1-10.eu-west-1.compute.internal."}},
		{"reverse with hostnames off", off, "10.1.0.10.in-addr.arpa.", dns.TypePTR,
			[]string{"NXDOMAIN", "authority 10.1.0.10.in-addr.arpa."}},
		{"hook", vpcConfig(), "ABC.gr7.eu-west-1.eks.amazonaws.com.", dns.TypeA,
			[]string{"NOERROR", "ABC.gr7.eu-west-1.eks.amazonaws.com. 60 IN A 10.0.1.5",
				"ABC.gr7.eu-west-1.eks.amazonaws.com. 60 IN A 10.0.2.5"}},
		{"hook without addresses", vpcConfig(), "empty.example.", dns.TypeA,
			[]string{"NOERROR", "authority empty.example."}},
		{"world out of reach", vpcConfig(), "example.com.", dns.TypeA, []string{"SERVFAIL"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			query := new(dns.Msg).SetQuestion(tt.ask, tt.kind)
			got := New(tt.config).Answer(t.Context(), query, "udp")
			if diff := cmp.Diff(tt.want, render(got)); diff != "" {
				t.Errorf("%s %s (-want +got):\n%s", dns.TypeToString[tt.kind], tt.ask, diff)
			}
			if got.Id != query.Id || !got.Response {
				t.Errorf("the reply has id %d, want %d", got.Id, query.Id)
			}
		})
	}
}

func TestMalformedQueries(t *testing.T) {
	r := New(vpcConfig())
	none := new(dns.Msg)
	none.Id = 7
	if got := r.Answer(t.Context(), none, "udp"); got.Rcode != dns.RcodeFormatError {
		t.Errorf("no question: %s", dns.RcodeToString[got.Rcode])
	}
	update := new(dns.Msg).SetUpdate("eu-west-1.compute.internal.")
	if got := r.Answer(t.Context(), update, "udp"); got.Rcode != dns.RcodeNotImplemented {
		t.Errorf("update: %s", dns.RcodeToString[got.Rcode])
	}
}

// running is a resolver, or a host's one, on loopback sockets.
func running(t *testing.T, serve func(context.Context, net.PacketConn, net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- serve(ctx, p, l) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return l.Addr().String()
}

// hostResolver answers every question by the code and with a text of n times 200
// characters.
func hostResolver(t *testing.T, rcode, n int) string {
	return running(t, func(ctx context.Context, p net.PacketConn, l net.Listener) error {
		h := dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
			m := new(dns.Msg).SetRcode(q, rcode)
			for i := range n {
				text := fmt.Sprintf("%03d", i) + strings.Repeat("x", 197)
				m.Answer = append(m.Answer, &dns.TXT{Hdr: header(q.Question[0].Name, dns.TypeTXT), Txt: []string{text}})
			}
			if _, ok := w.RemoteAddr().(*net.UDPAddr); ok {
				m.Truncate(udpSize(q))
			}
			_ = w.WriteMsg(m)
		})
		var wg sync.WaitGroup
		servers := []*dns.Server{{PacketConn: p, Handler: h}, {Listener: l, Handler: h}}
		for _, s := range servers {
			up := make(chan struct{})
			s.NotifyStartedFunc = func() { close(up) }
			wg.Go(func() { _ = s.ActivateAndServe() })
			<-up
		}
		<-ctx.Done()
		for _, s := range servers {
			_ = s.Shutdown()
		}
		wg.Wait()
		return nil
	})
}

func ask(t *testing.T, network, server string) *dns.Msg {
	t.Helper()
	c := dns.Client{Net: network, Timeout: 5 * time.Second}
	m, _, err := c.Exchange(new(dns.Msg).SetQuestion("example.com.", dns.TypeTXT), server)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// withUpstreams makes the resolver's upstreams these, which no file can say: a
// resolv.conf has no ports.
func withUpstreams(t *testing.T, servers ...string) *Resolver {
	t.Helper()
	c := vpcConfig()
	c.ResolvConf = filepath.Join(t.TempDir(), "resolv.conf")
	if err := os.WriteFile(c.ResolvConf, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	c.Timeout = 500 * time.Millisecond
	r := New(c)
	if _, err := r.upstreams.list(); err != nil {
		t.Fatal(err)
	}
	r.upstreams.servers = servers
	return r
}

func TestForwarding(t *testing.T) {
	good := hostResolver(t, dns.RcodeSuccess, 1)
	long := hostResolver(t, dns.RcodeSuccess, 20)
	failing := hostResolver(t, dns.RcodeServerFailure, 0)
	missing := hostResolver(t, dns.RcodeNameError, 0)
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	for _, tt := range []struct {
		name      string
		network   string
		upstreams []string
		rcode     int
		answers   int
		truncated bool
	}{
		{"udp", "udp", []string{good}, dns.RcodeSuccess, 1, false},
		{"tcp", "tcp", []string{good}, dns.RcodeSuccess, 1, false},
		{"long by udp", "udp", []string{long}, dns.RcodeSuccess, 2, true},
		{"long by tcp", "tcp", []string{long}, dns.RcodeSuccess, 20, false},
		{"no such name", "udp", []string{missing, good}, dns.RcodeNameError, 0, false},
		{"the second knows", "udp", []string{failing, good}, dns.RcodeSuccess, 1, false},
		{"the first is silent", "udp", []string{silent.LocalAddr().String(), good}, dns.RcodeSuccess, 1, false},
		{"all fail", "udp", []string{failing, silent.LocalAddr().String()}, dns.RcodeServerFailure, 0, false},
		{"none", "udp", nil, dns.RcodeServerFailure, 0, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, tt.network, running(t, withUpstreams(t, tt.upstreams...).Serve))
			if got.Rcode != tt.rcode || len(got.Answer) != tt.answers || got.Truncated != tt.truncated {
				t.Errorf("got %s, %d answers, truncated %v; want %s, %d, %v", dns.RcodeToString[got.Rcode],
					len(got.Answer), got.Truncated, dns.RcodeToString[tt.rcode], tt.answers, tt.truncated)
			}
		})
	}
}

func TestResolvConfIsReadAgain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "resolv.conf")
	u := upstreams{path: path}
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want := func(servers ...string) {
		t.Helper()
		got, _ := u.list()
		if diff := cmp.Diff(servers, got); diff != "" {
			t.Errorf("servers (-want +got):\n%s", diff)
		}
	}
	want()
	write("search x\nnameserver 127.0.0.53\n")
	want("127.0.0.53:53")
	write("nameserver 192.0.2.1\nnameserver 2001:db8::1\n")
	want("192.0.2.1:53", "[2001:db8::1]:53")
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	want("192.0.2.1:53", "[2001:db8::1]:53")
}

func TestServeEndsWhenASocketIsClosed(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p.Close()
	if err := New(vpcConfig()).Serve(t.Context(), p, l); err == nil {
		t.Error("serving a closed socket ended without an error")
	}
}
