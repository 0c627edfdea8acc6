package server

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/dataplane"
)

func TestValidate(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*Options)
		// want is a part of the refusal, empty for none.
		want string
	}{
		{"the defaults", func(*Options) {}, ""},
		{"another loopback address", func(o *Options) { o.Listen = "127.9.9.9:1" }, ""},
		{"IPv6's loopback address", func(o *Options) { o.Listen = "[::1]:4566" }, ""},
		{"the loopback address by name", func(o *Options) { o.Listen = "localhost:4566" }, ""},
		{"every address with the well-known key", func(o *Options) { o.Listen = "0.0.0.0:4566" }, "BERTH_ROOT_ACCESS_KEY_ID"},
		{"every address, unsaid", func(o *Options) { o.Listen = ":4566" }, "well-known"},
		{"a name with the well-known key", func(o *Options) { o.Listen = "berth.example.com:4566" }, "well-known"},
		{"every address with a key of its own", func(o *Options) { o.Listen, o.AccessKeyID = "0.0.0.0:4566", "AKIAEXAMPLE" }, ""},
		{"no port", func(o *Options) { o.Listen = "127.0.0.1" }, "host:port"},
		{"a short account", func(o *Options) { o.Account = "12345" }, "twelve digits"},
		{"an account with letters", func(o *Options) { o.Account = "12345678901x" }, "twelve digits"},
		{"a region of China", func(o *Options) { o.Region = "cn-northwest-1" }, ""},
		{"a region of GovCloud", func(o *Options) { o.Region = "us-gov-east-1" }, ""},
		{"no region", func(o *Options) { o.Region = "" }, "AWS region"},
		{"a zone", func(o *Options) { o.Region = "us-east-1a" }, "AWS region"},
		{"runc", func(o *Options) { o.Runtime = dataplane.Runc }, ""},
		{"hollow", func(o *Options) { o.Runtime = dataplane.Hollow }, ""},
		{"an unknown runtime", func(o *Options) { o.Runtime = "docker" }, "none of gvisor, runc, hollow"},
		{"a relative data folder", func(o *Options) { o.DataDir = "data" }, "absolute"},
		{"the longest data folder", func(o *Options) { o.DataDir = "/" + strings.Repeat("d", maxDataDir-1) }, ""},
		{"a longer one", func(o *Options) { o.DataDir = "/" + strings.Repeat("d", maxDataDir) }, "at most"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := Defaults()
			tt.change(&o)
			err := o.Validate()
			if tt.want == "" {
				if err != nil {
					t.Errorf("Validate = %v, want nil", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("Validate = %v, want it to say %q", err, tt.want)
			}
		})
	}
}

// TestLongestDataDir holds that sockets fit below a folder that is accepted.
func TestLongestDataDir(t *testing.T) {
	id := strings.Repeat("A", 10)
	dir := "/" + strings.Repeat("d", maxDataDir-1)
	for _, p := range []string{"agent/clusters/" + id + "/dataplane.sock", "clusters/" + id + "/controlplane.sock", "clusters/" + id + "/webhook.sock", "agent/cni.sock"} {
		if n := len(filepath.Join(dir, p)); n > 107 {
			t.Errorf("the path of %s has %d bytes below the longest data folder, and may have 107", p, n)
		}
	}
}

func TestInstance(t *testing.T) {
	o := Defaults()
	a := o.Instance()
	o.DataDir += "/"
	if o.Instance() != a {
		t.Errorf("%s and its clean path are two instances: %s, %s", o.DataDir, o.Instance(), a)
	}
	o.DataDir = "/srv/berth"
	if o.Instance() == a {
		t.Errorf("two data folders are one instance, %s", a)
	}
}

func TestStateRoundTrip(t *testing.T) {
	dir := t.TempDir()
	if _, err := ReadState(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("reading the state of no server: %v, want that it does not exist", err)
	}
	want := State{
		PID: 7, StartedAt: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Endpoint: "http://127.0.0.1:4566", Region: "us-east-1",
		Account: "123456789012", Runtime: dataplane.Hollow, Ready: true, Lacks: []string{"sandboxes"}, AccessKeyID: "test", SecretAccessKey: "test",
	}
	for _, ready := range []bool{false, true} {
		want.Ready = ready
		if err := writeState(dir, want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadState(dir)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("state (-want +got):\n%s", diff)
		}
	}
	info, err := os.Stat(statePath(dir))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o600 {
		t.Errorf("mode = %v, want 0600: the root key is in it", info.Mode().Perm())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("files = %v, want the state alone", entries)
	}
}

func TestReadStateOfNonsense(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(statePath(dir), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadState(dir); err == nil || !strings.HasPrefix(err.Error(), "reading the state of the server: ") {
		t.Errorf("ReadState = %v, want an error that says what was being done", err)
	}
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lock(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock(dir); err == nil || !strings.Contains(err.Error(), "berth down") {
		t.Errorf("a second lock = %v, want a refusal that says what to do", err)
	}
	unlock()
	unlock, err = lock(dir)
	if err != nil {
		t.Fatalf("locking what was unlocked: %v", err)
	}
	unlock()
}

func TestRemoveLogLinks(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	for _, tt := range []struct {
		name  string
		links map[string]string
		// left are the links that stay; the folder goes when none does.
		left []string
	}{
		{"no folder", nil, nil},
		{"ours alone", map[string]string{"a.log": data + "/agent/a.log", "b.log": data + "/b.log"}, nil},
		{"ours and others'", map[string]string{"a.log": data + "/a.log", "x.log": "/var/log/pods/x.log"}, []string{"x.log"}},
		{"a folder of a longer name", map[string]string{"x.log": data + "-2/x.log"}, []string{"x.log"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			folder := filepath.Join(t.TempDir(), "containers")
			if tt.links != nil {
				if err := os.Mkdir(folder, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			for name, target := range tt.links {
				if err := os.Symlink(target, filepath.Join(folder, name)); err != nil {
					t.Fatal(err)
				}
			}
			if err := removeLogLinks(folder, data); err != nil {
				t.Fatal(err)
			}
			var left []string
			entries, err := os.ReadDir(folder)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
			for _, e := range entries {
				left = append(left, e.Name())
			}
			if diff := cmp.Diff(tt.left, left); diff != "" {
				t.Errorf("links (-want +got):\n%s", diff)
			}
			if gone := errors.Is(err, fs.ErrNotExist); gone != (tt.left == nil) {
				t.Errorf("the folder is gone: %v, want %v", gone, tt.left == nil)
			}
		})
	}
}
