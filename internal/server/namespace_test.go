package server

import (
	"os"
	"runtime"
	"testing"
)

// A process whose first thread is in another namespace misreads its own mounts.
func TestTryNamespaceSparesTheFirstThread(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("making namespaces needs root")
	}
	before := ownNamespaces(t)
	// As many goroutines as there are threads make it land on the first one.
	done := make(chan error)
	const tries = 64
	for range tries {
		go func() {
			runtime.Gosched()
			done <- tryNamespace()
		}()
	}
	for range tries {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if after := ownNamespaces(t); after != before {
		t.Errorf("namespaces of the process = %v, before %v", after, before)
	}
}

func ownNamespaces(t *testing.T) [2]string {
	t.Helper()
	var out [2]string
	for i, kind := range []string{"mnt", "net"} {
		link, err := os.Readlink("/proc/self/ns/" + kind)
		if err != nil {
			t.Fatal(err)
		}
		out[i] = link
	}
	return out
}
