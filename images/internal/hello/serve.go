package hello

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

func serve(ctx context.Context, p Process) error {
	fs := newFlags("serve")
	port := fs.Int("port", 8080, "")
	grace := fs.Duration("grace", 10*time.Second, "")
	if err := onlyFlags(parse(fs, p.Args)); err != nil {
		return err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("", strconv.Itoa(*port)))
	if err != nil {
		return fmt.Errorf("listening on port %d: %w", *port, err)
	}
	s, err := newServer(p)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	return s.run(ctx, listener, s.handler(), *grace)
}

// server answers with who and where it is.
type server struct {
	pod, node, kernel string
	env               []string
	log               *slog.Logger
	stopping          atomic.Bool
}

// newServer learns the pod's name from POD_NAME or, without it, from the host
// name, which Kubernetes sets to the pod's name; the node's from NODE_NAME.
func newServer(p Process) (*server, error) {
	kernel, err := readKernel()
	if err != nil {
		return nil, err
	}
	pod := getenv(p.Env, "POD_NAME")
	if pod == "" {
		if pod, err = os.Hostname(); err != nil {
			return nil, fmt.Errorf("reading the host name: %w", err)
		}
	}
	node := getenv(p.Env, "NODE_NAME")
	if node == "" {
		node = "unknown"
	}
	return &server{
		pod:    pod,
		node:   node,
		kernel: kernel.sysname + " " + kernel.release,
		env:    p.Env,
		log:    slog.New(slog.NewTextHandler(p.Stdout, nil)),
	}, nil
}

// run serves h until ctx ends, then lets requests under way finish for as long
// as grace.
func (s *server) run(ctx context.Context, l net.Listener, h http.Handler, grace time.Duration) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ErrorLog:          slog.NewLogLogger(s.log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(l) }()
	s.log.Info("listening", "address", l.Addr().String(), "pod", s.pod, "node", s.node)
	select {
	case err := <-served:
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	s.stopping.Store(true)
	s.log.Info("shutting down", "cause", context.Cause(ctx).Error(), "grace", grace)
	deadline, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	if err := srv.Shutdown(deadline); err != nil {
		return errors.Join(fmt.Errorf("finishing requests: %w", err), srv.Close())
	}
	<-served
	s.log.Info("stopped")
	return nil
}

func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", s.greet)
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /env", s.printEnv)
	return s.logged(mux)
}

func (s *server) greet(w http.ResponseWriter, r *http.Request) {
	fmt.Fprintf(w, "Hello from Berth! pod=%s node=%s kernel=%q client=%s\n", s.pod, s.node, s.kernel, r.RemoteAddr)
}

func (s *server) ready(w http.ResponseWriter, _ *http.Request) {
	if s.stopping.Load() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ok\n")
}

func (s *server) printEnv(w http.ResponseWriter, _ *http.Request) {
	io.WriteString(w, sortedEnv(s.env))
}

// logged writes one line a request, after its answer.
func (s *server) logged(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w, status: http.StatusOK}
		next.ServeHTTP(rec, r)
		s.log.Info("request", "method", r.Method, "path", r.URL.Path, "status", rec.status,
			"client", r.RemoteAddr, "duration", time.Since(start))
	})
}

// recorder remembers the status that a handler chose.
type recorder struct {
	http.ResponseWriter
	status int
}

func (r *recorder) WriteHeader(status int) {
	r.status = status
	r.ResponseWriter.WriteHeader(status)
}

// getenv returns the last value of name, as a process sees it, or "".
func getenv(env []string, name string) string {
	for _, e := range slices.Backward(env) {
		if v, ok := strings.CutPrefix(e, name+"="); ok {
			return v
		}
	}
	return ""
}

func sortedEnv(env []string) string {
	if len(env) == 0 {
		return ""
	}
	return strings.Join(slices.Sorted(slices.Values(env)), "\n") + "\n"
}
