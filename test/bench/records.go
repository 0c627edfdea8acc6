package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"

	clientv3 "go.etcd.io/etcd/client/v3"

	"berth.dev/berth/internal/fargate/scheduler"
	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/store/etcd"
)

// records reads what the Fargate scheduler of a cluster remembers of its nodes.
type records struct {
	client *clientv3.Client
	table  store.Table[scheduler.Record]
}

// records connects to the Berth's own etcd, as its API servers do.
func (c *cluster) records(ctx context.Context) (*records, error) {
	all, err := readProcesses()
	if err != nil {
		return nil, err
	}
	apiserver := all.children(c.berth.pid())["apiserver"]
	address, prefix := all.flag(apiserver, "--etcd-servers"), all.flag(apiserver, "--etcd-prefix")
	if address == "" {
		return nil, fmt.Errorf("finding the etcd of %s: no API server runs", c.berth.dir)
	}
	pki := filepath.Join(c.berth.dir, "etcd", "pki")
	certificate, err := tls.LoadX509KeyPair(filepath.Join(pki, "client.crt"), filepath.Join(pki, "client.key"))
	if err != nil {
		return nil, err
	}
	ca, err := os.ReadFile(filepath.Join(pki, "ca.crt"))
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(ca)
	client, err := etcd.Dial(ctx, []string{address}, &tls.Config{Certificates: []tls.Certificate{certificate}, RootCAs: pool, MinVersion: tls.VersionTLS13})
	if err != nil {
		return nil, err
	}
	table := store.NewTable[scheduler.Record](store.New(client, "/berth/"), "fargate/nodes/"+filepath.Base(prefix))
	return &records{client: client, table: table}, nil
}

func (r *records) close() { _ = r.client.Close() }
