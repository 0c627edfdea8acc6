package main

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	admissionv1 "k8s.io/api/admission/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"berth.dev/berth/internal/fargate/admission"
	"berth.dev/berth/internal/fargate/profile"
)

// measureMicro measures the pure packages on the path of every new pod.
func measureMicro(_ context.Context, b *bench) error {
	testing.Init()
	profiles := tenProfiles()
	labels := map[string]string{"app": "web1", "tier": "front2"}
	pod := profile.Pod{Namespace: "team-9-prod", Labels: labels}
	match := operation(func() bool { return profile.Match(profiles, pod).Matched() })
	compare := operation(func() bool { return exact(profiles, pod) })
	b.print(figure{Name: "micro.match", Value: match, Unit: "µs", N: 1, Note: "10 profiles with wildcards, the last one matches"}.
		above(compare, "the same comparisons without wildcards"))

	body, err := review(b, labels)
	if err != nil {
		return err
	}
	decide := operation(func() bool {
		_, d, err := admission.Review(body, profiles)
		return err == nil && d.Profile != ""
	})
	allow := operation(func() bool { return allowAll(body) == nil })
	b.print(figure{Name: "micro.review", Value: decide, Unit: "µs", N: 1, Note: "admission review of a pod, 10 profiles"}.
		above(allow, "a webhook that allows everything"))
	return nil
}

// operation is how long one call of f takes, in microseconds. f says whether
// it did what it should.
func operation(f func() bool) float64 {
	result := testing.Benchmark(func(tb *testing.B) {
		for tb.Loop() {
			if !f() {
				tb.Fatal("not what is to be measured")
			}
		}
	})
	return float64(result.T) / float64(max(result.N, 1)) / float64(time.Microsecond)
}

func tenProfiles() []profile.Profile {
	var all []profile.Profile
	for i := range 10 {
		all = append(all, profile.Profile{Name: fmt.Sprint("fp-", i), Selectors: []profile.Selector{{
			Namespace: fmt.Sprintf("team-%d-*", i), Labels: map[string]string{"app": "web*", "tier": "front?"},
		}}})
	}
	return all
}

// exact compares as many texts as a match does; the last profile ends it.
func exact(profiles []profile.Profile, pod profile.Pod) bool {
	for i, p := range profiles {
		for _, s := range p.Selectors {
			if s.Namespace == pod.Namespace {
				return true
			}
			for key := range s.Labels {
				if pod.Labels[key] == "" {
					break
				}
			}
		}
		if i == len(profiles)-1 {
			return true
		}
	}
	return false
}

func review(b *bench, labels map[string]string) ([]byte, error) {
	pod := b.spec("web")
	pod.Labels = labels
	raw, err := json.Marshal(pod)
	if err != nil {
		return nil, err
	}
	return json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: "admission.k8s.io/v1", Kind: "AdmissionReview"},
		Request: &admissionv1.AdmissionRequest{
			UID: "1", Namespace: "team-9-prod", Name: "web", Operation: admissionv1.Create,
			Kind: metav1.GroupVersionKind{Version: "v1", Kind: "Pod"}, Resource: metav1.GroupVersionResource{Version: "v1", Resource: "pods"},
			Object: runtime.RawExtension{Raw: raw},
		},
	})
}

// allowAll is the least that a webhook does.
func allowAll(body []byte) error {
	var in admissionv1.AdmissionReview
	if err := json.Unmarshal(body, &in); err != nil {
		return err
	}
	in.Response, in.Request = &admissionv1.AdmissionResponse{UID: in.Request.UID, Allowed: true}, nil
	_, err := json.Marshal(in)
	return err
}
