package dataplane

import (
	"encoding/json"
	"net"
	"net/http"
	"path/filepath"
	"testing"
)

func serve(t *testing.T, handler http.HandlerFunc) *Client {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "s")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: handler}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	return NewClient(socket)
}

func TestClientPutNode(t *testing.T) {
	client := serve(t, func(w http.ResponseWriter, r *http.Request) {
		var node Node
		if err := json.NewDecoder(r.Body).Decode(&node); err != nil {
			t.Error(err)
		}
		if r.Method != http.MethodPut || r.URL.Path != "/nodes/a" || node.IP != "10.0.0.1" {
			t.Errorf("got %s %s with IP %q", r.Method, r.URL.Path, node.IP)
		}
		json.NewEncoder(w).Encode(NodeStatus{Name: node.Name, Phase: Starting})
	})
	status, err := client.PutNode(t.Context(), Node{Name: "a", IP: "10.0.0.1"})
	if err != nil || status.Phase != Starting {
		t.Fatalf("PutNode = %+v, %v; want phase Starting", status, err)
	}
}

func TestClientErrors(t *testing.T) {
	tests := []struct {
		name     string
		code     int
		body     string
		message  string
		notFound bool
		conflict bool
	}{
		{name: "not found", code: 404, body: `{"message":"no node a"}`, message: "deleting node a: dataplane answered 404: no node a", notFound: true},
		{name: "conflict", code: 409, body: `{"message":"has containers"}`, message: "deleting node a: dataplane answered 409: has containers", conflict: true},
		{name: "no body", code: 500, message: "deleting node a: dataplane answered 500: Internal Server Error"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			client := serve(t, func(w http.ResponseWriter, r *http.Request) {
				if r.URL.RawQuery != "force=true" {
					t.Errorf("query is %q, want force=true", r.URL.RawQuery)
				}
				w.WriteHeader(test.code)
				w.Write([]byte(test.body))
			})
			err := client.DeleteNode(t.Context(), "a", true)
			if err == nil || err.Error() != test.message {
				t.Fatalf("DeleteNode = %v, want %s", err, test.message)
			}
			if IsNotFound(err) != test.notFound || IsConflict(err) != test.conflict {
				t.Errorf("IsNotFound %v, IsConflict %v", IsNotFound(err), IsConflict(err))
			}
		})
	}
}
