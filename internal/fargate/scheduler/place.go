package scheduler

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"berth.dev/berth/internal/store"
)

// ErrNoAddress says that a subnet has no free address.
var ErrNoAddress = errors.New("the subnet has no free address")

const (
	// provisioningTimeout is how long a node may take to become Ready.
	provisioningTimeout = 5 * time.Minute
	// capacityRetry is how long a pod waits for addresses before the next try.
	capacityRetry = 15 * time.Second
)

// reconcile takes the next step for the pod of a UID.
func (k *Controller) reconcile(ctx context.Context, uid string) (time.Duration, error) {
	p, err := k.pod(uid)
	if err != nil {
		return 0, err
	}
	r, err := k.records.Get(ctx, uid)
	has := err == nil
	if err != nil && !errors.Is(err, store.ErrNotFound) {
		return 0, err
	}
	switch {
	case p == nil && has:
		return 0, k.release(ctx, r)
	case p == nil || p.Spec.SchedulerName != Name:
		return 0, nil
	case p.Spec.NodeName != "" && has:
		// A bound pod's node runs, also after this host's parts were restarted.
		return 0, k.launch(ctx, r)
	case p.Spec.NodeName != "" || p.DeletionTimestamp != nil:
		return 0, nil
	}
	return k.place(ctx, p, r, has)
}

// place takes the next step towards a Pending pod having its node.
func (k *Controller) place(ctx context.Context, p *corev1.Pod, r Record, has bool) (time.Duration, error) {
	d := k.decide(ctx, p)
	if d.refusal != nil {
		if has {
			if err := k.release(ctx, r); err != nil {
				return 0, err
			}
		}
		return d.refusal.again, k.refuse(ctx, p, *d.refusal)
	}
	if !has {
		r = Record{
			PodUID: string(p.UID), Namespace: p.Namespace, Name: p.Name, Profile: d.profile.Name,
			Size: d.size, Provisioned: d.provisioned, Subnet: pick(d.profile.Subnets, p.UID, nil),
			Timeline: Timeline{Created: p.CreationTimestamp.Time, Accepted: k.Clock.Now()},
		}
		if err := k.records.Create(ctx, r.PodUID, r); err != nil {
			return 0, err
		}
	}
	r, again, err := k.allocate(ctx, p, r, d.profile)
	if err != nil || again > 0 {
		return again, err
	}
	if err := k.annotate(ctx, p, d); err != nil {
		return 0, err
	}
	// While another pod's node has the name, the pod waits as for a node that
	// does not become Ready.
	if k.owns(r.NodeName, r.PodUID) {
		if err := k.launch(ctx, r); err != nil {
			return 0, err
		}
	}
	return k.bind(ctx, p, r)
}

// pick chooses a subnet for a pod: the pods of a profile are spread over its
// subnets by their UIDs, and those in tried are left out.
func pick(subnets []string, uid types.UID, tried []string) string {
	var left []string
	for _, s := range subnets {
		if !slices.Contains(tried, s) {
			left = append(left, s)
		}
	}
	if len(left) == 0 {
		return ""
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(uid))
	return left[int(h.Sum32())%len(left)]
}

// allocate gives the record its interface, trying the profile's subnets in turn.
func (k *Controller) allocate(ctx context.Context, p *corev1.Pod, r Record, profile Profile) (Record, time.Duration, error) {
	for r.Interface.ID == "" {
		i, err := k.Interfaces.Allocate(ctx, InterfaceRequest{
			Subnet: r.Subnet, Token: r.PodUID + "-" + r.Subnet, Description: "AWS Fargate pod " + podKey(p),
		})
		full := errors.Is(err, ErrNoAddress)
		if err != nil && !full {
			return r, 0, fmt.Errorf("allocating an interface in %s: %w", r.Subnet, err)
		}
		next := pick(profile.Subnets, p.UID, append(slices.Clone(r.Tried), r.Subnet))
		r, err = k.records.Change(ctx, r.PodUID, func(r *Record) error {
			switch {
			case full && next == "":
				r.Tried, r.Subnet = nil, pick(profile.Subnets, p.UID, nil)
			case full:
				r.Tried, r.Subnet = append(r.Tried, r.Subnet), next
			default:
				r.Interface, r.NodeName = i, nodeName(i)
				r.Timeline.Allocated = k.Clock.Now()
			}
			return nil
		})
		if err != nil {
			return r, 0, err
		}
		if full && next == "" {
			return r, capacityRetry, k.refuse(ctx, p, refusal{message: "Fargate capacity is unavailable at this time. Please try again later or in a different availability zone."})
		}
	}
	return r, 0, nil
}

// annotate writes what was provisioned on the pod, and says whether its log is
// routed.
func (k *Controller) annotate(ctx context.Context, p *corev1.Pod, d decision) error {
	if p.Annotations[capacityAnnotation] == d.provisioned && p.Annotations[loggingAnnotation] != "" {
		return nil
	}
	logging := k.logging(p)
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{
		"uid":         p.UID,
		"annotations": map[string]string{capacityAnnotation: d.provisioned, loggingAnnotation: logging},
	}})
	if err != nil {
		return err
	}
	_, err = k.Client.CoreV1().Pods(p.Namespace).Patch(ctx, p.Name, types.MergePatchType, patch, metav1.PatchOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("annotating pod %s: %w", podKey(p), err)
	}
	return nil
}

// bind puts the pod on its node once the node is Ready.
func (k *Controller) bind(ctx context.Context, p *corev1.Pod, r Record) (time.Duration, error) {
	now := k.Clock.Now()
	since, ok := k.ready(r)
	if !ok {
		waited := now.Sub(r.Timeline.Allocated)
		if waited < provisioningTimeout {
			return provisioningTimeout - waited, nil
		}
		if err := k.release(ctx, r); err != nil {
			return 0, err
		}
		return capacityRetry, k.refuse(ctx, p, refusal{message: "Pod provisioning timed out (will retry) for pod: " + podKey(p)})
	}
	err := k.Client.CoreV1().Pods(p.Namespace).Bind(ctx, &corev1.Binding{
		ObjectMeta: metav1.ObjectMeta{Name: p.Name, Namespace: p.Namespace, UID: p.UID},
		Target:     corev1.ObjectReference{Kind: "Node", Name: r.NodeName},
	}, metav1.CreateOptions{})
	if apierrors.IsNotFound(err) || apierrors.IsConflict(err) {
		// The pod is gone or bound already; the watch tells which.
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("binding pod %s: %w", podKey(p), err)
	}
	k.recorder.Eventf(p, corev1.EventTypeNormal, "Scheduled", "Successfully assigned %s to %s", podKey(p), r.NodeName)
	_, err = k.records.Change(ctx, r.PodUID, func(r *Record) error {
		r.Timeline.NodeReady, r.Timeline.Bound = since, now
		return nil
	})
	return 0, err
}
