package hello

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"time"
)

func get(ctx context.Context, p Process) error {
	fs := newFlags("get")
	count := fs.Int("count", 1, "")
	timeout := fs.Duration("timeout", 10*time.Second, "")
	cacert := fs.String("cacert", "", "")
	header := http.Header{}
	fs.Func("header", "", func(s string) error {
		key, value, ok := strings.Cut(s, ":")
		if !ok {
			return fmt.Errorf("no colon in %q", s)
		}
		header.Add(strings.TrimSpace(key), strings.TrimSpace(value))
		return nil
	})
	operands, err := parse(fs, p.Args)
	if err != nil {
		return err
	}
	if len(operands) != 1 {
		return usagef("want one URL, got %d", len(operands))
	}
	client, err := newClient(*timeout, *cacert)
	if err != nil {
		return err
	}
	for range *count {
		if err := fetch(ctx, client, request{operands[0], header, p.Stdout}); err != nil {
			return err
		}
	}
	return nil
}

// newClient opens a connection for each request, so that repeated requests to
// a Service show how it spreads them. A cacert file replaces the system's.
func newClient(timeout time.Duration, cacert string) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableKeepAlives = true
	if cacert != "" {
		pem, err := os.ReadFile(cacert)
		if err != nil {
			return nil, fmt.Errorf("reading certificates: %w", err)
		}
		roots := x509.NewCertPool()
		if !roots.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("reading certificates: %s holds none", cacert)
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	return &http.Client{Transport: transport, Timeout: timeout}, nil
}

type request struct {
	url    string
	header http.Header
	out    io.Writer
}

// fetch writes the body whatever the status, so that an error's explanation is
// seen, and returns an error for a status outside 2xx.
func fetch(ctx context.Context, client *http.Client, r request) error {
	url := r.url
	if !strings.Contains(url, "://") {
		url = "http://" + url
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return usagef("%v", err)
	}
	for k, v := range r.header {
		req.Header[k] = v
	}
	if host := r.header.Get("Host"); host != "" {
		req.Host = host
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(r.out, resp.Body); err != nil {
		return fmt.Errorf("reading %s: %w", url, err)
	}
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		return fmt.Errorf("getting %s: server answered %s", url, resp.Status)
	}
	return nil
}

// wget is get under the name, and with the few options, that users type first.
func wget(ctx context.Context, p Process) error {
	options, operands, err := getopt(p.Args, "qO:T:")
	if err != nil {
		return err
	}
	if len(operands) != 1 {
		return usagef("want one URL, got %d", len(operands))
	}
	timeout := 10 * time.Second
	if t, ok := options['T']; ok {
		seconds, err := strconv.ParseUint(t, 10, 16)
		if err != nil {
			return usagef("-T %q is not a number of seconds", t)
		}
		timeout = time.Duration(seconds) * time.Second
	}
	client, err := newClient(timeout, "")
	if err != nil {
		return err
	}
	name, ok := options['O']
	if !ok {
		name = fileName(operands[0])
	}
	if name == "-" {
		return fetch(ctx, client, request{url: operands[0], out: p.Stdout})
	}
	file, err := os.Create(name)
	if err != nil {
		return err
	}
	err = fetch(ctx, client, request{url: operands[0], out: file})
	if cerr := file.Close(); err == nil {
		err = cerr
	}
	return err
}

// fileName is where wget saves url when it is not told.
func fileName(url string) string {
	if _, rest, ok := strings.Cut(url, "://"); ok {
		url = rest
	}
	url, _, _ = strings.Cut(url, "?")
	_, file, ok := strings.Cut(url, "/")
	if file = path.Base(path.Clean("/" + file)); !ok || file == "/" {
		return "index.html"
	}
	return file
}
