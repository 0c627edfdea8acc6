package hello

import (
	"bytes"
	"fmt"
	"net"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

// startDNS answers web.example. and the name of 192.0.2.5, on loopback.
func startDNS(t *testing.T) string {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &dns.Server{PacketConn: conn, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		records := map[string]string{
			"web.example. A":              "web.example. 5 IN A 192.0.2.5",
			"5.2.0.192.in-addr.arpa. PTR": "5.2.0.192.in-addr.arpa. 5 IN PTR web.example.",
		}
		question := q.Question[0]
		if text, ok := records[question.Name+" "+dns.TypeToString[question.Qtype]]; ok {
			rr, err := dns.NewRR(text)
			if err != nil {
				panic(err)
			}
			m.Answer = append(m.Answer, rr)
		} else if question.Name != "web.example." {
			m.Rcode = dns.RcodeNameError
		}
		w.WriteMsg(m)
	})}
	stopped := make(chan error, 1)
	ready := make(chan struct{})
	srv.NotifyStartedFunc = func() { close(ready) }
	go func() { stopped <- srv.ActivateAndServe() }()
	<-ready
	t.Cleanup(func() {
		srv.Shutdown()
		<-stopped
	})
	return conn.LocalAddr().String()
}

func TestLookup(t *testing.T) {
	server := startDNS(t)
	heading := fmt.Sprintf("Server:\t\t127.0.0.1\nAddress:\t%s\n\n", server)
	for _, test := range []struct {
		name string
		argv []string
		code int
		out  string
		err  string
	}{
		{"name", []string{"hello", "lookup", "web.example.", "--server", server}, 0, "192.0.2.5\n", ""},
		{"address", []string{"hello", "lookup", "192.0.2.5", "--server", server}, 0, "web.example.\n", ""},
		{"nslookup of a name", []string{"/bin/nslookup", "web.example.", server}, 0, heading + "Name:\tweb.example.\nAddress: 192.0.2.5\n", ""},
		{"nslookup of an address", []string{"nslookup", "192.0.2.5", server}, 0, heading + "192.0.2.5\tname = web.example.\n", ""},
		{"no such name", []string{"nslookup", "nowhere.example.", server}, 1, heading, "no such host"},
		{"no name", []string{"nslookup"}, 2, "", "usage: nslookup"},
	} {
		t.Run(test.name, func(t *testing.T) {
			var out, stderr bytes.Buffer
			code := Main(t.Context(), test.argv, Process{Stdout: &out, Stderr: &stderr})
			if code != test.code || out.String() != test.out || !strings.Contains(stderr.String(), test.err) {
				t.Errorf("%q gives code %d, %q, %q; want %d, %q, %q", test.argv, code, &out, &stderr, test.code, test.out, test.err)
			}
		})
	}
}
