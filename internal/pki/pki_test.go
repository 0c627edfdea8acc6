package pki

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"testing"
	"time"
)

func TestAuthorityIssuesForMutualTLS(t *testing.T) {
	now := time.Now()
	made, err := NewAuthority("kubernetes", now)
	if err != nil {
		t.Fatal(err)
	}
	ca, err := Load(made.Pair)
	if err != nil {
		t.Fatal(err)
	}
	server := issue(t, ca, Request{CommonName: "kube-apiserver", IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true, NotAfter: now.Add(time.Hour)}, now)
	client := issue(t, ca, Request{CommonName: "system:node:a", Organizations: []string{"system:nodes"}, Client: true, NotAfter: now.Add(time.Hour)}, now)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.Cert)

	near, far := net.Pipe()
	done := make(chan error, 1)
	go func() {
		s := tls.Server(far, &tls.Config{Certificates: []tls.Certificate{server}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: pool})
		defer s.Close()
		if err := s.Handshake(); err != nil {
			done <- err
			return
		}
		_, err := s.Write([]byte(s.ConnectionState().PeerCertificates[0].Subject.String()))
		done <- err
	}()
	c := tls.Client(near, &tls.Config{Certificates: []tls.Certificate{client}, RootCAs: pool, ServerName: "127.0.0.1"})
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if string(got) != "CN=system:node:a,O=system:nodes" {
		t.Errorf("the server saw %q", got)
	}
}

func issue(t *testing.T, ca *Authority, r Request, now time.Time) tls.Certificate {
	t.Helper()
	p, err := ca.Issue(r, now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := tls.X509KeyPair(p.Cert, p.Key)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestLoadRefusesForeignInput(t *testing.T) {
	for name, p := range map[string]Pair{"nothing": {}, "text": {Cert: []byte("x"), Key: []byte("y")}} {
		t.Run(name, func(t *testing.T) {
			if _, err := Load(p); err == nil {
				t.Error("Load succeeded")
			}
		})
	}
}
