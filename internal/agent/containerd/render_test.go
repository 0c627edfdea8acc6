package containerd

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write the goldens in testdata anew")

// example is a configuration with every member set.
func example() Config {
	return Config{
		Paths: PathsIn("/var/lib/berth"),
		Programs: Programs{
			RunscShim: "/usr/lib/berth/containerd-shim-runsc-v1",
			RuncShim:  "/usr/lib/berth/containerd-shim-runc-v2",
			Runsc:     "/usr/lib/berth/runsc",
			Runc:      "/usr/sbin/runc",
			CNIDir:    "/usr/lib/berth",
		},
		Default:     GVisor,
		Snapshotter: Overlay,
		PauseImage:  "images.test/pause:1",
		CNISocket:   "/run/berth-1/cni.sock",
		Host:        Host{AppArmor: true, LowerOOMScores: true},
	}
}

func TestRender(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
	}{
		{"gvisor", func(*Config) {}},
		{"runc", func(c *Config) { c.Default = Runc }},
		{"native", func(c *Config) { c.Snapshotter = Native }},
		{"restricted", func(c *Config) { c.Host = Host{} }},
		{"debug", func(c *Config) { c.Debug, c.StreamPort, c.MaxLogLine = true, 10010, 4096 }},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := example()
			test.change(&config)
			files, err := Render(config)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, test.name+".config.toml", files.Containerd)
			golden(t, test.name+".runsc.toml", files.Runsc)
			golden(t, test.name+".conflist", files.CNI)
		})
	}
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s differs (-want +got), -update accepts it:\n%s", name, diff)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"relative root", func(c *Config) { c.Paths.Root = "root" }, "root path"},
		{"root folder", func(c *Config) { c.Paths.State = "/" }, "state path"},
		{"one folder for two", func(c *Config) { c.Paths.State = c.Paths.Root }, "must differ"},
		{"long socket folder", func(c *Config) { c.Paths.ShimSockets = "/" + strings.Repeat("s", 42) }, "42 bytes"},
		{"relative program", func(c *Config) { c.Programs.Runsc = "runsc" }, "runsc path"},
		{"unknown runtime", func(c *Config) { c.Default = "hollow" }, `runtime "hollow"`},
		{"unknown snapshotter", func(c *Config) { c.Snapshotter = "zfs" }, `snapshotter "zfs"`},
		{"no pause image", func(c *Config) { c.PauseImage = "" }, "pause image"},
	} {
		t.Run(test.name, func(t *testing.T) {
			config := example()
			test.change(&config)
			_, err := Render(config)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Render: %v, want an error about %q", err, test.want)
			}
		})
	}
}

func TestPathsInShareNothing(t *testing.T) {
	one, two := PathsIn("/var/lib/berth"), PathsIn("/var/lib/berth2")
	seen := map[string]bool{one.Socket: true}
	for _, path := range one.owned() {
		seen[path] = true
	}
	for _, path := range append(two.owned(), two.Socket) {
		if seen[path] {
			t.Errorf("both data folders use %s", path)
		}
	}
	if err := PathsIn("/" + strings.Repeat("long/", 100) + "data").validate(); err != nil {
		t.Errorf("a long data folder: %v", err)
	}
}

func TestWriteTwiceChangesNothing(t *testing.T) {
	dir := t.TempDir()
	config := example()
	config.Paths = Paths{
		Root: dir + "/root", State: dir + "/state", ShimSockets: "/tmp", RunscRoot: dir + "/runsc",
		RuncRoot: dir + "/runc", ConfigDir: dir + "/config", Socket: dir + "/containerd.sock",
	}
	if err := Write(config); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(config.Paths.Config())
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(config); err != nil {
		t.Fatal(err)
	}
	after, err := os.Stat(config.Paths.Config())
	if err != nil {
		t.Fatal(err)
	}
	if !os.SameFile(before, after) {
		t.Error("the second Write replaced a file that had not changed")
	}
	config.Paths.Root = "relative"
	var path *PathError
	if err := Write(config); !errors.As(err, &path) {
		t.Errorf("Write with a relative root: %v, want a *PathError", err)
	}
}
