package dataplane

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/pprof"
	"strings"

	protocol "berth.dev/berth/dataplane"
)

// maxBody bounds a request: a Node is a few kilobytes of certificates.
const maxBody = 1 << 20

// newHandler serves the protocol. healthy says whether kube-proxy has synced.
// The profiles of the process are served too: the socket is its owner's alone.
func newHandler(nodes *nodes, healthy func() bool) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /nodes/{name}", func(w http.ResponseWriter, r *http.Request) { putNode(w, r, nodes) })
	mux.HandleFunc("DELETE /nodes/{name}", func(w http.ResponseWriter, r *http.Request) {
		force := r.URL.Query().Get("force") == "true"
		if err := nodes.delete(r.Context(), r.PathValue("name"), force); err != nil {
			fail(w, err)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("GET /nodes/{name}", func(w http.ResponseWriter, r *http.Request) {
		status, err := nodes.get(r.PathValue("name"))
		if err != nil {
			fail(w, err)
			return
		}
		answer(w, http.StatusOK, status)
	})
	mux.HandleFunc("GET /nodes", func(w http.ResponseWriter, _ *http.Request) { answer(w, http.StatusOK, nodes.list()) })
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		if !healthy() {
			answer(w, http.StatusServiceUnavailable, protocol.Error{Message: "kube-proxy has not written its rules yet"})
			return
		}
		fmt.Fprint(w, "ok")
	})
	mux.HandleFunc("GET /debug/pprof/", pprof.Index)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	return mux
}

func putNode(w http.ResponseWriter, r *http.Request, nodes *nodes) {
	var node protocol.Node
	if err := decode(http.MaxBytesReader(w, r.Body, maxBody), &node); err != nil {
		answer(w, http.StatusBadRequest, protocol.Error{Message: fmt.Sprintf("reading node: %v", err)})
		return
	}
	if err := validateNode(r.PathValue("name"), node); err != nil {
		answer(w, http.StatusBadRequest, protocol.Error{Message: err.Error()})
		return
	}
	status, err := nodes.put(node)
	if err != nil {
		fail(w, err)
		return
	}
	answer(w, http.StatusOK, status)
}

// validateNode also keeps names from being paths: they name folders and cgroups.
func validateNode(name string, node protocol.Node) error {
	switch {
	case node.Name != name:
		return fmt.Errorf("node is named %q, not %q", node.Name, name)
	case strings.ContainsAny(name, "/\x00") || strings.HasPrefix(name, "."):
		return fmt.Errorf("%q is not a node name", name)
	case node.IP == "" || node.Hostname == "":
		return errors.New("node has no ip or no hostname")
	}
	return nil
}

func fail(w http.ResponseWriter, err error) {
	code := http.StatusInternalServerError
	switch {
	case errors.Is(err, errNotFound):
		code = http.StatusNotFound
	case errors.Is(err, errConflict):
		code = http.StatusConflict
	}
	answer(w, code, protocol.Error{Message: err.Error()})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	// The client is gone if this fails; there is nobody to tell.
	_ = json.NewEncoder(w).Encode(body)
}
