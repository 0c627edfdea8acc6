package dataplane

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"
)

func complete() map[string]any {
	return map[string]any{
		"cluster": "demo", "socket": "/run/s", "stateDir": "/var/nodes", "podLogsDir": "/var/logs",
		"runtime": "hollow", "cgroupParent": "/berth/demo", "apiServer": "https://127.0.0.1:1",
		"caData": []byte("ca"), "clusterDomain": "cluster.local",
	}
}

func TestParseConfig(t *testing.T) {
	tests := []struct {
		name    string
		change  map[string]any
		suffix  string
		problem string
	}{
		{name: "complete"},
		{name: "unknown field", change: map[string]any{"stateDirectory": "/x"}, problem: `unknown field "stateDirectory"`},
		{name: "wrong type", change: map[string]any{"cluster": 1}, problem: "cannot unmarshal"},
		{name: "something after", suffix: "{}", problem: "text after the value"},
		{name: "no cluster", change: map[string]any{"cluster": ""}, problem: "cluster is missing"},
		{name: "relative path", change: map[string]any{"stateDir": "nodes"}, problem: "not a clean absolute path"},
		{name: "path that leaves", change: map[string]any{"podLogsDir": "/a/../b"}, problem: "not a clean absolute path"},
		{name: "no such runtime", change: map[string]any{"runtime": "docker"}, problem: `no runtime "docker"`},
		{name: "no endpoint", change: map[string]any{"runtime": "gvisor"}, problem: "runtimeEndpoint is missing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			fields := complete()
			maps.Copy(fields, test.change)
			data, err := json.Marshal(fields)
			if err != nil {
				t.Fatal(err)
			}
			_, err = parseConfig(append(data, test.suffix...))
			if test.problem == "" && err != nil || test.problem != "" && (err == nil || !strings.Contains(err.Error(), test.problem)) {
				t.Errorf("parseConfig = %v, want %q", err, test.problem)
			}
		})
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte(`{"cluster":"a"}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		config, err := parseConfig(data)
		if err == nil && (config.Cluster == "" || config.Socket == "") {
			t.Errorf("accepted without cluster or socket: %s", data)
		}
	})
}
