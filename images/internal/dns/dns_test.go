package dns_test

import (
	"strings"
	"testing"

	"github.com/coredns/caddy"
	"github.com/coredns/coredns/core/dnsserver"
	_ "github.com/coredns/coredns/coremain" // registers the server type
	"github.com/miekg/dns"

	_ "berth.dev/berth/images/internal/dns"
)

// start runs a CoreDNS on loopback until the test ends, and returns its
// address for UDP.
func start(t *testing.T, corefile string) string {
	t.Helper()
	dnsserver.Quiet = true
	instance, err := caddy.Start(caddy.CaddyfileInput{
		Filepath: "Corefile", Contents: []byte(corefile), ServerTypeName: "dns",
	})
	if err != nil {
		t.Fatalf("starting CoreDNS: %v", err)
	}
	t.Cleanup(func() {
		instance.ShutdownCallbacks()
		if err := instance.Stop(); err != nil {
			t.Errorf("stopping CoreDNS: %v", err)
		}
	})
	return instance.Servers()[0].LocalAddr().String()
}

func ask(t *testing.T, server, name string) *dns.Msg {
	t.Helper()
	answer, err := dns.Exchange(new(dns.Msg).SetQuestion(name, dns.TypeA), server)
	if err != nil {
		t.Fatalf("asking %s for %s: %v", server, name, err)
	}
	return answer
}

func TestAnswers(t *testing.T) {
	server := start(t, `.:0 {
		bind 127.0.0.1
		errors
		rewrite name alias.example. www.example.
		hosts {
			192.0.2.7 fixed.example
			fallthrough
		}
		template IN A example. {
			match ^www[.]
			answer "{{ .Name }} 60 IN A 192.0.2.1"
			fallthrough
		}
		template ANY ANY test. {
			rcode NXDOMAIN
		}
	}`)
	for _, test := range []struct{ name, question, address string }{
		{"template", "www.example.", "192.0.2.1"},
		{"hosts", "fixed.example.", "192.0.2.7"},
		{"rewrite", "alias.example.", "192.0.2.1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			answer := ask(t, server, test.question)
			if len(answer.Answer) != 1 || !strings.HasSuffix(answer.Answer[0].String(), "\t"+test.address) {
				t.Errorf("%s has answer %v, want %s", test.question, answer.Answer, test.address)
			}
		})
	}
	t.Run("no such name", func(t *testing.T) {
		if got := ask(t, server, "nowhere.test.").Rcode; got != dns.RcodeNameError {
			t.Errorf("answer code %s, want NXDOMAIN", dns.RcodeToString[got])
		}
	})
}

// TestForward sends what one server does not know to another, through every
// plugin of EKS's Corefile that needs no cluster.
func TestForward(t *testing.T) {
	upstream := start(t, `.:0 {
		bind 127.0.0.1
		template IN A {
			answer "{{ .Name }} 60 IN A 192.0.2.9"
		}
	}`)
	server := start(t, `.:0 {
		bind 127.0.0.1
		errors
		ready 127.0.0.1:0
		forward . `+upstream+`
		cache 30
		reload
		loadbalance
	}`)
	answer := ask(t, server, "upstream.example.")
	if len(answer.Answer) != 1 || !strings.HasSuffix(answer.Answer[0].String(), "\t192.0.2.9") {
		t.Errorf("answer %v, want 192.0.2.9", answer.Answer)
	}
}

// TestPlugins holds the list to what EKS's Corefile and its usual additions
// name, and keeps out what made us leave plugins out.
func TestPlugins(t *testing.T) {
	have := map[string]bool{}
	for _, name := range caddy.ListPlugins()["others"] {
		have[strings.TrimPrefix(name, "dns.")] = true
	}
	for _, name := range strings.Fields(`errors health ready kubernetes prometheus forward cache loop reload
		loadbalance hosts rewrite template log autopath metadata bind file view tls`) {
		if !have[name] {
			t.Errorf("plugin %s is missing", name)
		}
	}
	for _, name := range []string{"route53", "azure", "clouddns", "etcd", "trace", "dnssec"} {
		if have[name] {
			t.Errorf("plugin %s is linked", name)
		}
	}
}

func TestUnknownPlugin(t *testing.T) {
	_, err := caddy.Start(caddy.CaddyfileInput{
		Filepath: "Corefile", Contents: []byte(".:0 {\n route53\n}"), ServerTypeName: "dns",
	})
	if err == nil || !strings.Contains(err.Error(), "route53") {
		t.Errorf("a Corefile with a plugin that is not linked gives %v, want an error that names it", err)
	}
}
