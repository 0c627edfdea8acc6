package acceptance

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// get asks for a URL from within a pod.
func (k *kube) get(ctx context.Context, t testing.TB, namespace, pod, url string, options ...string) (string, error) {
	t.Helper()
	command := append([]string{"exec", "-n", namespace, pod, "--", "hello", "get", "--timeout", "5s"}, options...)
	return k.kubectl(ctx, t, append(command, url)...)
}

// services are reached by name, from other pods and from their own.
func (s *scene) services(t *testing.T) {
	web := s.k.pods(t, "default", "web")
	t.Run("by name from another pod", func(t *testing.T) {
		out, err := s.k.get(t.Context(), t, "team-a", "matched", "http://web.default.svc.cluster.local/", "--count", "20")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range web {
			if !strings.Contains(out, "pod="+p.Name+" node="+p.Spec.NodeName) {
				t.Errorf("of 20 requests none reached %s:\n%s", p.Name, out)
			}
		}
	})
	t.Run("by short name from its own pods", func(t *testing.T) {
		out, err := s.k.get(t.Context(), t, "default", web[0].Name, "http://web/", "--count", "20")
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range web {
			if !strings.Contains(out, "pod="+p.Name) {
				t.Errorf("of 20 requests of %s none reached %s:\n%s", web[0].Name, p.Name, out)
			}
		}
	})
	t.Run("pod to pod", func(t *testing.T) {
		out, err := s.k.get(t.Context(), t, "default", web[0].Name, "http://"+web[1].Status.PodIP+":8080/")
		if err != nil || !strings.Contains(out, "client="+web[0].Status.PodIP+":") {
			t.Errorf("answer = %q, %v; want to be seen as %s", out, err, web[0].Status.PodIP)
		}
	})
	t.Run("names of the VPC", func(t *testing.T) {
		name := "ip-" + strings.ReplaceAll(web[1].Status.PodIP, ".", "-") + "." + region + ".compute.internal"
		if out := s.k.exec(t, "default", web[0].Name, "hello", "lookup", name); strings.TrimSpace(out) != web[1].Status.PodIP {
			t.Errorf("%s = %q, want %s", name, out, web[1].Status.PodIP)
		}
		if out := s.k.exec(t, "default", web[0].Name, "hello", "lookup", "kubernetes.default.svc.cluster.local"); strings.TrimSpace(out) != "10.100.0.1" {
			t.Errorf("kubernetes.default = %q, want 10.100.0.1", out)
		}
	})
}

// apiFromPod asks the API server from within a pod, as its service account.
func (s *scene) apiFromPod(t *testing.T) {
	const dir = "/var/run/secrets/kubernetes.io/serviceaccount/"
	pod := s.k.pods(t, "default", "web")[0].Name
	token := strings.TrimSpace(s.k.exec(t, "default", pod, "/bin/cat", dir+"token"))
	for _, host := range []string{"10.100.0.1", "kubernetes.default.svc"} {
		t.Run(host, func(t *testing.T) {
			out, err := s.k.get(t.Context(), t, "default", pod, "https://"+host+"/version", "--cacert", dir+"ca.crt", "--header", "Authorization: Bearer "+token)
			if err != nil || !strings.Contains(out, `"minor": "36"`) {
				t.Errorf("version = %q, %v", out, err)
			}
			out, err = s.k.get(t.Context(), t, "default", pod, "https://"+host+"/api/v1/secrets", "--cacert", dir+"ca.crt", "--header", "Authorization: Bearer "+token)
			if err == nil || !strings.Contains(out, "system:serviceaccount:default:default") || !strings.Contains(out, "Forbidden") {
				t.Errorf("secrets = %q, %v; want a refusal that names the service account", out, err)
			}
		})
	}
	endpoints, err := s.k.DiscoveryV1().EndpointSlices("default").Get(t.Context(), "kubernetes", metav1.GetOptions{})
	if err != nil || len(endpoints.Endpoints) == 0 {
		t.Fatalf("endpoints of the API server = %v, %v", endpoints, err)
	}
	addresses := 0
	for _, e := range endpoints.Endpoints {
		addresses += len(e.Addresses)
	}
	if addresses != 2 {
		t.Errorf("the API server has %d addresses in the VPC, want 2", addresses)
	}
}

// egress is the way out of the VPC: through the NAT gateway, or none.
func (s *scene) egress(t *testing.T) {
	out, err := net.Dial("udp4", "198.51.100.1:9")
	if err != nil {
		t.Skipf("this host has no way out: %v", err)
	}
	own := out.LocalAddr().(*net.UDPAddr).IP.String()
	out.Close()
	l, err := net.Listen("tcp4", net.JoinHostPort(own, "0"))
	if err != nil {
		t.Fatal(err)
	}
	outside := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, "outside", r.RemoteAddr)
	})}}
	outside.Start()
	defer outside.Close()

	s.k.namespace(t, "isolated")
	s.profile(t, profileInput("demo", "fp-isolated", []string{s.n.isolated}, selector("isolated")))
	alone := s.k.run(t, hello("alone", in("isolated")))
	if !strings.HasPrefix(alone.Status.PodIP, "192.168.") {
		t.Errorf("address = %s", alone.Status.PodIP)
	}
	pod := s.k.pods(t, "default", "web")[0]
	if text, err := s.k.get(t.Context(), t, "default", pod.Name, outside.URL); err != nil || !strings.Contains(text, "outside") {
		t.Errorf("through the NAT gateway: %q, %v", text, err)
	} else if strings.Contains(text, pod.Status.PodIP) {
		t.Errorf("the outside sees the pod's own address: %s", text)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if text, err := s.k.get(ctx, t, "isolated", "alone", outside.URL); err == nil {
		t.Errorf("a subnet without a way out reaches the outside: %q", text)
	}
	if text, err := s.k.get(t.Context(), t, "isolated", "alone", "http://web.default.svc.cluster.local/"); err != nil {
		t.Errorf("a subnet without a way out does not reach the VPC: %q, %v", text, err)
	}
	s.k.deletePod(t, alone)
	s.deleteProfile(t, "demo", "fp-isolated")
}
