package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clienttesting "k8s.io/client-go/testing"
)

// review is what the API server asks about a pod.
func review(t *testing.T, namespace, name string) io.Reader {
	t.Helper()
	pod, err := json.Marshal(corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: namespace},
		Spec:       corev1.PodSpec{Containers: []corev1.Container{{Name: "c", Image: "i"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	b, err := json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1beta1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "1", Name: name, Namespace: namespace, Operation: admissionv1.Create,
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"}, Object: runtime.RawExtension{Raw: pod},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReader(string(b))
}

func mutate(t *testing.T, k *Controller, ctx context.Context, body io.Reader) *httptest.ResponseRecorder {
	t.Helper()
	rec := httptest.NewRecorder()
	k.ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/mutate", body).WithContext(ctx))
	return rec
}

func TestWebhook(t *testing.T) {
	s := newWorld(t).stepper()
	for _, tt := range []struct {
		name, namespace string
		patched         bool
	}{
		{"a pod that a profile matches", "default", true},
		{"a pod that none matches", "other", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := mutate(t, s.Controller, t.Context(), review(t, tt.namespace, "web"))
			var answer admissionv1.AdmissionReview
			if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
				t.Fatalf("answer %d %q: %v", rec.Code, rec.Body, err)
			}
			if !answer.Response.Allowed || answer.Response.UID != "1" {
				t.Errorf("answer = %+v, want the pod allowed", answer.Response)
			}
			if got := strings.Contains(string(answer.Response.Patch), `"fargate-scheduler"`); got != tt.patched {
				t.Errorf("patch = %s, want the Fargate scheduler in it: %v", answer.Response.Patch, tt.patched)
			}
		})
	}
	if rec := mutate(t, s.Controller, t.Context(), strings.NewReader("{")); rec.Code != http.StatusBadRequest {
		t.Errorf("nonsense is answered with %d, want 400", rec.Code)
	}
}

// TestAdmit answers for a cluster whose controller does not run yet.
func TestAdmit(t *testing.T) {
	w := newWorld(t)
	for _, tt := range []struct {
		name, namespace string
		err             error
		code            int
		patched         bool
	}{
		{"a pod that a profile matches", "default", nil, http.StatusOK, true},
		{"a pod that none matches", "other", nil, http.StatusOK, false},
		{"profiles that cannot be read", "default", errors.New("etcd is away"), http.StatusServiceUnavailable, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			rec := httptest.NewRecorder()
			Admit(func(context.Context) ([]Profile, error) { return w.serving(), tt.err }).
				ServeHTTP(rec, httptest.NewRequest(http.MethodPost, "/mutate", review(t, tt.namespace, "web")))
			if rec.Code != tt.code {
				t.Errorf("answer = %d, want %d", rec.Code, tt.code)
			}
			if got := strings.Contains(rec.Body.String(), `"patch":`); got != tt.patched {
				t.Errorf("answer %s has a patch: %v, want %v", rec.Body, got, tt.patched)
			}
		})
	}
}

// TestWebhookWaitsForProfiles holds that no pod slips by while a server starts:
// what is let through unmatched is never looked at again.
func TestWebhookWaitsForProfiles(t *testing.T) {
	w := newWorld(t)
	k := w.controller()
	impatient, cancel := context.WithCancel(t.Context())
	cancel()
	if rec := mutate(t, k, impatient, review(t, "default", "web")); rec.Code != http.StatusServiceUnavailable {
		t.Errorf("without profiles the answer is %d, want 503", rec.Code)
	}
	answered := make(chan *httptest.ResponseRecorder)
	go func() { answered <- mutate(t, k, t.Context(), review(t, "default", "web")) }()
	select {
	case rec := <-answered:
		t.Fatalf("answered %d before the profiles were read", rec.Code)
	default:
	}
	if err := k.Reload(t.Context()); err != nil {
		t.Fatal(err)
	}
	rec := <-answered
	var answer admissionv1.AdmissionReview
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Response.Patch) == 0 {
		t.Error("the pod was let through unmatched")
	}
}

// TestServed holds that a profile is in effect only when the API server has been
// seen to ask about a pod.
func TestServed(t *testing.T) {
	w := newWorld(t)
	w.remove("configmaps", "kube-system", awsAuth)
	s := w.stepper()
	p := w.serving()[0]
	served := func() bool {
		t.Helper()
		ok, err := s.Served(t.Context(), p)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	if served() {
		t.Error("served before the API server asked")
	}
	w.did("the first look", "create configmaps aws-auth",
		"create mutatingwebhookconfigurations "+webhookName, "create pods "+probePrefix+"fp-id")

	// From now on the API server asks, as it does some time after it was configured.
	w.client.PrependReactor("create", "pods", func(a clienttesting.Action) (bool, runtime.Object, error) {
		o := a.(clienttesting.CreateActionImpl)
		if dry := o.GetCreateOptions().DryRun; len(dry) != 1 || dry[0] != metav1.DryRunAll {
			t.Errorf("the probe is created for good: dry run = %v", dry)
		}
		p := o.GetObject().(*corev1.Pod)
		mutate(t, s.Controller, t.Context(), review(t, p.Namespace, p.Name))
		return true, p, nil
	})
	if !served() {
		t.Error("not served although the API server asked")
	}
	if !served() {
		t.Error("not served when it is asked again")
	}
	other := p
	other.ID = "of-a-predecessor"
	if ok, err := s.Served(t.Context(), other); ok || err != nil {
		t.Errorf("a deleted profile of the name is served: %v, %v", ok, err)
	}
}

func TestEvict(t *testing.T) {
	running, pending := fargatePod("running"), fargatePod("pending")
	foreign := fargatePod("foreign", func(p *corev1.Pod) { p.Labels[profileLabel] = "fp-other" })
	w := newWorld(t, running, pending, foreign)
	keep := w.serving()[0]
	keep.Name, keep.ID = "fp-other", "other"
	w.serve(w.serving()[0], keep)
	s := w.stepper()
	for _, p := range []*corev1.Pod{running, pending, foreign} {
		s.step(string(p.UID))
	}
	s.nodeUp(string(running.UID), corev1.ConditionTrue)
	s.step(string(running.UID))
	w.serve(keep)
	w.take()
	evict := func() int {
		t.Helper()
		s.look()
		left, err := s.Evict(t.Context(), "fp-default")
		if err != nil {
			t.Fatal(err)
		}
		return left
	}

	if left := evict(); left != 2 {
		t.Errorf("%d pods have nodes of the profile, want 2", left)
	}
	w.did("the first look", "delete pods running")
	s.step(string(running.UID))
	s.step(string(pending.UID))
	if left := evict(); left != 0 {
		t.Errorf("%d pods have nodes of the profile after their ends, want none", left)
	}
	if got := w.scheduled("pending"); got != "False Unschedulable: Pod not supported on Fargate: no Fargate profile of the cluster matches it" {
		t.Errorf("the pod without a node stays with condition %q", got)
	}
	if r := s.records(); len(r) != 1 || r[0].Profile != "fp-other" {
		t.Errorf("records = %+v, want the other profile's", r)
	}
}

// TestEvictBeforeRun is what a server does that was killed while a profile was
// being deleted: the profile's reconciler may come before the pods are known.
func TestEvictBeforeRun(t *testing.T) {
	p := fargatePod("web")
	w := newWorld(t, p)
	s := w.stepper()
	s.step(string(p.UID))
	k := w.controller()
	if left, err := k.Evict(t.Context(), "fp-default"); !errors.Is(err, ErrNotFollowing) {
		t.Errorf("Evict = %d, %v; want %v", left, err, ErrNotFollowing)
	}
}

func TestMapRole(t *testing.T) {
	const users = "- {rolearn: 'arn:aws:iam::123456789012:role/team', username: 'team:{{SessionName}}', groups: [dev]}\n"
	ours := mappedRole().Data["mapRoles"]
	for _, tt := range []struct {
		name string
		data map[string]string
		want map[string]string
		bad  bool
	}{
		{"no ConfigMap", nil, map[string]string{"mapRoles": ours}, false},
		{"an empty one", map[string]string{}, map[string]string{"mapRoles": ours}, false},
		{
			"the user's entries stay",
			map[string]string{"mapRoles": users, "mapUsers": "- {userarn: u, username: ann}", "mapAccounts": "['1']", "own": "x"},
			map[string]string{
				"mapRoles": "- groups:\n  - dev\n  rolearn: arn:aws:iam::123456789012:role/team\n  username: team:{{SessionName}}\n" + ours,
				"mapUsers": "- {userarn: u, username: ann}", "mapAccounts": "['1']", "own": "x",
			}, false,
		},
		{"ours is there", map[string]string{"mapRoles": ours}, map[string]string{"mapRoles": ours}, false},
		{"what cannot be read is not overwritten", map[string]string{"mapRoles": "- rolearn: ["}, map[string]string{"mapRoles": "- rolearn: ["}, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.remove("configmaps", "kube-system", awsAuth)
			if tt.data != nil {
				w.put("configmaps", &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: awsAuth, Namespace: "kube-system"}, Data: tt.data})
			}
			err := w.controller().mapRole(t.Context(), executionRole)
			if (err != nil) != tt.bad {
				t.Fatalf("mapRole = %v, want an error: %v", err, tt.bad)
			}
			got, err := w.client.CoreV1().ConfigMaps("kube-system").Get(t.Context(), awsAuth, metav1.GetOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got.Data); diff != "" {
				t.Errorf("aws-auth (-want +got):\n%s", diff)
			}
		})
	}
}

func TestWebhookConfigurationIsAWS(t *testing.T) {
	s := newWorld(t).stepper()
	c := s.webhookConfiguration().Webhooks[0]
	if c.Name != "0500-amazon-eks-fargate-mutation.amazonaws.com" || *c.ClientConfig.URL != "https://127.0.0.1:23445/mutate" {
		t.Errorf("webhook %s at %s", c.Name, *c.ClientConfig.URL)
	}
}
