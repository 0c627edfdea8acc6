package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"berth.dev/berth/internal/cluster"
	"berth.dev/berth/internal/pki"
	"berth.dev/berth/internal/store/etcd"
)

// database is the etcd of a Berth: its own, or an external one.
type database struct {
	client *clientv3.Client
	// access is how API servers reach it.
	access cluster.Etcd
	server *etcd.Server
}

func openDatabase(ctx context.Context, o Options) (*database, error) {
	if len(o.EtcdEndpoints) > 0 {
		client, err := etcd.Dial(ctx, o.EtcdEndpoints, nil)
		if err != nil {
			return nil, err
		}
		return &database{client: client, access: cluster.Etcd{Endpoints: o.EtcdEndpoints}}, nil
	}
	dir := filepath.Join(o.DataDir, "etcd")
	files, err := etcdPKI(filepath.Join(dir, "pki"))
	if err != nil {
		return nil, err
	}
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	listen := fmt.Sprintf("127.0.0.1:%d", port)
	server, err := etcd.Start(ctx, etcd.Config{
		Dir: filepath.Join(dir, "data"), Listen: listen, LogFile: filepath.Join(o.DataDir, "etcd.log"),
		CAFile: files["ca"] + ".crt", CertFile: files["server"] + ".crt", KeyFile: files["server"] + ".key",
	})
	if err != nil {
		return nil, err
	}
	return &database{client: server.Client(), server: server, access: cluster.Etcd{
		Endpoints: []string{"https://" + listen},
		CAFile:    files["ca"] + ".crt", CertFile: files["client"] + ".crt", KeyFile: files["client"] + ".key",
	}}, nil
}

func (d *database) close() {
	if d.server != nil {
		d.server.Stop()
		return
	}
	_ = d.client.Close()
}

// etcdPKI makes sure that the embedded etcd has its certificates, and returns
// their paths without their endings.
func etcdPKI(dir string) (map[string]string, error) {
	files := map[string]string{}
	for _, name := range []string{"ca", "server", "client"} {
		files[name] = filepath.Join(dir, name)
	}
	// The last file that is written says that all are there.
	if _, err := os.Stat(files["client"] + ".key"); err == nil {
		return files, nil
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("looking for etcd's certificates: %w", err)
	}
	now := time.Now()
	ca, err := pki.NewAuthority("berth-etcd", now)
	if err != nil {
		return nil, err
	}
	end := now.AddDate(10, 0, 0)
	server, err := ca.Issue(pki.Request{
		CommonName: "etcd", Server: true, Client: true, NotAfter: end,
		DNSNames: []string{"localhost"}, IPs: []net.IP{net.IPv4(127, 0, 0, 1)},
	}, now)
	if err != nil {
		return nil, err
	}
	client, err := ca.Issue(pki.Request{CommonName: "kube-apiserver-etcd-client", Client: true, NotAfter: end}, now)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("making the folder of etcd's certificates: %w", err)
	}
	for _, f := range []struct {
		name string
		pair pki.Pair
	}{{"ca", ca.Pair}, {"server", server}, {"client", client}} {
		if err := writePair(files[f.name], f.pair); err != nil {
			return nil, err
		}
	}
	return files, nil
}

func writePair(path string, p pki.Pair) error {
	if err := os.WriteFile(path+".crt", p.Cert, 0o600); err != nil {
		return fmt.Errorf("writing a certificate: %w", err)
	}
	if err := os.WriteFile(path+".key", p.Key, 0o600); err != nil {
		return fmt.Errorf("writing a key: %w", err)
	}
	return nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
