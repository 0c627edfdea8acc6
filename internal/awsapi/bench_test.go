package awsapi_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// BenchmarkDescribeCluster compares the door, which verifies, routes, decodes,
// authorises, validates and encodes, with a handler that only writes the same
// JSON: in process, and over a connection.
func BenchmarkDescribeCluster(b *testing.B) {
	d := open(b)
	r := signedDescribe(b, d)
	answer := httptest.NewRecorder()
	d.handler.ServeHTTP(answer, r)
	if answer.Code != http.StatusOK {
		b.Fatalf("answer = %d %s", answer.Code, answer.Body)
	}
	var tree any
	if err := json.Unmarshal(answer.Body.Bytes(), &tree); err != nil {
		b.Fatal(err)
	}
	bare := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(tree)
	})
	for name, handler := range map[string]http.Handler{"door": d.handler, "bare": bare} {
		b.Run(name+"/in-process", func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				handler.ServeHTTP(httptest.NewRecorder(), r)
			}
		})
		b.Run(name+"/connection", func(b *testing.B) {
			server := httptest.NewServer(handler)
			defer server.Close()
			out := r.Clone(b.Context())
			out.RequestURI, out.URL.Scheme, out.URL.Host = "", "http", server.Listener.Addr().String()
			for b.Loop() {
				resp, err := server.Client().Do(out)
				if err != nil {
					b.Fatal(err)
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if resp.StatusCode != http.StatusOK {
					b.Fatal(resp.Status)
				}
			}
		})
	}
}

// signedDescribe is one request, good for five minutes.
func signedDescribe(b *testing.B, d *door) *http.Request {
	b.Helper()
	r := httptest.NewRequest(http.MethodGet, d.url+"/clusters/demo", nil)
	creds := aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	if err := v4.NewSigner().SignHTTP(b.Context(), creds, r, sha256Hex(""), "eks", region, time.Now()); err != nil {
		b.Fatal(err)
	}
	return r
}
