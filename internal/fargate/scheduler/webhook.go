package scheduler

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth/internal/fargate/admission"
	"berth.dev/berth/internal/fargate/profile"
)

// webhookName is the name of the mutating webhook and of its configuration.
const webhookName = "0500-amazon-eks-fargate-mutation.amazonaws.com"

// webhookURL is where EKS serves it, on the control plane's own host.
const webhookURL = "https://127.0.0.1:23445/mutate"

// probePrefix begins the names of the pods that are created, without being
// kept, to see whether the API server asks the webhook.
const probePrefix = "eks-fargate-probe-"

func ptr[T any](v T) *T { return &v }

// webhookConfiguration is what makes the API server ask.
func (k *Controller) webhookConfiguration() *admissionregistrationv1.MutatingWebhookConfiguration {
	return &admissionregistrationv1.MutatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: webhookName},
		Webhooks: []admissionregistrationv1.MutatingWebhook{{
			Name:         webhookName,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: ptr(webhookURL), CABundle: k.CA.Cert},
			Rules: []admissionregistrationv1.RuleWithOperations{{
				Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create},
				Rule: admissionregistrationv1.Rule{
					APIGroups: []string{"*"}, APIVersions: []string{"*"}, Resources: []string{"pods"},
					Scope: ptr(admissionregistrationv1.AllScopes),
				},
			}},
			FailurePolicy: ptr(admissionregistrationv1.Ignore), MatchPolicy: ptr(admissionregistrationv1.Equivalent),
			NamespaceSelector: &metav1.LabelSelector{}, ObjectSelector: &metav1.LabelSelector{},
			SideEffects: ptr(admissionregistrationv1.SideEffectClassNone), TimeoutSeconds: ptr(int32(5)),
			AdmissionReviewVersions: []string{"v1beta1"}, ReinvocationPolicy: ptr(admissionregistrationv1.NeverReinvocationPolicy),
		}},
	}
}

// ensureWebhook makes sure that the API server is configured to ask.
func (k *Controller) ensureWebhook(ctx context.Context) error {
	configurations := k.Admin.AdmissionregistrationV1().MutatingWebhookConfigurations()
	_, err := configurations.Get(ctx, webhookName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = configurations.Create(ctx, k.webhookConfiguration(), metav1.CreateOptions{})
	}
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("configuring webhook %s: %w", webhookName, err)
	}
	return nil
}

// Served takes the next steps towards a profile being in effect and says whether
// it is: its role is mapped, and the API server has been seen to ask the webhook
// of this process, which knows the profile.
func (k *Controller) Served(ctx context.Context, p Profile) (bool, error) {
	if err := k.Reload(ctx); err != nil {
		return false, err
	}
	if known, ok := k.profile(p.Name); !ok || known.ID != p.ID {
		return false, nil
	}
	if k.ConfigMapMode {
		if err := k.mapRole(ctx, p.Role); err != nil {
			return false, fmt.Errorf("mapping role %s: %w", p.Role, err)
		}
	}
	if err := k.ensureWebhook(ctx); err != nil {
		return false, err
	}
	return k.asked(ctx, p)
}

// asked creates a pod without keeping it, and says whether the webhook was
// asked about it.
func (k *Controller) asked(ctx context.Context, p Profile) (bool, error) {
	name := probePrefix + p.ID
	probe := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: metav1.NamespaceDefault},
		Spec: corev1.PodSpec{
			AutomountServiceAccountToken: ptr(false),
			Containers:                   []corev1.Container{{Name: "probe", Image: "probe"}},
		},
	}
	_, err := k.Admin.CoreV1().Pods(metav1.NamespaceDefault).Create(ctx, probe, metav1.CreateOptions{DryRun: []string{metav1.DryRunAll}})
	if err != nil {
		return false, fmt.Errorf("probing the webhook: %w", err)
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	seen := k.probes[name]
	delete(k.probes, name)
	return seen, nil
}

// ErrNotFollowing says that the controller does not know the cluster's pods yet.
var ErrNotFollowing = errors.New("the pods of the cluster are not known yet")

// Evict takes the next step towards no pod running on a profile's nodes and says
// how many are left. Pods without a node stay, Pending. It is ErrNotFollowing
// until Run has listed the pods.
func (k *Controller) Evict(ctx context.Context, name string) (left int, err error) {
	if !k.following.Load() {
		return 0, fmt.Errorf("evicting the pods of Fargate profile %s: %w", name, ErrNotFollowing)
	}
	if err := k.Reload(ctx); err != nil {
		return 0, err
	}
	records, err := k.Records(ctx)
	if err != nil {
		return 0, err
	}
	for _, r := range records {
		if r.Profile != name {
			continue
		}
		left++
		p, err := k.pod(r.PodUID)
		if err != nil {
			return left, err
		}
		if p == nil || p.DeletionTimestamp != nil || p.Spec.NodeName == "" {
			k.queue.Add(r.PodUID)
			continue
		}
		err = k.Client.CoreV1().Pods(p.Namespace).Delete(ctx, p.Name, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(r.PodUID)})
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
			return left, fmt.Errorf("deleting pod %s: %w", podKey(p), err)
		}
	}
	return left, nil
}

// maxReview is the size of an admission review, in bytes.
const maxReview = 8 << 20

// ServeHTTP answers POST /mutate. It answers only once the profiles have been
// read, since a pod that is let through unmatched is never looked at again.
func (k *Controller) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, ok := readReview(w, r)
	if !ok {
		return
	}
	select {
	case <-k.loaded:
	case <-r.Context().Done():
		http.Error(w, "the Fargate profiles are not read yet", http.StatusServiceUnavailable)
		return
	}
	answer, podName, err := k.review(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	if strings.HasPrefix(podName, probePrefix) {
		k.mu.Lock()
		k.probes[podName] = true
		k.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(answer)
}

func readReview(w http.ResponseWriter, r *http.Request) (body []byte, ok bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxReview))
	if err != nil {
		http.Error(w, "reading the admission review: "+err.Error(), http.StatusBadRequest)
	}
	return body, err == nil
}

// Admit answers POST /mutate for a cluster whose Controller does not run yet:
// after a restart the API server may answer before, and a pod that it creates
// without an answer would never land on Fargate.
func Admit(profiles func(context.Context) ([]Profile, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := readReview(w, r)
		if !ok {
			return
		}
		all, err := profiles(r.Context())
		if err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		answer, _, err := admission.Review(body, matching(all))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write(answer)
	})
}

func matching(all []Profile) []profile.Profile {
	out := make([]profile.Profile, len(all))
	for i, p := range all {
		out[i] = p.Profile
	}
	return out
}
