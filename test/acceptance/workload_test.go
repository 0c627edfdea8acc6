package acceptance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

func requests(cpu, memory string) corev1.ResourceRequirements {
	return corev1.ResourceRequirements{Requests: corev1.ResourceList{
		corev1.ResourceCPU: resource.MustParse(cpu), corev1.ResourceMemory: resource.MustParse(memory),
	}}
}

// workload is a pod with what a kubelet does for pods.
func (s *scene) workload(t *testing.T) {
	core := s.k.CoreV1()
	if _, err := core.ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "settings"}, Data: map[string]string{"colour": "blue"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := core.Secrets("default").Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "hidden"}, StringData: map[string]string{"word": "sesame"}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	p := s.k.run(t, hello("works", furnished))
	if p.Annotations["CapacityProvisioned"] != "0.5vCPU 1GB" {
		t.Errorf("capacity = %q, want 0.5vCPU 1GB", p.Annotations["CapacityProvisioned"])
	}
	if i := p.Status.InitContainerStatuses; len(i) != 1 || i[0].State.Terminated == nil || i[0].State.Terminated.ExitCode != 0 {
		t.Errorf("init container = %+v", i)
	}
	if !*p.Status.ContainerStatuses[0].Started || p.Status.ContainerStatuses[0].RestartCount != 0 {
		t.Errorf("container = %+v", p.Status.ContainerStatuses[0])
	}
	for path, want := range map[string]string{
		"/scratch/answer":  "ok",
		"/settings/colour": "blue",
		"/hidden/word":     "sesame",
		"/var/run/secrets/kubernetes.io/serviceaccount/namespace": "default",
		"/etc/hostname": "works",
	} {
		if got := strings.TrimSpace(s.k.exec(t, "default", "works", "/bin/cat", path)); got != want {
			t.Errorf("%s = %q, want %q", path, got, want)
		}
	}
	if env := s.k.exec(t, "default", "works", "/bin/env"); !strings.Contains(env, "COLOUR=blue\n") || !strings.Contains(env, "WORD=sesame\n") {
		t.Errorf("environment:\n%s", env)
	}
	if tokens := s.k.exec(t, "default", "works", "/bin/cat", "/tokens/api"); strings.Count(tokens, ".") != 2 {
		t.Errorf("projected token = %q", tokens)
	}
	s.k.deletePod(t, p)
}

// furnished gives a pod an init container, volumes of every kind, and probes.
func furnished(p *corev1.Pod) {
	scratch := corev1.VolumeMount{Name: "scratch", MountPath: "/scratch"}
	p.Spec.InitContainers = []corev1.Container{{
		Name: "init", Image: helloImage, Args: []string{"wget", "-q", "-O", "/scratch/answer", "http://web/healthz"}, VolumeMounts: []corev1.VolumeMount{scratch},
	}}
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8080)}}}
	}
	expiry := int64(3600)
	c := &p.Spec.Containers[0]
	c.Resources = requests("300m", "600Mi")
	c.StartupProbe, c.ReadinessProbe, c.LivenessProbe = probe("/healthz"), probe("/readyz"), probe("/healthz")
	c.Env = append(c.Env,
		corev1.EnvVar{Name: "COLOUR", ValueFrom: &corev1.EnvVarSource{ConfigMapKeyRef: &corev1.ConfigMapKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}, Key: "colour"}}},
		corev1.EnvVar{Name: "WORD", ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: "hidden"}, Key: "word"}}})
	c.VolumeMounts = append(c.VolumeMounts, scratch,
		corev1.VolumeMount{Name: "settings", MountPath: "/settings"}, corev1.VolumeMount{Name: "hidden", MountPath: "/hidden"},
		corev1.VolumeMount{Name: "tokens", MountPath: "/tokens"})
	p.Spec.Volumes = []corev1.Volume{
		{Name: "scratch", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
		{Name: "settings", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: "settings"}}}},
		{Name: "hidden", VolumeSource: corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: "hidden"}}},
		{Name: "tokens", VolumeSource: corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "api", ExpirationSeconds: &expiry}}}}}},
	}
}

// streams are what goes from a client through the API server to a pod.
func (s *scene) streams(t *testing.T) {
	web := s.k.pods(t, "default", "web")[0].Name
	t.Run("exec", func(t *testing.T) {
		var host unix.Utsname
		if err := unix.Uname(&host); err != nil {
			t.Fatal(err)
		}
		ours := unix.ByteSliceToString(host.Release[:])
		theirs := strings.TrimSpace(s.k.exec(t, "default", web, "uname", "-r"))
		t.Logf("kernel of the pod %s, of the host %s", theirs, ours)
		if theirs == ours {
			t.Errorf("the pod's kernel is the host's, %s", ours)
		}
	})
	t.Run("exec with input", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		cmd := s.k.kubectlCommand(ctx, t, "exec", "-i", web, "--", "/bin/cat")
		cmd.Stdin = strings.NewReader("back and forth")
		out, err := cmd.Output()
		if err != nil || string(out) != "back and forth" {
			t.Errorf("cat printed %q, %v", out, err)
		}
	})
	t.Run("exit code", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
		defer cancel()
		_, err := s.k.kubectl(ctx, t, "exec", web, "--", "sh", "-c", "true")
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.ExitCode() != 127 {
			t.Errorf("the image's absent shell: %v, want exit code 127", err)
		}
	})
	t.Run("logs", func(t *testing.T) {
		text, err := s.k.log(t.Context(), "default", web, corev1.PodLogOptions{})
		if err != nil || !strings.Contains(text, "/readyz") {
			t.Errorf("log = %q, %v; want the probes' requests", text, err)
		}
	})
	t.Run("port-forward", func(t *testing.T) { s.portForward(t, web) })
	t.Run("node proxy", func(t *testing.T) {
		node := s.k.pods(t, "default", "web")[0].Spec.NodeName
		text, err := s.k.CoreV1().RESTClient().Get().Resource("nodes").Name(node).SubResource("proxy", "stats", "summary").DoRaw(t.Context())
		if err != nil || !strings.Contains(string(text), node) {
			t.Errorf("summary of %s = %.200s, %v", node, text, err)
		}
	})
}

func (s *scene) portForward(t *testing.T, pod string) {
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := s.k.kubectlCommand(ctx, t, "port-forward", "pod/"+pod, ":8080")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatalf("kubectl port-forward: %v", err)
	}
	var port int
	if _, err := fmt.Sscanf(line, "Forwarding from 127.0.0.1:%d", &port); err != nil {
		t.Fatalf("kubectl port-forward printed %q", line)
	}
	resp, err := (&http.Client{Timeout: 10 * time.Second}).Get(fmt.Sprintf("http://127.0.0.1:%d/", port))
	if err != nil {
		t.Fatalf("through the forwarded port: %v; kubectl says %s", err, errs.String())
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || !strings.Contains(string(body), "pod="+pod) {
		t.Errorf("answer = %q, %v", body, err)
	}
}

// termination lets a pod's process finish.
func (s *scene) termination(t *testing.T) {
	p := s.k.run(t, hello("ends"))
	ctx, cancel := context.WithTimeout(t.Context(), podWait)
	defer cancel()
	text := make(chan string, 1)
	cmd := s.k.kubectlCommand(ctx, t, "logs", "-f", "ends")
	go func() {
		out, _ := cmd.CombinedOutput()
		text <- string(out)
	}()
	s.k.deletePod(t, p)
	if log := <-text; !strings.Contains(log, "shutting down") || !strings.Contains(log, "stopped") {
		t.Errorf("log of a deleted pod = %q, want that it was told to stop and did", log)
	}
}
