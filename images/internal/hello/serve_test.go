package hello

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"
)

func newTestServer(t *testing.T, out io.Writer) *server {
	t.Helper()
	s, err := newServer(Process{
		Env: []string{"POD_NAME=web-1", "NODE_NAME=fargate-ip-10-0-0-7.ec2.internal"}, Stdout: out,
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestHandler(t *testing.T) {
	var out bytes.Buffer
	s := newTestServer(t, &out)
	s.kernel = "Linux 4.19.0-gvisor"
	for _, test := range []struct {
		name, path string
		status     int
		body       string
	}{
		{"greeting", "/", 200, `Hello from Berth! pod=web-1 node=fargate-ip-10-0-0-7.ec2.internal kernel="Linux 4.19.0-gvisor" client=192.0.2.1:1234` + "\n"},
		{"alive", "/healthz", 200, "ok\n"},
		{"ready", "/readyz", 200, "ok\n"},
		{"environment", "/env", 200, "NODE_NAME=fargate-ip-10-0-0-7.ec2.internal\nPOD_NAME=web-1\n"},
		{"elsewhere", "/nowhere", 404, "404 page not found\n"},
	} {
		t.Run(test.name, func(t *testing.T) {
			out.Reset()
			w := httptest.NewRecorder()
			s.handler().ServeHTTP(w, httptest.NewRequest("GET", test.path, nil))
			if w.Code != test.status || w.Body.String() != test.body {
				t.Errorf("%s answers %d %q, want %d %q", test.path, w.Code, w.Body, test.status, test.body)
			}
			line := regexp.MustCompile(`(?m)^time=\S+ level=INFO msg=request method=GET path=(\S+) status=(\d+) client=192.0.2.1:1234 duration=\S+$`)
			if got := line.FindAllString(out.String(), -1); len(got) != 1 || strings.Count(out.String(), "\n") != 1 {
				t.Errorf("log of one request is %q", out.String())
			}
		})
	}
}

// TestShutdown stops the server while a request is under way: the request is
// answered all the same, /readyz says no, and the log tells the cause.
func TestShutdown(t *testing.T) {
	logs, out := io.Pipe()
	s := newTestServer(t, out)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	held := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		close(entered)
		<-release
		s.handler().ServeHTTP(w, r)
	})
	ctx, stop := context.WithCancelCause(t.Context())
	done := make(chan error, 1)
	go func() {
		err := s.run(ctx, listener, held, time.Minute)
		out.Close()
		done <- err
	}()
	lines := bufio.NewScanner(logs)
	await := func(text string) {
		t.Helper()
		for lines.Scan() {
			if strings.Contains(lines.Text(), text) {
				return
			}
		}
		t.Fatalf("log ended before %q", text)
	}
	await("msg=listening")
	answered := make(chan string, 1)
	go func() {
		resp, err := http.Get("http://" + listener.Addr().String() + "/readyz")
		if err != nil {
			answered <- err.Error()
			return
		}
		resp.Body.Close()
		answered <- resp.Status
	}()
	<-entered
	stop(errors.New("terminated"))
	await(`msg="shutting down" cause=terminated grace=1m0s`)
	close(release)
	await("path=/readyz status=503")
	await("msg=stopped")
	if err := <-done; err == nil && lines.Scan() {
		t.Errorf("log goes on after the stop: %s", lines.Text())
	} else if err != nil {
		t.Errorf("run returns %v", err)
	}
	if got, want := <-answered, "503 Service Unavailable"; got != want {
		t.Errorf("/readyz while stopping answers %q, want %q", got, want)
	}
}

func TestServePortInUse(t *testing.T) {
	listener, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	err = serve(t.Context(), Process{Args: []string{"--port", port}, Stdout: io.Discard})
	if err == nil || !strings.Contains(err.Error(), "listening on port "+port) {
		t.Errorf("serving on a taken port gives %v", err)
	}
}
