package admission

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"berth.dev/berth/internal/fargate/profile"
)

var profiles = []profile.Profile{
	{Name: "fp-default", Selectors: []profile.Selector{{Namespace: "default"}}},
	{Name: "fp-dev", Selectors: []profile.Selector{{Namespace: "dev", Labels: map[string]string{"env": "dev"}}}},
}

// converted is the pod after its patch.
func converted(t testing.TB, pod *corev1.Pod, ops []Operation) *corev1.Pod {
	t.Helper()
	if len(ops) == 0 {
		return pod
	}
	text, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	p, err := jsonpatch.DecodePatch(text)
	if err != nil {
		t.Fatal(err)
	}
	before, err := json.Marshal(pod)
	if err != nil {
		t.Fatal(err)
	}
	after, err := p.Apply(before)
	if err != nil {
		t.Fatalf("applying %s: %v", text, err)
	}
	var out corev1.Pod
	if err := json.Unmarshal(after, &out); err != nil {
		t.Fatal(err)
	}
	return &out
}

func TestMutate(t *testing.T) {
	tests := []struct {
		name      string
		namespace string
		pod       corev1.Pod
		profile   string
		skipped   Cause
	}{
		{name: "plain", namespace: "default", profile: "fp-default"},
		{name: "with labels", namespace: "dev", pod: corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"env": "dev"}}}, profile: "fp-dev"},
		{name: "no profile", namespace: "dev", skipped: NoProfile},
		{name: "named profile", namespace: "default", pod: corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{profile.Label: "fp-default"}}}, profile: "fp-default"},
		{name: "named profile that does not match", namespace: "default", pod: corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{profile.Label: "fp-dev"}}}, skipped: NoProfile},
		{name: "annotated for EC2", namespace: "default", pod: corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{ComputeType: "ec2"}}}, skipped: WantsEC2},
		{name: "annotated for Fargate", namespace: "default", pod: corev1.Pod{ObjectMeta: metav1.ObjectMeta{Annotations: map[string]string{ComputeType: "fargate"}}}, profile: "fp-default"},
		{name: "default scheduler", namespace: "default", pod: corev1.Pod{Spec: corev1.PodSpec{SchedulerName: "default-scheduler"}}, profile: "fp-default"},
		{name: "Fargate's scheduler", namespace: "default", pod: corev1.Pod{Spec: corev1.PodSpec{SchedulerName: SchedulerName}}, profile: "fp-default"},
		{name: "other scheduler", namespace: "default", pod: corev1.Pod{Spec: corev1.PodSpec{SchedulerName: "volcano"}}, skipped: OtherScheduler},
		{name: "node name", namespace: "default", pod: corev1.Pod{Spec: corev1.PodSpec{NodeName: "n"}}, skipped: NamesNode},
		{name: "node selector", namespace: "default", pod: corev1.Pod{Spec: corev1.PodSpec{NodeSelector: map[string]string{"a": "b"}}}, skipped: NamesNode},
		{name: "daemon set", namespace: "default", pod: corev1.Pod{ObjectMeta: metav1.ObjectMeta{OwnerReferences: []metav1.OwnerReference{{Kind: "DaemonSet"}}}}, skipped: OwnedByDaemonSet},
		{name: "own priority", namespace: "default", pod: corev1.Pod{Spec: corev1.PodSpec{
			PriorityClassName: "low", Priority: ptr.To(int32(7)), PreemptionPolicy: ptr.To(corev1.PreemptNever),
		}}, profile: "fp-default"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d := Mutate(&tt.pod, tt.namespace, profiles)
			if d.Profile != tt.profile || d.Skipped != tt.skipped {
				t.Fatalf("profile %q, skipped %q, want %q, %q", d.Profile, d.Skipped, tt.profile, tt.skipped)
			}
			got := converted(t, &tt.pod, d.Patch)
			want := tt.pod.DeepCopy()
			if tt.profile != "" {
				metav1.SetMetaDataLabel(&want.ObjectMeta, profile.Label, tt.profile)
				want.Spec.SchedulerName = "fargate-scheduler"
				want.Spec.PriorityClassName = "system-node-critical"
				want.Spec.Priority = ptr.To(int32(2000001000))
				if want.Spec.PreemptionPolicy != nil {
					want.Spec.PreemptionPolicy = ptr.To(corev1.PreemptLowerPriority)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("pod (-want +got)\n%s", diff)
			}
			if again := Mutate(got, tt.namespace, profiles); tt.profile != "" && len(again.Patch) != 0 {
				t.Errorf("a second admission patches again: %v", again.Patch)
			}
		})
	}
}

// review makes a request; edit may change it.
func review(t testing.TB, version string, edit func(*admissionv1.AdmissionRequest)) []byte {
	t.Helper()
	pod, err := json.Marshal(corev1.Pod{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Pod"},
		ObjectMeta: metav1.ObjectMeta{GenerateName: "web-", Labels: map[string]string{"app": "web", "env": "dev"}},
		Spec:       corev1.PodSpec{SchedulerName: "default-scheduler", Priority: ptr.To(int32(0)), Containers: []corev1.Container{{Name: "web", Image: "web"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	r := admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/" + version, Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "u-1", Operation: admissionv1.Create, Namespace: "dev",
			Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
		},
	}
	r.Request.Object.Raw = pod
	if edit != nil {
		edit(r.Request)
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestReview(t *testing.T) {
	const patched = `[{"op":"add","path":"/metadata/labels/eks.amazonaws.com~1fargate-profile","value":"fp-dev"},` +
		`{"op":"add","path":"/spec/schedulerName","value":"fargate-scheduler"},` +
		`{"op":"add","path":"/spec/priorityClassName","value":"system-node-critical"},` +
		`{"op":"add","path":"/spec/priority","value":2000001000}]`
	tests := []struct {
		name, version string
		edit          func(*admissionv1.AdmissionRequest)
		patch         string
	}{
		{"v1", "v1", nil, patched},
		{"v1beta1", "v1beta1", nil, patched},
		{"update", "v1", func(r *admissionv1.AdmissionRequest) { r.Operation = admissionv1.Update }, ""},
		{"subresource", "v1", func(r *admissionv1.AdmissionRequest) { r.SubResource = "eviction" }, ""},
		{"not a pod", "v1", func(r *admissionv1.AdmissionRequest) { r.Resource.Resource = "services" }, ""},
		{"pods of another group", "v1", func(r *admissionv1.AdmissionRequest) { r.Resource.Group = "metrics.k8s.io" }, ""},
		{"no profile", "v1", func(r *admissionv1.AdmissionRequest) { r.Namespace = "prod" }, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, _, err := Review(review(t, tt.version, tt.edit), profiles)
			if err != nil {
				t.Fatal(err)
			}
			var got admissionv1.AdmissionReview
			if err := json.Unmarshal(out, &got); err != nil {
				t.Fatal(err)
			}
			if got.APIVersion != "admission.k8s.io/"+tt.version || got.Kind != "AdmissionReview" || got.Response.UID != "u-1" || !got.Response.Allowed {
				t.Errorf("answer %s", out)
			}
			if string(got.Response.Patch) != tt.patch {
				t.Errorf("patch\n%s\nwant\n%s", got.Response.Patch, tt.patch)
			}
			if (got.Response.PatchType != nil) != (tt.patch != "") {
				t.Errorf("patch type %v beside patch %q", got.Response.PatchType, tt.patch)
			}
		})
	}
}

func TestReviewRefusesNonsense(t *testing.T) {
	for name, in := range map[string]string{
		"not JSON":        "x",
		"no version":      "{}",
		"unknown version": `{"apiVersion":"admission.k8s.io/v2"}`,
		"no request":      `{"apiVersion":"admission.k8s.io/v1"}`,
		"no pod":          `{"apiVersion":"admission.k8s.io/v1","request":{"uid":"u","operation":"CREATE","resource":{"resource":"pods"}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			if out, _, err := Review([]byte(in), profiles); err == nil {
				t.Errorf("answered %s, want an error", out)
			}
		})
	}
}

func FuzzReview(f *testing.F) {
	f.Add(review(f, "v1", nil))
	f.Add(review(f, "v1beta1", nil))
	f.Add([]byte(`{"apiVersion":"admission.k8s.io/v1","request":{"uid":"u"}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		out, _, err := Review(in, profiles)
		if err != nil {
			return
		}
		var got admissionv1.AdmissionReview
		if err := json.Unmarshal(out, &got); err != nil || got.Response == nil || !got.Response.Allowed {
			t.Errorf("answer %s, %v", out, err)
		}
	})
}

func BenchmarkReview(b *testing.B) {
	var many []profile.Profile
	for i := range 9 {
		many = append(many, profile.Profile{Name: fmt.Sprint("a-", i), Selectors: []profile.Selector{{Namespace: strings.Repeat("x", i+1) + "*"}}})
	}
	many = append(many, profiles...)
	in := review(b, "v1beta1", nil)
	b.ReportAllocs()
	for b.Loop() {
		if _, d, err := Review(in, many); err != nil || d.Profile == "" {
			b.Fatal(d, err)
		}
	}
}

func BenchmarkMutate(b *testing.B) {
	pod := &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Labels: map[string]string{"env": "dev"}}}
	b.ReportAllocs()
	for b.Loop() {
		if d := Mutate(pod, "dev", profiles); d.Profile == "" {
			b.Fatal(d)
		}
	}
}
