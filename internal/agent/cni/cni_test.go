package cni

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

type agent struct {
	seen []Request
	err  error
}

func (a *agent) Attach(_ context.Context, r Request) (Result, error) {
	a.seen = append(a.seen, r)
	return Result{IPs: []IP{{Address: "10.0.0.5/32", Gateway: "169.254.1.1"}}}, a.err
}

func (a *agent) Detach(_ context.Context, r Request) error {
	a.seen = append(a.seen, r)
	return a.err
}

func serve(t *testing.T, a Agent) string {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	s := &http.Server{Handler: Handler(a)}
	go s.Serve(l)
	t.Cleanup(func() { s.Close() })
	return socket
}

func plugin(socket, command string) (int, string) {
	env := map[string]string{
		"CNI_COMMAND": command, "CNI_CONTAINERID": "c1", "CNI_NETNS": "/run/netns/x", "CNI_IFNAME": "eth0",
		"CNI_ARGS": "IgnoreUnknown=1;K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;K8S_POD_UID=u1",
	}
	config, _ := json.Marshal(Config{CNIVersion: Version, Name: "berth", Type: "berth-cni", Socket: socket})
	var out bytes.Buffer
	code := Run(context.Background(), func(k string) string { return env[k] }, bytes.NewReader(config), &out)
	return code, out.String()
}

func TestPlugin(t *testing.T) {
	a := &agent{}
	socket := serve(t, a)
	code, out := plugin(socket, "ADD")
	var got Result
	if err := json.Unmarshal([]byte(out), &got); code != 0 || err != nil {
		t.Fatalf("ADD = %d, %q", code, out)
	}
	want := Result{CNIVersion: Version, IPs: []IP{{Address: "10.0.0.5/32", Gateway: "169.254.1.1"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if code, out := plugin(socket, "DEL"); code != 0 || out != "" {
		t.Errorf("DEL = %d, %q", code, out)
	}
	request := Request{ContainerID: "c1", Namespace: "/run/netns/x", Link: "eth0", PodNamespace: "default", PodName: "web", PodUID: "u1"}
	add, del := request, request
	add.Command, del.Command = "ADD", "DEL"
	if diff := cmp.Diff([]Request{add, del}, a.seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestPluginFails(t *testing.T) {
	tests := []struct {
		name, command, socket, want string
	}{
		{"when the agent refuses", "ADD", serve(t, &agent{err: errors.New("no interface is allocated")}), "no interface is allocated"},
		{"when no agent answers", "ADD", filepath.Join(t.TempDir(), "none"), "asking the agent"},
		{"without a socket", "ADD", "", "names no socket"},
		{"with another command", "FLY", "x", `unknown CNI_COMMAND \"FLY\"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out := plugin(tt.socket, tt.command)
			if code == 0 || !strings.Contains(out, tt.want) || !strings.Contains(out, `"code":`) {
				t.Errorf("plugin = %d, %s; want a CNI error with %q", code, out, tt.want)
			}
		})
	}
}

func TestVersion(t *testing.T) {
	if code, out := plugin("", "VERSION"); code != 0 || !strings.Contains(out, `"1.0.0"`) {
		t.Errorf("VERSION = %d, %q", code, out)
	}
}
