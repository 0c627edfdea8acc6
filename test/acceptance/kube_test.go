package acceptance

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"berth.dev/berth/internal/kubeauth"
)

// token makes a token for a cluster as `aws eks get-token` does.
func token(t testing.TB, key aws.Credentials, cluster string, at time.Time) string {
	t.Helper()
	r, err := http.NewRequest(http.MethodGet, "https://sts."+region+".amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("X-K8s-Aws-Id", cluster)
	u, _, err := v4.NewSigner().PresignHTTP(context.Background(), key, r, sum(""), "sts", region, at)
	if err != nil {
		t.Fatal(err)
	}
	return kubeauth.Token(u)
}

// signer puts a fresh token on every request.
type signer struct {
	t       testing.TB
	cluster string
	next    http.RoundTripper
}

func (s signer) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token(s.t, root, s.cluster, time.Now()))
	return s.next.RoundTrip(r)
}

// kube is a client of a cluster.
type kube struct {
	kubernetes.Interface
	*berth
	name   string
	config *rest.Config
}

// kube makes a client with the root key's tokens.
func (b *berth) kube(t *testing.T, c *types.Cluster) *kube {
	t.Helper()
	config := restConfig(t, c)
	config.WrapTransport = func(next http.RoundTripper) http.RoundTripper { return signer{t, *c.Name, next} }
	return &kube{Interface: client(t, config), berth: b, name: *c.Name, config: config}
}

// restConfig reaches a cluster as nobody.
func restConfig(t *testing.T, c *types.Cluster) *rest.Config {
	t.Helper()
	ca, err := base64.StdEncoding.DecodeString(aws.ToString(c.CertificateAuthority.Data))
	if err != nil {
		t.Fatal(err)
	}
	return &rest.Config{Host: *c.Endpoint, TLSClientConfig: rest.TLSClientConfig{CAData: ca}, QPS: 100, Burst: 200, Timeout: 30 * time.Second}
}

func client(t *testing.T, c *rest.Config) *kubernetes.Clientset {
	t.Helper()
	k, err := kubernetes.NewForConfig(c)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// kubectl runs kubectl with a fresh token and returns what it printed.
func (k *kube) kubectl(ctx context.Context, t testing.TB, args ...string) (string, error) {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := k.kubectlCommand(ctx, t, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(errs.String()))
	}
	return out.String(), nil
}

func (k *kube) kubectlCommand(ctx context.Context, t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	ca := filepath.Join(k.base, k.name+".crt")
	if err := os.WriteFile(ca, k.config.CAData, 0o600); err != nil {
		t.Fatal(err)
	}
	args = append([]string{"kubectl", "--server", k.config.Host, "--certificate-authority", ca, "--token", token(t, root, k.name, time.Now())}, args...)
	cmd := exec.CommandContext(ctx, filepath.Join(k.Bin, "berth-kube"), args...)
	cmd.Env = append(os.Environ(), "KUBECONFIG=/dev/null", "HOME="+k.base)
	return cmd
}

// exec runs a command in a pod and returns what it printed; it must succeed.
func (k *kube) exec(t testing.TB, namespace, pod string, command ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	out, err := k.kubectl(ctx, t, append([]string{"exec", "-n", namespace, pod, "--"}, command...)...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// log is what a container of a pod has printed.
func (k *kube) log(ctx context.Context, namespace, pod string, o corev1.PodLogOptions) (string, error) {
	s, err := k.CoreV1().Pods(namespace).GetLogs(pod, &o).Stream(ctx)
	if err != nil {
		return "", err
	}
	defer s.Close()
	b, err := io.ReadAll(s)
	return string(b), err
}

// namespace makes a namespace and waits for its service account, without which
// no pod is admitted.
func (k *kube) namespace(t *testing.T, name string) {
	t.Helper()
	_, err := k.CoreV1().Namespaces().Create(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	k.account(t, name)
}

func (k *kube) account(t *testing.T, namespace string) {
	t.Helper()
	eventually(t, 20*time.Second, "namespace "+namespace+" has its service account", func(ctx context.Context) error {
		_, err := k.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
		return err
	})
}

const helloImage = "berth/hello:1.0"

// hello is a pod of the web server, in namespace default.
func hello(name string, edits ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: "default", Labels: map[string]string{"app": name}},
		Spec: corev1.PodSpec{Containers: []corev1.Container{{
			Name: "hello", Image: helloImage, Ports: []corev1.ContainerPort{{ContainerPort: 8080}},
			Env: []corev1.EnvVar{
				{Name: "POD_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "metadata.name"}}},
				{Name: "NODE_NAME", ValueFrom: &corev1.EnvVarSource{FieldRef: &corev1.ObjectFieldSelector{FieldPath: "spec.nodeName"}}},
			},
		}}},
	}
	for _, e := range edits {
		e(p)
	}
	return p
}

// in puts a pod into a namespace.
func in(namespace string) func(*corev1.Pod) { return func(p *corev1.Pod) { p.Namespace = namespace } }

// running makes its container run one of the image's other commands.
func running(args ...string) func(*corev1.Pod) {
	return func(p *corev1.Pod) { p.Spec.Containers[0].Args = args }
}

func (k *kube) createPod(t *testing.T, p *corev1.Pod) *corev1.Pod {
	t.Helper()
	out, err := k.CoreV1().Pods(p.Namespace).Create(t.Context(), p, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// podWait is how long a pod may take on a busy machine.
const podWait = 90 * time.Second

// run creates a pod and waits until it is Ready.
func (k *kube) run(t *testing.T, p *corev1.Pod) *corev1.Pod {
	t.Helper()
	began := time.Now()
	k.createPod(t, p)
	out := k.ready(t, p.Namespace, p.Name)
	t.Logf("pod %s Ready after %v", p.Name, time.Since(began).Round(time.Millisecond))
	return out
}

// ready waits until a pod is Ready.
func (k *kube) ready(t *testing.T, namespace, name string) *corev1.Pod {
	t.Helper()
	return k.until(t, namespace, name, "it is Ready", isReady)
}

func isReady(p *corev1.Pod) bool {
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady {
			return c.Status == corev1.ConditionTrue && p.DeletionTimestamp == nil
		}
	}
	return false
}

// until waits until a pod is as wanted.
func (k *kube) until(t *testing.T, namespace, name, what string, ok func(*corev1.Pod) bool) (out *corev1.Pod) {
	t.Helper()
	eventually(t, podWait, "of pod "+name+" "+what, func(ctx context.Context) error {
		p, err := k.CoreV1().Pods(namespace).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if out = p; !ok(p) {
			return errors.New(describe(p))
		}
		return nil
	})
	return out
}

// describe says in a line how far a pod is.
func describe(p *corev1.Pod) string {
	text := fmt.Sprintf("pod %s is %s on %q", p.Name, p.Status.Phase, p.Spec.NodeName)
	for _, c := range p.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			text += fmt.Sprintf("; %s: %s %s", c.Type, c.Reason, c.Message)
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		switch s := c.State; {
		case s.Waiting != nil:
			text += fmt.Sprintf("; %s waits: %s %s", c.Name, s.Waiting.Reason, s.Waiting.Message)
		case s.Terminated != nil:
			text += fmt.Sprintf("; %s ended: %d %s %s", c.Name, s.Terminated.ExitCode, s.Terminated.Reason, s.Terminated.Message)
		}
	}
	return text
}

// deletePod deletes a pod and waits until it and its node are gone.
func (k *kube) deletePod(t *testing.T, p *corev1.Pod) {
	t.Helper()
	began := time.Now()
	if err := k.CoreV1().Pods(p.Namespace).Delete(t.Context(), p.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	k.gone(t, p)
	t.Logf("pod %s and its node gone after %v", p.Name, time.Since(began).Round(time.Millisecond))
}

// gone waits until a pod and its node are gone.
func (k *kube) gone(t *testing.T, p *corev1.Pod) {
	t.Helper()
	eventually(t, podWait, "pod "+p.Name+" is gone", func(ctx context.Context) error {
		now, err := k.CoreV1().Pods(p.Namespace).Get(ctx, p.Name, metav1.GetOptions{})
		if err == nil && now.UID == p.UID {
			return errors.New(describe(now))
		}
		if err != nil && !apierrors.IsNotFound(err) {
			return err
		}
		_, err = k.CoreV1().Nodes().Get(ctx, p.Spec.NodeName, metav1.GetOptions{})
		if err == nil {
			return fmt.Errorf("node %s is still there", p.Spec.NodeName)
		}
		if !apierrors.IsNotFound(err) {
			return err
		}
		return nil
	})
}
