package clitest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
)

// Kube is a Kubernetes API with the deployment of CoreDNS, whose pods move to
// Fargate once its template is annotated.
type Kube struct {
	server *httptest.Server

	mu        sync.Mutex
	annotated bool
	looks     int
}

func newKube(t Cleaner) *Kube {
	k := &Kube{}
	k.server = httptest.NewTLSServer(k)
	t.Cleanup(k.server.Close)
	return k
}

// OnFargate says whether the deployment has been annotated.
func (k *Kube) OnFargate() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.annotated
}

func (k *Kube) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if !strings.HasPrefix(r.Header.Get("Authorization"), "Bearer k8s-aws-v1.") {
		answer(w, http.StatusUnauthorized, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 401, "reason": "Unauthorized"})
		return
	}
	switch r.URL.Path {
	case "/version":
		answer(w, http.StatusOK, map[string]string{"gitVersion": "v1.36.3"})
	case "/apis/apps/v1/namespaces/kube-system/deployments/coredns":
		if r.Method == http.MethodPatch {
			k.patch(w, r)
			return
		}
		answer(w, http.StatusOK, k.deployment())
	case "/api/v1/namespaces/kube-system/pods":
		answer(w, http.StatusOK, k.pods())
	default:
		answer(w, http.StatusNotFound, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound"})
	}
}

func (k *Kube) patch(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Spec struct {
			Template struct {
				Metadata struct{ Annotations map[string]string }
			}
		}
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	k.annotated = in.Spec.Template.Metadata.Annotations["eks.amazonaws.com/compute-type"] == "fargate"
	answer(w, http.StatusOK, k.deployment())
}

func (k *Kube) deployment() map[string]any {
	annotations, ready := map[string]string{}, 0
	if k.annotated {
		annotations["eks.amazonaws.com/compute-type"] = "fargate"
		if k.looks++; k.looks > 2 {
			ready = 2
		}
	}
	return map[string]any{
		"kind": "Deployment", "apiVersion": "apps/v1", "metadata": map[string]any{"name": "coredns", "namespace": "kube-system"},
		"spec":   map[string]any{"replicas": 2, "template": map[string]any{"metadata": map[string]any{"annotations": annotations}}},
		"status": map[string]any{"readyReplicas": ready},
	}
}

func (k *Kube) pods() map[string]any {
	pod := map[string]any{
		"metadata": map[string]any{"name": "coredns-1", "annotations": map[string]string{"eks.amazonaws.com/compute-type": "fargate"}},
		"spec":     map[string]any{"nodeName": "fargate-ip-192-168-96-4.ec2.internal"}, "status": map[string]any{"phase": "Running"},
	}
	return map[string]any{"kind": "PodList", "apiVersion": "v1", "items": []any{pod}}
}
