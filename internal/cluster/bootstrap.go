package cluster

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"strings"
	"text/template"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/dynamic"
)

//go:embed manifests
var manifests embed.FS

// plurals maps the kinds of the manifests to their resources.
var plurals = map[string]string{
	"ClusterRole": "clusterroles", "ClusterRoleBinding": "clusterrolebindings", "ConfigMap": "configmaps",
	"Deployment": "deployments", "EndpointSlice": "endpointslices", "Endpoints": "endpoints",
	"Service": "services", "ServiceAccount": "serviceaccounts",
}

// objects renders the objects that a new cluster holds.
func objects(s Spec) ([]*unstructured.Unstructured, error) {
	files := []string{"manifests/endpoints.yaml", "manifests/rbac.yaml"}
	if s.AddOns {
		files = append(files, "manifests/coredns.yaml")
	}
	templates, err := template.ParseFS(manifests, files...)
	if err != nil {
		return nil, fmt.Errorf("reading the manifests: %w", err)
	}
	var out []*unstructured.Unstructured
	for _, t := range files {
		var text bytes.Buffer
		if err := templates.ExecuteTemplate(&text, strings.TrimPrefix(t, "manifests/"), s); err != nil {
			return nil, fmt.Errorf("rendering %s: %w", t, err)
		}
		decoder := yaml.NewYAMLOrJSONDecoder(&text, 4096)
		for {
			var u unstructured.Unstructured
			if err := decoder.Decode(&u.Object); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return nil, fmt.Errorf("decoding %s: %w", t, err)
			}
			out = append(out, &u)
		}
	}
	return out, nil
}

// bootstrap creates the first objects of a cluster, once in its life: from then
// on they belong to the user, who may change and delete them. Only the endpoints
// of the API server are kept as they have to be.
func (c *controlPlane) bootstrap(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.bootstrapped {
		return nil
	}
	client, err := dynamic.NewForConfig(c.client("admin"))
	if err != nil {
		return fmt.Errorf("making a client: %w", err)
	}
	all, err := objects(c.spec)
	if err != nil {
		return err
	}
	for _, u := range all {
		if c.material.Bootstrapped && !kept(u) {
			continue
		}
		if err := install(ctx, client, u); err != nil {
			return fmt.Errorf("installing %s %s: %w", u.GetKind(), u.GetName(), err)
		}
	}
	c.material, err = c.manager.materials.Change(ctx, c.spec.ID, func(m *Material) error { m.Bootstrapped = true; return nil })
	c.bootstrapped = err == nil
	return err
}

// kept says whether an object is the control plane's own.
func kept(u *unstructured.Unstructured) bool {
	return u.GetKind() == "Endpoints" || u.GetKind() == "EndpointSlice"
}

func install(ctx context.Context, client dynamic.Interface, u *unstructured.Unstructured) error {
	gv, err := schema.ParseGroupVersion(u.GetAPIVersion())
	if err != nil {
		return err
	}
	plural, ok := plurals[u.GetKind()]
	if !ok {
		return fmt.Errorf("no resource is known for kind %s", u.GetKind())
	}
	var resource dynamic.ResourceInterface = client.Resource(gv.WithResource(plural))
	if ns := u.GetNamespace(); ns != "" {
		resource = client.Resource(gv.WithResource(plural)).Namespace(ns)
	}
	if kept(u) {
		_, err = resource.Apply(ctx, u.GetName(), u, metav1.ApplyOptions{FieldManager: "eks", Force: true})
		return err
	}
	_, err = resource.Create(ctx, u, metav1.CreateOptions{FieldManager: "eks"})
	if apierrors.IsAlreadyExists(err) {
		return nil
	}
	return err
}
