package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"berth.dev/berth/internal/pki"
	"berth.dev/berth/internal/process"
	"berth.dev/berth/internal/store/etcd"
)

// bare is an etcd and a kube-apiserver of the same programs as a Berth's, with
// the flags without which kube-apiserver does not start: the floor of a cluster.
type bare struct {
	dir             string
	etcd, apiserver *process.Process
	etcdTook        time.Duration
	apiserverTook   time.Duration
}

// startBare starts both, the second once the first serves.
func (b *bench) startBare(ctx context.Context, name string) (_ *bare, err error) {
	r := &bare{dir: filepath.Join(b.dir, name)}
	client, err := r.certificates()
	if err != nil {
		return nil, err
	}
	etcdPort, err := freePort()
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			r.stop()
		}
	}()
	begin := time.Now()
	address := fmt.Sprintf("127.0.0.1:%d", etcdPort)
	r.etcd = r.child(ctx, "etcd", self, []string{"etcd", "--dir", r.dir, "--listen", address})
	err = until(ctx, "etcd serves; see "+r.dir, pollEvery, func(context.Context) (bool, error) {
		conn, err := tls.Dial("tcp", address, client)
		if err == nil {
			conn.Close()
		}
		return err == nil, err
	})
	if err != nil {
		return nil, err
	}
	r.etcdTook = time.Since(begin)
	begin = time.Now()
	r.apiserver = r.child(ctx, "apiserver", filepath.Join(b.bin, "berth-kube"), r.flags(etcdPort, port))
	transport := &http.Transport{TLSClientConfig: client, DisableKeepAlives: true}
	err = until(ctx, "kube-apiserver is ready; see "+r.dir, pollEvery, func(ctx context.Context) (bool, error) {
		return get(ctx, transport, fmt.Sprintf("https://127.0.0.1:%d/readyz", port))
	})
	r.apiserverTook = time.Since(begin)
	return r, err
}

func get(ctx context.Context, transport http.RoundTripper, url string) (bool, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false, err
	}
	answer, err := transport.RoundTrip(request)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode == http.StatusOK, errors.New(answer.Status)
}

func (r *bare) child(ctx context.Context, name, path string, args []string) *process.Process {
	return process.Start(context.WithoutCancel(ctx), process.Spec{
		Name: name, Path: path, Args: args, LogFile: filepath.Join(r.dir, name+".log"),
	}, slog.New(slog.DiscardHandler))
}

// certificates writes what both need, and returns a client's configuration.
func (r *bare) certificates() (*tls.Config, error) {
	if err := os.MkdirAll(r.dir, 0o700); err != nil {
		return nil, err
	}
	now := time.Now()
	ca, err := pki.NewAuthority("bare", now)
	if err != nil {
		return nil, err
	}
	both := pki.Request{
		CommonName: "bare", Organizations: []string{"system:masters"}, Server: true, Client: true,
		DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)}, NotAfter: now.Add(24 * time.Hour),
	}
	leaf, err := ca.Issue(both, now)
	if err != nil {
		return nil, err
	}
	account, err := pki.NewServiceAccountKey()
	if err != nil {
		return nil, err
	}
	for name, pair := range map[string]pki.Pair{"ca": ca.Pair, "leaf": leaf, "sa": account} {
		for ending, text := range map[string][]byte{".crt": pair.Cert, ".key": pair.Key} {
			if err := os.WriteFile(filepath.Join(r.dir, name+ending), text, 0o600); err != nil {
				return nil, err
			}
		}
	}
	certificate, err := tls.X509KeyPair(leaf.Cert, leaf.Key)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca.Cert)
	return &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: pool, MinVersion: tls.VersionTLS12}, nil
}

func (r *bare) path(name string) string { return filepath.Join(r.dir, name) }

func (r *bare) flags(etcdPort, port int) []string {
	return []string{
		"apiserver", "--bind-address=127.0.0.1", fmt.Sprintf("--secure-port=%d", port), "--endpoint-reconciler-type=none",
		fmt.Sprintf("--etcd-servers=https://127.0.0.1:%d", etcdPort),
		"--etcd-cafile=" + r.path("ca.crt"), "--etcd-certfile=" + r.path("leaf.crt"), "--etcd-keyfile=" + r.path("leaf.key"),
		"--service-cluster-ip-range=172.20.0.0/16", "--authorization-mode=Node,RBAC", "--client-ca-file=" + r.path("ca.crt"),
		"--tls-cert-file=" + r.path("leaf.crt"), "--tls-private-key-file=" + r.path("leaf.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + r.path("sa.crt"), "--service-account-signing-key-file=" + r.path("sa.key"),
	}
}

func (r *bare) pids() map[string]int {
	return map[string]int{"etcd": r.etcd.Status().PID, "apiserver": r.apiserver.Status().PID}
}

func (r *bare) stop() {
	for _, p := range []*process.Process{r.apiserver, r.etcd} {
		if p != nil {
			p.Stop()
		}
	}
}

// serveEtcd is the process of a bare etcd. It ends with its parent.
func serveEtcd(args []string) error {
	flags := flag.NewFlagSet("etcd", flag.ContinueOnError)
	dir := flags.String("dir", "", "folder of the certificates and the data")
	listen := flags.String("listen", "", "address")
	if err := flags.Parse(args); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	go func() {
		// The supervisor holds the other end of descriptor 3 while it lives.
		_, _ = io.Copy(io.Discard, os.NewFile(3, "lifeline"))
		stop()
	}()
	server, err := etcd.Start(ctx, etcd.Config{
		Dir: filepath.Join(*dir, "data"), Listen: *listen, CAFile: filepath.Join(*dir, "ca.crt"),
		CertFile: filepath.Join(*dir, "leaf.crt"), KeyFile: filepath.Join(*dir, "leaf.key"),
	})
	if err != nil {
		return err
	}
	defer server.Stop()
	select {
	case <-ctx.Done():
		return nil
	case err := <-server.Failed():
		return err
	}
}
