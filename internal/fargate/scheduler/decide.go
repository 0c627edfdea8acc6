package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/fargate/admission"
	"berth.dev/berth/internal/fargate/profile"
	"berth.dev/berth/internal/fargate/sizing"
	"berth.dev/berth/internal/fargate/validation"
)

// unmappedRole is AWS's text for a profile whose execution role no longer lets
// nodes in.
const unmappedRole = "Misconfigured Fargate Profile: fargate profile %s blocked for new launches due to: Pod execution role is not found in auth config or does not have all required permissions for launching fargate pods."

// claimRetry is how long a pod waits before its claims are looked at again.
const claimRetry = 15 * time.Second

// decision is what becomes of a Pending pod.
type decision struct {
	profile     Profile
	size        dataplane.Size
	provisioned string
	// refusal is why the pod is not placed; nil when it is.
	refusal *refusal
}

// decide puts the pod before the pure packages. It acts on nothing.
func (k *Controller) decide(_ context.Context, p *corev1.Pod) decision {
	name := p.Labels[profileLabel]
	chosen, ok := k.profile(name)
	if !ok || !profile.Match([]profile.Profile{chosen.Profile}, profile.Pod{Namespace: p.Namespace, Labels: p.Labels}).Matched() {
		// A pod may carry the label and the scheduler's name without admission.
		return decision{refusal: &refusal{message: "Pod not supported on Fargate: no Fargate profile of the cluster matches it"}}
	}
	broken := validation.Check(p, validation.Options{Claim: k.claim})
	if message := validation.SchedulerMessage(broken); message != "" {
		r := refusal{reason: sizing.ReasonUnsupported, message: message}
		for _, v := range broken {
			if v.Rule == validation.Volumes {
				r.again = claimRetry
			}
		}
		return decision{refusal: &r}
	}
	size, err := sizing.Of(&p.Spec)
	var exceeds *sizing.ExceedsError
	if errors.As(err, &exceeds) {
		return decision{refusal: &refusal{reason: exceeds.Reason, message: exceeds.Message}}
	}
	if err != nil {
		return decision{refusal: &refusal{message: err.Error()}}
	}
	if !k.roleMapped(chosen.Role) {
		return decision{refusal: &refusal{message: fmt.Sprintf(unmappedRole, chosen.Name)}}
	}
	return decision{
		profile: chosen, provisioned: size.String(),
		size: dataplane.Size{MilliCPU: size.MilliCPU, MemoryBytes: size.Memory, EphemeralBytes: size.Storage},
	}
}

// claim looks up a persistent volume claim and its volume.
func (k *Controller) claim(namespace, name string) (validation.Claim, error) {
	c, err := k.claims.PersistentVolumeClaims(namespace).Get(name)
	if err != nil {
		return validation.Claim{}, err
	}
	if c.Status.Phase != corev1.ClaimBound {
		return validation.Claim{}, nil
	}
	out := validation.Claim{Bound: true, Volume: c.Spec.VolumeName}
	v, err := k.volumes.Get(c.Spec.VolumeName)
	if err != nil {
		return out, err
	}
	if v.Spec.CSI != nil {
		out.Driver = v.Spec.CSI.Driver
	}
	return out, nil
}

// review answers an admission review and names the pod that it is about.
func (k *Controller) review(body []byte) (answer []byte, podName string, err error) {
	answer, d, err := admission.Review(body, matching(*k.profiles.Load()))
	if err != nil {
		return nil, "", err
	}
	var asked struct {
		Request struct{ Name, Namespace string }
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		return nil, "", err
	}
	k.Log.Debug("pod admitted", "namespace", asked.Request.Namespace, "pod", asked.Request.Name, "profile", d.Profile, "skipped", d.Skipped)
	return answer, asked.Request.Name, nil
}
