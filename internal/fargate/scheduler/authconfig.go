package scheduler

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/yaml"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/kubeauth"
)

// awsAuth is the ConfigMap of kube-system that maps IAM roles to users.
const awsAuth = "aws-auth"

// executionGroups are the groups of a pod execution role's sessions.
var executionGroups = []string{"system:bootstrappers", "system:nodes", "system:node-proxier"}

// ExecutionGroups are the groups of a pod execution role's sessions.
func ExecutionGroups() []string { return slices.Clone(executionGroups) }

// mapRole makes sure that aws-auth maps a profile's execution role, as EKS does
// when the profile is made.
func (k *Controller) mapRole(ctx context.Context, role arn.ARN) error {
	return retry.RetryOnConflict(retry.DefaultRetry, func() error {
		maps := k.Admin.CoreV1().ConfigMaps(metav1.NamespaceSystem)
		m, err := maps.Get(ctx, awsAuth, metav1.GetOptions{})
		absent := apierrors.IsNotFound(err)
		if err != nil && !absent {
			return fmt.Errorf("reading %s: %w", awsAuth, err)
		}
		if absent {
			m = &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: awsAuth, Namespace: metav1.NamespaceSystem}}
		}
		changed, err := addRole(m, role)
		if err != nil || !changed {
			return err
		}
		if absent {
			_, err = maps.Create(ctx, m, metav1.CreateOptions{})
		} else {
			_, err = maps.Update(ctx, m, metav1.UpdateOptions{})
		}
		return err
	})
}

// addRole adds a role to the ConfigMap's mapRoles unless it is there.
func addRole(m *corev1.ConfigMap, role arn.ARN) (changed bool, err error) {
	parsed, err := kubeauth.ParseConfigMap(map[string]string{"mapRoles": m.Data["mapRoles"]})
	if err != nil {
		return false, err
	}
	if parsed.HasRole(role, "system:nodes") {
		return false, nil
	}
	roles := append(parsed.Roles, kubeauth.Mapping{
		RoleARN: role.String(), Username: "system:node:{{SessionName}}", Groups: slices.Clone(executionGroups),
	})
	b, err := yaml.Marshal(roles)
	if err != nil {
		return false, err
	}
	if m.Data == nil {
		m.Data = map[string]string{}
	}
	m.Data["mapRoles"] = string(b)
	return true, nil
}

// roleMapped says whether aws-auth maps an execution role with all that a node
// needs.
func (k *Controller) roleMapped(role arn.ARN) bool {
	if !k.ConfigMapMode {
		return true
	}
	m, err := k.configs.ConfigMaps(metav1.NamespaceSystem).Get(awsAuth)
	if err != nil {
		return false
	}
	// What cannot be read maps nobody; what can be read counts.
	parsed, _ := kubeauth.ParseConfigMap(m.Data)
	for _, g := range executionGroups {
		if !parsed.HasRole(role, g) {
			return false
		}
	}
	return true
}
