package kube

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"berth.dev/berth/internal/cli"
)

const (
	systemNamespace = "kube-system"
	coreDNS         = "coredns"
	computeType     = "eks.amazonaws.com/compute-type"
	fargate         = "fargate"
)

// CoreDNSOnFargate makes CoreDNS run on Fargate and waits until it does: the
// Deployment's template is annotated, all replicas are ready, and every pod
// runs on a Fargate node.
func CoreDNSOnFargate(ctx context.Context, t *cli.Terminal, log *cli.Log, client kubernetes.Interface) error {
	lack, err := coreDNSLack(ctx, client)
	if err != nil {
		return err
	}
	if lack != "" {
		if err := annotateCoreDNS(ctx, client); err != nil {
			return err
		}
		log.Infof("%q is now schedulable onto Fargate", coreDNS)
		what := func() string { return fmt.Sprintf("%q to be scheduled on Fargate: %s", coreDNS, lack) }
		err := t.UntilSaying(ctx, log, what, func(ctx context.Context) (bool, error) {
			now, err := coreDNSLack(ctx, client)
			if err != nil {
				if permanent(err) {
					return false, err
				}
				now = "the API server does not answer"
			}
			if ctx.Err() == nil {
				lack = now
			}
			return lack == "", nil
		})
		if err != nil {
			return err
		}
	}
	log.Infof("%q is now scheduled onto Fargate", coreDNS)
	log.Infof("%q pods are now scheduled onto Fargate", coreDNS)
	return nil
}

// permanent says whether asking again cannot help; an API server that is being
// restarted answers with all other errors.
func permanent(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsForbidden(err)
}

func annotateCoreDNS(ctx context.Context, client kubernetes.Interface) error {
	patch, err := json.Marshal(map[string]any{"spec": map[string]any{"template": map[string]any{"metadata": map[string]any{
		"annotations": map[string]string{computeType: fargate},
	}}}})
	if err != nil {
		return fmt.Errorf("encoding the patch of deployment %q: %w", coreDNS, err)
	}
	if _, err := client.AppsV1().Deployments(systemNamespace).Patch(ctx, coreDNS, types.MergePatchType, patch, metav1.PatchOptions{}); err != nil {
		return fmt.Errorf("making deployment %q schedulable on Fargate: %w", coreDNS, err)
	}
	return nil
}

// coreDNSLack is what CoreDNS lacks to run on Fargate, empty if it does.
func coreDNSLack(ctx context.Context, client kubernetes.Interface) (string, error) {
	d, err := client.AppsV1().Deployments(systemNamespace).Get(ctx, coreDNS, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("reading deployment %q: %w", coreDNS, err)
	}
	if d.Spec.Replicas == nil {
		return "", fmt.Errorf("deployment %q has no spec.replicas", coreDNS)
	}
	if d.Spec.Template.Annotations[computeType] != fargate || d.Status.ObservedGeneration < d.Generation {
		return "its new template is not in use yet", nil
	}
	if *d.Spec.Replicas != d.Status.ReadyReplicas {
		return fmt.Sprintf("%d of %d replicas are ready", d.Status.ReadyReplicas, *d.Spec.Replicas), nil
	}
	pods, err := client.CoreV1().Pods(systemNamespace).List(ctx, metav1.ListOptions{LabelSelector: "eks.amazonaws.com/component=" + coreDNS})
	if err != nil {
		return "", fmt.Errorf("listing the pods of deployment %q: %w", coreDNS, err)
	}
	for _, p := range pods.Items {
		if p.Annotations[computeType] != fargate || p.Status.Phase != corev1.PodRunning || !strings.HasPrefix(p.Spec.NodeName, "fargate-") {
			return fmt.Sprintf("pod %s is %s on %q", p.Name, p.Status.Phase, p.Spec.NodeName), nil
		}
	}
	return "", nil
}
