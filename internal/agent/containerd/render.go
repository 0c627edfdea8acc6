package containerd

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/pelletier/go-toml/v2"
)

// configVersion is the version of containerd's configuration that is
// rendered: the newest, which containerd 2.4 reads without migrating it.
const configVersion = 4

// cniPlugin is the type of the CNI plugin, and the name of its executable.
const cniPlugin = "berth-cni"

// table is a TOML table; its keys are written in order.
type table = map[string]any

// Render returns the configuration as text. It is pure.
func Render(c Config) (Files, error) {
	if err := c.Validate(); err != nil {
		return Files{}, err
	}
	containerd, err := toml.Marshal(containerdTable(c))
	if err != nil {
		return Files{}, fmt.Errorf("rendering containerd's configuration: %w", err)
	}
	runsc, err := toml.Marshal(runscTable(c))
	if err != nil {
		return Files{}, fmt.Errorf("rendering runsc's configuration: %w", err)
	}
	cni, err := cniList(c)
	if err != nil {
		return Files{}, fmt.Errorf("rendering CNI's configuration: %w", err)
	}
	return Files{Containerd: string(containerd), Runsc: string(runsc), CNI: cni}, nil
}

func containerdTable(c Config) table {
	level := "info"
	if c.Debug {
		level = "debug"
	}
	return table{
		"version": configVersion,
		"root":    c.Paths.Root,
		"state":   c.Paths.State,
		// Never the host's own /etc/containerd/conf.d.
		"imports": []string{},
		"debug":   table{"level": level},
		"plugins": table{
			"io.containerd.cri.v1.images":     imagesTable(c),
			"io.containerd.cri.v1.runtime":    runtimeTable(c),
			"io.containerd.grpc.v1.cri":       streamTable(c),
			"io.containerd.server.v1.grpc":    table{"address": c.Paths.Socket},
			"io.containerd.server.v1.ttrpc":   table{"address": c.Paths.Socket + ".ttrpc"},
			"io.containerd.shim.v1.manager":   table{"socket_dir": c.Paths.ShimSockets},
			"io.containerd.transfer.v1.local": transferTable(c),
			"io.containerd.metadata.v1.bolt":  table{"content_sharing_policy": "shared"},
			"io.containerd.gc.v1.scheduler":   table{"startup_delay": "10s"},
		},
	}
}

func imagesTable(c Config) table {
	return table{
		"snapshotter":   string(c.Snapshotter),
		"pinned_images": table{"sandbox": c.PauseImage},
		"registry":      table{"config_path": c.Paths.Registry()},
	}
}

// transferTable configures the service that pulls images for the CRI, which
// reads the registries' folder and the snapshotter from here.
func transferTable(c Config) table {
	return table{
		"config_path": c.Paths.Registry(),
		"unpack_config": []table{{
			"platform":    "linux/amd64",
			"snapshotter": string(c.Snapshotter),
		}},
	}
}

func streamTable(c Config) table {
	return table{
		"stream_server_address": "127.0.0.1",
		"stream_server_port":    strconv.Itoa(c.StreamPort),
	}
}

func runtimeTable(c Config) table {
	line := c.MaxLogLine
	if line == 0 {
		line = defaultMaxLogLine
	}
	return table{
		"max_container_log_line_size": line,
		"disable_apparmor":            !c.Host.AppArmor,
		"restrict_oom_score_adj":      !c.Host.LowerOOMScores,
		// Otherwise in /var/run/netns, which every runtime of a host shares.
		"netns_mounts_under_state_dir": true,
		"enable_criu":                  false,
		"cdi_spec_dirs":                []string{},
		"containerd": table{
			"default_runtime_name": c.Default.Handler(),
			"runtimes": table{
				Runc.Handler(): table{
					"runtime_type": "io.containerd.runc.v2",
					"runtime_path": c.Programs.RuncShim,
					"options": table{
						"BinaryName":    c.Programs.Runc,
						"Root":          c.Paths.RuncRoot,
						"SystemdCgroup": false,
					},
				},
				GVisor.Handler(): table{
					"runtime_type": "io.containerd.runsc.v1",
					"runtime_path": c.Programs.RunscShim,
					"options": table{
						"TypeUrl":    "io.containerd.runsc.v1.options",
						"ConfigPath": c.Paths.Runsc(),
					},
				},
			},
		},
		"cni": table{
			"bin_dirs":     []string{c.Programs.CNIDir},
			"conf_dir":     c.Paths.CNI(),
			"max_conf_num": 1,
			// The sandbox has a loopback of its own; runc's is brought up
			// without a plugin.
			"use_internal_loopback": true,
		},
	}
}

// runscTable configures gVisor's shim and the flags of every runsc that it
// starts; DESIGN.md has the reasons and measurements.
func runscTable(c Config) table {
	flags := table{
		"platform":      "systrap",
		"net-raw":       "true",
		"allow-suid":    "true",
		"host-settings": "ignore",
	}
	level := "info"
	if c.Debug {
		level = "debug"
		flags["debug"] = "true"
		flags["debug-log"] = c.Paths.RunscRoot + "/log/%ID%/"
	}
	for flag, value := range c.RunscFlags {
		flags[flag] = value
	}
	return table{
		"binary_name":  c.Programs.Runsc,
		"root":         c.Paths.RunscRoot,
		"log_level":    level,
		"runsc_config": flags,
	}
}

// cniList is a network of one plugin, which asks the agent for everything.
func cniList(c Config) (string, error) {
	type plugin struct {
		Type   string `json:"type"`
		Socket string `json:"socket"`
	}
	list := struct {
		CNIVersion string   `json:"cniVersion"`
		Name       string   `json:"name"`
		Plugins    []plugin `json:"plugins"`
	}{"1.0.0", "berth", []plugin{{cniPlugin, c.CNISocket}}}
	text, err := json.MarshalIndent(list, "", "  ")
	return string(text) + "\n", err
}
