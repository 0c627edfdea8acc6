package acceptance

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// kills kills every kind of process, one after another. What was acknowledged
// stays, pods go on, and new ones can be made.
func (s *scene) kills(t *testing.T) {
	tests := []struct {
		name, program, text string
	}{
		{"apiserver", "apiserver", "--etcd-prefix="},
		{"controllers", "controllers", "controller-manager.kubeconfig"},
		{"dataplane", "dataplane", "config.json"},
		{"containerd", "containerd", "config.toml"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s.survives(t, tt.name, func() { s.shoot(t, s.find(t, tt.program, tt.text)) })
		})
	}
	t.Run("server", func(t *testing.T) {
		s.survives(t, "server", func() {
			s.kill(t)
			s.up(t)
		})
	})
	for _, part := range []string{"sandbox", "shim"} {
		t.Run(part, func(t *testing.T) { s.killOfPod(t, part) })
	}
}

// shoot kills a process, which must be the Berth's.
func (b *berth) shoot(t *testing.T, p process) {
	t.Helper()
	if err := syscall.Kill(p.pid, syscall.SIGKILL); err != nil {
		t.Fatalf("killing %d %s: %v", p.pid, p.program(), err)
	}
	eventually(t, 10*time.Second, fmt.Sprintf("process %d is gone", p.pid), func(context.Context) error {
		if now, ok := readProcess(p.pid); ok && now.parent == p.parent && now.program() == p.program() {
			return errors.New("it is there")
		}
		return nil
	})
}

// life is what must not change of a pod that goes on.
type life struct {
	uid, container string
	restarts       int32
}

func (s *scene) lives(t *testing.T) map[string]life {
	t.Helper()
	out := map[string]life{}
	eventually(t, podWait, "the API server answers", func(ctx context.Context) error {
		list, err := s.k.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
		if err != nil {
			return err
		}
		clear(out)
		for _, p := range list.Items {
			if p.Spec.NodeName == "" {
				continue
			}
			if !isReady(&p) {
				return errors.New(describe(&p))
			}
			c := p.Status.ContainerStatuses[0]
			out[p.Namespace+"/"+p.Name] = life{string(p.UID), c.ContainerID, c.RestartCount}
		}
		return nil
	})
	return out
}

// survives kills something and looks at what must survive.
func (s *scene) survives(t *testing.T, name string, kill func()) {
	t.Helper()
	before := s.lives(t)
	if len(before) < 4 {
		t.Fatalf("only %d pods run", len(before))
	}
	if _, err := s.k.CoreV1().ConfigMaps("default").Create(t.Context(), &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{Name: "before-" + name}}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	kill()
	began := time.Now()
	eventually(t, podWait, "what was acknowledged is there", func(ctx context.Context) error {
		_, err := s.k.CoreV1().ConfigMaps("default").Get(ctx, "before-"+name, metav1.GetOptions{})
		return err
	})
	t.Logf("the API answers again after %v", time.Since(began).Round(time.Millisecond))
	p := s.k.run(t, hello("after-"+name))
	s.k.exec(t, "default", "after-"+name, "uname")
	s.k.deletePod(t, p)
	for pod, was := range before {
		if is := s.lives(t)[pod]; is != was {
			t.Errorf("pod %s is %+v, was %+v", pod, is, was)
		}
	}
	s.k.exec(t, "default", s.k.pods(t, "default", "web")[0].Name, "uname")
}

// killOfPod kills what runs a pod: its kubelet starts it again.
func (s *scene) killOfPod(t *testing.T, part string) {
	p := s.k.run(t, hello("victim-"+part))
	was := p.Status.ContainerStatuses[0]
	target := s.find(t, "runsc-sandbox", string(p.UID))
	if part == "shim" {
		target, _ = readProcess(target.parent)
		if target.program() != "containerd-shim-runsc-v1" || !target.has(s.runDir()) {
			t.Fatalf("the sandbox's parent is %v", target.args)
		}
	}
	s.shoot(t, target)
	began := time.Now()
	p = s.k.until(t, "default", p.Name, "it runs again", func(p *corev1.Pod) bool {
		return isReady(p) && p.Status.ContainerStatuses[0].ContainerID != was.ContainerID
	})
	t.Logf("restarted after %v, restarts %d", time.Since(began).Round(time.Millisecond), p.Status.ContainerStatuses[0].RestartCount)
	if p.Status.ContainerStatuses[0].RestartCount <= was.RestartCount {
		t.Errorf("restarts = %d, were %d", p.Status.ContainerStatuses[0].RestartCount, was.RestartCount)
	}
	s.k.exec(t, "default", p.Name, "uname")
	s.k.deletePod(t, p)
}
