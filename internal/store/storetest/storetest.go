// Package storetest gives tests a store on a real etcd. One server is shared
// by a test binary; every test gets a prefix of its own. Only tests import it.
package storetest

import (
	"context"
	"os"
	"sync"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"berth.dev/berth/internal/store"
	"berth.dev/berth/internal/store/etcd"
)

var shared struct {
	once   sync.Once
	server *etcd.Server
	err    error
}

// New is an empty store that lasts as long as the test.
func New(t testing.TB) *store.Store {
	t.Helper()
	return store.New(Client(t), "/"+t.Name()+"/")
}

// Client is a client of the shared server.
func Client(t testing.TB) *clientv3.Client {
	t.Helper()
	shared.once.Do(start)
	if shared.err != nil {
		t.Fatalf("starting etcd for tests: %v", shared.err)
	}
	return shared.server.Client()
}

// start leaves a server running until the test binary ends; its folder is
// small and unlinked at once, so nothing stays behind.
func start() {
	dir, err := os.MkdirTemp("", "etcd")
	if err != nil {
		shared.err = err
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	shared.server, shared.err = etcd.Start(ctx, etcd.Config{Dir: dir, Volatile: true})
	if err := os.RemoveAll(dir); shared.err == nil {
		shared.err = err
	}
}
