package hello

import (
	"bytes"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestGet(t *testing.T) {
	clients := map[string]bool{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		clients[r.RemoteAddr] = true
		if r.URL.Path == "/broken" {
			w.WriteHeader(http.StatusBadGateway)
		}
		fmt.Fprintf(w, "%s %s %s\n", r.Host, r.URL.Path, r.Header.Get("X-Key"))
	}))
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	for _, test := range []struct {
		name string
		argv []string
		code int
		out  string
	}{
		{"plain", []string{"hello", "get", srv.URL + "/a"}, 0, host + " /a \n"},
		{"no scheme", []string{"hello", "get", host + "/a"}, 0, host + " /a \n"},
		{"header", []string{"hello", "get", srv.URL + "/a", "--header", "X-Key: v"}, 0, host + " /a v\n"},
		{"host header", []string{"hello", "get", srv.URL + "/a", "--header", "Host: web"}, 0, "web /a \n"},
		{"three times", []string{"hello", "get", srv.URL + "/a", "--count", "3"}, 0, strings.Repeat(host+" /a \n", 3)},
		{"bad gateway", []string{"hello", "get", srv.URL + "/broken"}, 1, host + " /broken \n"},
		{"no URL", []string{"hello", "get"}, 2, ""},
		{"malformed header", []string{"hello", "get", "u", "--header", "x"}, 2, ""},
		{"wget", []string{"/bin/wget", "-qO-", srv.URL + "/a"}, 0, host + " /a \n"},
		{"wget with a timeout", []string{"wget", "-T", "5", "-O", "-", host}, 0, host + " / \n"},
		{"wget with a wrong timeout", []string{"wget", "-T", "x", "u"}, 2, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			clear(clients)
			var out, stderr bytes.Buffer
			code := Main(t.Context(), test.argv, Process{Stdout: &out, Stderr: &stderr})
			if code != test.code {
				t.Errorf("code %d, want %d; stderr %s", code, test.code, &stderr)
			}
			if diff := cmp.Diff(test.out, out.String()); diff != "" {
				t.Errorf("output (-want +got):\n%s", diff)
			}
			if requests := strings.Count(test.out, "\n"); len(clients) != requests {
				t.Errorf("%d connections for %d requests", len(clients), requests)
			}
		})
	}
}

func TestGetCertificates(t *testing.T) {
	srv := httptest.NewTLSServer(http.NotFoundHandler())
	defer srv.Close()
	file := filepath.Join(t.TempDir(), "ca.crt")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw})
	if err := os.WriteFile(file, block, 0o600); err != nil {
		t.Fatal(err)
	}
	var out, stderr bytes.Buffer
	Main(t.Context(), []string{"hello", "get", srv.URL, "--cacert", file}, Process{Stdout: &out, Stderr: &stderr})
	if want := "404 page not found\n"; out.String() != want {
		t.Errorf("with the server's authority: %q %q, want %q", &out, &stderr, want)
	}
	out.Reset()
	stderr.Reset()
	Main(t.Context(), []string{"hello", "get", "--cacert", os.DevNull, srv.URL}, Process{Stdout: &out, Stderr: &stderr})
	if want := "get: reading certificates: /dev/null holds none\n"; stderr.String() != want {
		t.Errorf("with an empty file: %q, want %q", &stderr, want)
	}
}

func TestWgetFile(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "body") }))
	defer srv.Close()
	t.Chdir(t.TempDir())
	var stderr bytes.Buffer
	if code := Main(t.Context(), []string{"wget", srv.URL + "/file.txt"}, Process{Stderr: &stderr}); code != 0 {
		t.Fatalf("code %d: %s", code, &stderr)
	}
	if got, err := os.ReadFile("file.txt"); err != nil || string(got) != "body" {
		t.Errorf("file.txt holds %q, %v", got, err)
	}
}
