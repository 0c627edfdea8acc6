package acceptance

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"berth.dev/berth/internal/pki"
)

// nodeRestriction is what a kubelet may not do, with credentials as it has them.
func (s *scene) nodeRestriction(t *testing.T) {
	for _, name := range []string{"mine", "theirs"} {
		if _, err := s.k.CoreV1().Secrets("default").Create(t.Context(), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: map[string]string{"x": name}}, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	mounts := func(secret string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{{Name: "s", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: secret}}}}
			p.Spec.Containers[0].VolumeMounts = []corev1.VolumeMount{{Name: "s", MountPath: "/s"}}
		}
	}
	s.k.createPod(t, hello("one", mounts("mine")))
	s.k.createPod(t, hello("two", mounts("theirs")))
	one, two := s.k.ready(t, "default", "one"), s.k.ready(t, "default", "two")
	node := s.nodeClient(t, one.Spec.NodeName)
	if _, err := node.CoreV1().Secrets("default").Get(t.Context(), "mine", metav1.GetOptions{}); err != nil {
		t.Errorf("a node reads its own pod's secret: %v", err)
	}
	for what, err := range map[string]error{
		"reads another node's secret": second(node.CoreV1().Secrets("default").Get(t.Context(), "theirs", metav1.GetOptions{})),
		"lists secrets":               second(node.CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{})),
		"labels another node": second(node.CoreV1().Nodes().Patch(t.Context(), two.Spec.NodeName, types.MergePatchType,
			[]byte(`{"metadata":{"labels":{"x":"y"}}}`), metav1.PatchOptions{})),
		"deletes another node's pod": node.CoreV1().Pods("default").Delete(t.Context(), "two", metav1.DeleteOptions{}),
	} {
		if !apierrors.IsForbidden(err) {
			t.Errorf("a node %s: %v, want Forbidden", what, err)
		}
	}
	s.k.deletePod(t, one)
	s.k.deletePod(t, two)
}

func second[T any](_ T, err error) error { return err }

// nodeClient has a certificate such as the cluster's own authority gives a node.
func (s *scene) nodeClient(t *testing.T, node string) *kubernetes.Clientset {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.DataDir, "clusters", "*", "pki", "ca.crt"))
	if err != nil || len(found) != 1 {
		t.Fatalf("authorities of clusters = %v, %v", found, err)
	}
	cert, err := os.ReadFile(found[0])
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(strings.TrimSuffix(found[0], ".crt") + ".key")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := pki.Load(pki.Pair{Cert: cert, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	pair, err := ca.Issue(pki.Request{CommonName: "system:node:" + node, Organizations: []string{"system:nodes"}, Client: true, NotAfter: now.Add(time.Hour)}, now)
	if err != nil {
		t.Fatal(err)
	}
	config := restConfig(t, s.c)
	config.CertData, config.KeyData = pair.Cert, pair.Key
	return client(t, config)
}

// limits are those of the size that is billed.
func (s *scene) limits(t *testing.T) {
	web := s.k.pods(t, "default", "web")[0]
	want := map[string]string{"memory": "536870912", "cpu": "25000 of 100000"}
	if diff := cmp.Diff(want, s.limitsOf(t, web)); diff != "" {
		t.Errorf("limits of a pod of 0.25 vCPU and 0.5 GB (-want +got):\n%s", diff)
	}
	sandbox := s.find(t, "runsc-sandbox", string(web.UID))
	inside := 0
	for line := range strings.Lines(sandbox.cgroups) {
		if strings.Contains(line, string(web.UID)) {
			inside++
		}
	}
	if inside == 0 {
		t.Errorf("the sandbox is in none of its pod's cgroups:\n%s", sandbox.cgroups)
	}

	p := s.k.createPod(t, hello("greedy", running("mem", "--bytes", "2Gi"), func(p *corev1.Pod) { p.Spec.RestartPolicy = corev1.RestartPolicyNever }))
	p = s.k.until(t, "default", "greedy", "it has ended", func(p *corev1.Pod) bool {
		return p.Status.Phase == corev1.PodFailed || p.Status.Phase == corev1.PodSucceeded
	})
	if p.Status.Phase != corev1.PodFailed {
		t.Errorf("a pod that takes 2 GiB of 0.5 GB has %s", p.Status.Phase)
	}
	for _, c := range p.Status.ContainerStatuses {
		t.Logf("out of memory: %+v", c.State.Terminated)
		if e := c.State.Terminated; e == nil || e.Reason != "OOMKilled" && e.ExitCode != 137 {
			t.Errorf("container ended with %+v, want OOMKilled or exit code 137", e)
		}
	}
	s.k.deletePod(t, p)
}

// podCgroups are the folders of a pod's cgroups in all hierarchies.
func (b *berth) podCgroups(t *testing.T, uid types.UID) (out []string) {
	t.Helper()
	_, groups := mounts(t)
	for _, g := range groups {
		if strings.Contains(g, "/"+b.instance()+"/") && filepath.Base(g) == "pod"+string(uid) {
			out = append(out, g)
		}
	}
	return out
}

// limitsOf reads the memory and CPU limits of a pod's cgroups, version 1 or 2.
func (b *berth) limitsOf(t *testing.T, p corev1.Pod) map[string]string {
	t.Helper()
	got := map[string]string{}
	read := func(dir, file string) string {
		data, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil && !os.IsNotExist(err) {
			t.Error(err)
		}
		return strings.TrimSpace(string(data))
	}
	for _, dir := range b.podCgroups(t, p.UID) {
		for _, file := range []string{"memory.limit_in_bytes", "memory.max"} {
			if v := read(dir, file); v != "" {
				got["memory"] = v
			}
		}
		if quota := read(dir, "cpu.cfs_quota_us"); quota != "" {
			got["cpu"] = quota + " of " + read(dir, "cpu.cfs_period_us")
		}
		if v := read(dir, "cpu.max"); v != "" {
			got["cpu"] = strings.Join(strings.Fields(v), " of ")
		}
	}
	return got
}
