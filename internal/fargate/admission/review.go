package admission

import (
	"encoding/json"
	"fmt"

	admissionv1 "k8s.io/api/admission/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth/internal/fargate/profile"
)

func isDaemonSet(o metav1.OwnerReference) bool { return o.Kind == "DaemonSet" }

// Review answers an AdmissionReview of version v1 or v1beta1, whose shapes are
// the same, in the version that asked. It always allows; what it cannot read
// is an error, which the webhook's failure policy decides about. The Decision
// is for logs.
func Review(request []byte, profiles []profile.Profile) (response []byte, d Decision, err error) {
	var review admissionv1.AdmissionReview
	if err := json.Unmarshal(request, &review); err != nil {
		return nil, Decision{}, fmt.Errorf("decoding an admission review: %w", err)
	}
	switch review.APIVersion {
	case "admission.k8s.io/v1", "admission.k8s.io/v1beta1":
	default:
		return nil, Decision{}, fmt.Errorf("decoding an admission review: unknown version %q", review.APIVersion)
	}
	ask := review.Request
	if ask == nil || ask.UID == "" {
		return nil, Decision{}, fmt.Errorf("decoding an admission review: no request")
	}
	answer := &admissionv1.AdmissionResponse{UID: ask.UID, Allowed: true}
	if isPodCreation(ask) {
		if d, err = mutate(ask, profiles, answer); err != nil {
			return nil, Decision{}, err
		}
	}
	response, err = json.Marshal(admissionv1.AdmissionReview{
		TypeMeta: metav1.TypeMeta{APIVersion: review.APIVersion, Kind: "AdmissionReview"}, Response: answer,
	})
	if err != nil {
		return nil, Decision{}, fmt.Errorf("encoding the answer to admission review %s: %w", ask.UID, err)
	}
	return response, d, nil
}

func isPodCreation(ask *admissionv1.AdmissionRequest) bool {
	return ask.Operation == admissionv1.Create && ask.SubResource == "" &&
		ask.Resource.Group == "" && ask.Resource.Resource == "pods"
}

func mutate(ask *admissionv1.AdmissionRequest, profiles []profile.Profile, answer *admissionv1.AdmissionResponse) (Decision, error) {
	var pod corev1.Pod
	if err := json.Unmarshal(ask.Object.Raw, &pod); err != nil {
		return Decision{}, fmt.Errorf("decoding the pod of admission review %s: %w", ask.UID, err)
	}
	d := Mutate(&pod, ask.Namespace, profiles)
	if len(d.Patch) == 0 {
		return d, nil
	}
	patch, err := json.Marshal(d.Patch)
	if err != nil {
		return Decision{}, fmt.Errorf("encoding the patch of admission review %s: %w", ask.UID, err)
	}
	kind := admissionv1.PatchTypeJSONPatch
	answer.Patch, answer.PatchType = patch, &kind
	return d, nil
}
