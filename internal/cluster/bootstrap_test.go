package cluster

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
)

// apiServer answers every request as status says, and keeps what was asked.
type apiServer struct {
	mu     sync.Mutex
	asked  []string
	status int
}

func (a *apiServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.asked = append(a.asked, r.Method+" "+r.URL.Path+"?"+r.URL.RawQuery)
	w.Header().Set("Content-Type", "application/json")
	status := a.status
	if r.Method == http.MethodPatch {
		status = http.StatusOK
	}
	w.WriteHeader(status)
	if status == http.StatusConflict {
		fmt.Fprint(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"AlreadyExists","code":409}`)
		return
	}
	if status >= 400 {
		fmt.Fprintf(w, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":%d}`, status)
		return
	}
	fmt.Fprint(w, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"}}`)
}

// TestInstall holds that a new cluster's objects are the user's once they are
// there, and that the API server's endpoints stay the control plane's.
func TestInstall(t *testing.T) {
	all, err := objects(spec(KubernetesVersion))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name   string
		status int
		fails  bool
	}{
		{"a new cluster", http.StatusCreated, false},
		{"a cluster that has them", http.StatusConflict, false},
		{"a cluster that refuses", http.StatusForbidden, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a := &apiServer{status: tt.status}
			server := httptest.NewServer(a)
			t.Cleanup(server.Close)
			client, err := dynamic.NewForConfig(&rest.Config{Host: server.URL, QPS: -1})
			if err != nil {
				t.Fatal(err)
			}
			for _, u := range all {
				err := install(t.Context(), client, u)
				if fails := err != nil; fails != (tt.fails && !kept(u)) {
					t.Errorf("installing %s %s = %v", u.GetKind(), u.GetName(), err)
				}
			}
			var patched []string
			for _, r := range a.asked {
				if strings.HasPrefix(r, http.MethodPatch) {
					patched = append(patched, r)
				} else if !strings.HasPrefix(r, http.MethodPost) || !strings.Contains(r, "fieldManager=eks") {
					t.Errorf("request %s, want the object created by eks", r)
				}
			}
			want := []string{
				"PATCH /api/v1/namespaces/default/endpoints/kubernetes?fieldManager=eks&force=true",
				"PATCH /apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes?fieldManager=eks&force=true",
			}
			if diff := cmp.Diff(want, patched); diff != "" {
				t.Errorf("what is kept (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCertificates(t *testing.T) {
	c := plane(t, KubernetesVersion)
	var err error
	if c.material, err = newMaterial(epoch, nil); err != nil {
		t.Fatal(err)
	}
	pairs, err := c.certificates(epoch)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, file, common string
		orgs, dns, ips     []string
	}{
		{
			"the API server answers to every name and address that clients use", "apiserver", "kube-apiserver", nil,
			[]string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local", "0A1B2C3D4E5F60718293A4B5C6D7E8F9.eu-central-1.eks.internal"},
			[]string{"127.0.0.1", "10.100.0.1", "10.0.1.7", "10.0.2.9"},
		},
		{"the bootstrapper is a master", "admin", "eks:cluster-bootstrap", []string{"system:masters"}, nil, nil},
		{"the Fargate scheduler is not", "fargate", "eks:fargate-scheduler", nil, nil, nil},
		{"the controllers are not", "controller-manager", "system:kube-controller-manager", nil, nil, nil},
		{"kube-proxy is itself", "kube-proxy", "system:kube-proxy", nil, nil, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := parse(t, pairs[tt.file].Cert)
			var ips []string
			for _, ip := range got.IPAddresses {
				ips = append(ips, ip.String())
			}
			if got.Subject.CommonName != tt.common {
				t.Errorf("common name = %s, want %s", got.Subject.CommonName, tt.common)
			}
			for what, diff := range map[string]string{
				"organizations": cmp.Diff(tt.orgs, got.Subject.Organization), "DNS names": cmp.Diff(tt.dns, got.DNSNames), "addresses": cmp.Diff(tt.ips, ips),
			} {
				if diff != "" {
					t.Errorf("%s (-want +got):\n%s", what, diff)
				}
			}
			if end := epoch.Add(leafLife); !got.NotAfter.Equal(end) {
				t.Errorf("ends at %v, want %v", got.NotAfter, end)
			}
		})
	}
}

func parse(t *testing.T, text []byte) *x509.Certificate {
	t.Helper()
	block, _ := pem.Decode(text)
	if block == nil {
		t.Fatal("no PEM")
	}
	c, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return c
}
