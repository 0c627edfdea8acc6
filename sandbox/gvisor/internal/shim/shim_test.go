package shim

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/pkg/shim"
	"google.golang.org/protobuf/encoding/protowire"
)

// params encodes BootstrapParams with an id, a folder and a later field.
func params(dir string) []byte {
	b := protowire.AppendTag(nil, 1, protowire.BytesType)
	b = protowire.AppendString(b, "a-container")
	b = protowire.AppendTag(b, 3, protowire.VarintType)
	b = protowire.AppendVarint(b, 1)
	if dir != "" {
		b = protowire.AppendTag(b, socketDirField, protowire.BytesType)
		b = protowire.AppendString(b, dir)
	}
	b = protowire.AppendTag(b, 99, protowire.Fixed32Type)
	return protowire.AppendFixed32(b, 7)
}

func TestParseSocketDir(t *testing.T) {
	for _, test := range []struct {
		name    string
		data    []byte
		want    string
		refused bool
	}{
		{"nothing", nil, "", false},
		{"absent", params(""), "", false},
		{"there", params("/run/a/s"), "/run/a/s", false},
		{"cut off", params("/run/a/s")[:20], "", true},
		{"a number", protowire.AppendVarint(protowire.AppendTag(nil, socketDirField, protowire.VarintType), 1), "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := parseSocketDir(test.data)
			if got != test.want || (err != nil) != test.refused {
				t.Errorf("parseSocketDir(%q) = %q, %v; want %q, an error: %v", test.data, got, err, test.want, test.refused)
			}
		})
	}
}

func FuzzParseSocketDir(f *testing.F) {
	f.Add(params("/run/a/s"))
	f.Add(params(""))
	f.Fuzz(func(t *testing.T, data []byte) {
		if dir, err := parseSocketDir(data); err == nil && !strings.Contains(string(data), dir) {
			t.Errorf("parseSocketDir(%q) = %q, which is not in it", data, dir)
		}
	})
}

func TestPodOf(t *testing.T) {
	for _, test := range []struct {
		name, spec, want string
		refused          bool
	}{
		{"of a pod", `{"annotations":{"io.kubernetes.cri.sandbox-id":"pod"}}`, "pod", false},
		{"alone", `{}`, "container", false},
		{"broken", `{`, "", true},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(path, []byte(test.spec), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := podOf(path, "container")
			if got != test.want || (err != nil) != test.refused {
				t.Errorf("podOf = %q, %v; want %q, an error: %v", got, err, test.want, test.refused)
			}
		})
	}
}

func TestListen(t *testing.T) {
	dir, err := os.MkdirTemp("", "shim") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	address := socketAddress(dir, "/run/containerd.sock", "k8s.io", "pod")
	first, err := listen(address)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := listen(address); !errors.Is(err, errServed) {
		t.Errorf("listening where a shim listens: %v, want errServed", err)
	}
	first.Close()
	if !strings.HasPrefix(address, "unix://") || shim.CanConnect(address) {
		t.Fatalf("%s still answers", address)
	}
	second, err := listen(address)
	if err != nil {
		t.Fatalf("listening where a shim died: %v", err)
	}
	second.Close()
}
