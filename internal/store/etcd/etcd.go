// Package etcd runs the embedded etcd server: Berth's records and every
// cluster's Kubernetes objects live in it. It is not a client library; the
// composition root starts it, or connects to an external etcd instead.
package etcd

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/url"
	"path/filepath"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	clientv3 "go.etcd.io/etcd/client/v3"
	"go.etcd.io/etcd/server/v3/embed"
	"go.etcd.io/etcd/server/v3/etcdserver/api/v3client"
)

// Config says where an embedded etcd keeps its data and whom it serves.
type Config struct {
	// Dir holds the write-ahead log and snapshots.
	Dir string
	// Listen is the loopback address, host:port, that API servers connect to;
	// empty serves this process alone.
	Listen string
	// CAFile, CertFile and KeyFile are the PEM files of mutual TLS on Listen:
	// every client must show a certificate that CAFile signed.
	CAFile, CertFile, KeyFile string
	// Volatile skips fsync, for tests.
	Volatile bool
	// LogFile takes the server's own log; empty discards it.
	LogFile string
}

// Server is a running etcd.
type Server struct {
	etcd   *embed.Etcd
	client *clientv3.Client
}

// Start runs an etcd and returns when it serves, or when ctx ends.
func Start(ctx context.Context, c Config) (*Server, error) {
	cfg := embed.NewConfig()
	cfg.Name = "berth"
	cfg.Dir = c.Dir
	cfg.UnsafeNoFsync = c.Volatile
	cfg.AutoCompactionMode = embed.CompactorModePeriodic
	cfg.AutoCompactionRetention = "5m"
	cfg.QuotaBackendBytes = 8 << 30
	cfg.ZapLoggerBuilder = embed.NewZapLoggerBuilder(logger(c.LogFile))
	// A cluster of one has no peers: it listens for them on a Unix socket, off
	// the network, and the address that it advertises is never dialled.
	advertised := url.URL{Scheme: "http", Host: "127.0.0.1:2380"}
	cfg.ListenPeerUrls = []url.URL{{Scheme: "unix", Path: filepath.Join(c.Dir, "peer.sock")}}
	cfg.AdvertisePeerUrls = []url.URL{advertised}
	cfg.InitialCluster = cfg.Name + "=" + advertised.String()
	listen := url.URL{Scheme: "unix", Path: filepath.Join(c.Dir, "client.sock")}
	if c.Listen != "" {
		listen = url.URL{Scheme: "https", Host: c.Listen}
		cfg.ClientTLSInfo.TrustedCAFile = c.CAFile
		cfg.ClientTLSInfo.CertFile = c.CertFile
		cfg.ClientTLSInfo.KeyFile = c.KeyFile
		cfg.ClientTLSInfo.ClientCertAuth = true
		cfg.TlsMinVersion = "TLS1.3"
	}
	cfg.ListenClientUrls = []url.URL{listen}
	if c.Listen == "" {
		listen = advertised
	}
	cfg.AdvertiseClientUrls = []url.URL{listen}
	e, err := embed.StartEtcd(cfg)
	if err != nil {
		return nil, fmt.Errorf("starting etcd in %s: %w", c.Dir, err)
	}
	select {
	case <-e.Server.ReadyNotify():
		return &Server{etcd: e, client: v3client.New(e.Server)}, nil
	case err := <-e.Err():
		e.Close()
		return nil, fmt.Errorf("starting etcd in %s: %w", c.Dir, err)
	case <-ctx.Done():
		e.Close()
		return nil, fmt.Errorf("starting etcd in %s: %w", c.Dir, ctx.Err())
	}
}

// Client is an in-process client.
func (s *Server) Client() *clientv3.Client { return s.client }

// Failed delivers the error that ended the server, if one does.
func (s *Server) Failed() <-chan error { return s.etcd.Err() }

// Stop ends the server once its last write is on disk.
func (s *Server) Stop() {
	_ = s.client.Close()
	s.etcd.Close()
}

// Dial connects to an external etcd cluster.
func Dial(ctx context.Context, endpoints []string, tlsConfig *tls.Config) (*clientv3.Client, error) {
	c, err := clientv3.New(clientv3.Config{Endpoints: endpoints, TLS: tlsConfig, Context: ctx, Logger: zap.NewNop()})
	if err != nil {
		return nil, fmt.Errorf("connecting to etcd at %v: %w", endpoints, err)
	}
	if _, err := c.Get(ctx, "/berth/"); err != nil {
		_ = c.Close()
		return nil, fmt.Errorf("reading from etcd at %v: %w", endpoints, err)
	}
	return c, nil
}

func logger(file string) *zap.Logger {
	if file == "" {
		return zap.NewNop()
	}
	cfg := zap.NewProductionConfig()
	cfg.Level = zap.NewAtomicLevelAt(zapcore.ErrorLevel)
	cfg.OutputPaths, cfg.ErrorOutputPaths = []string{file}, []string{file}
	l, err := cfg.Build()
	if err != nil {
		return zap.NewNop()
	}
	return l
}
