package acceptance

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// interrupted kills processes in the middle of what they do: it goes on when
// they are back.
func (s *scene) interrupted(t *testing.T) {
	again := func(t *testing.T) {
		s.kill(t)
		s.up(t)
	}
	shoot := func(program, text string) func(*testing.T) {
		return func(t *testing.T) { s.shoot(t, s.find(t, program, text)) }
	}
	for _, tt := range []struct {
		name  string
		until func(*corev1.Pod) bool
		kill  func(*testing.T)
	}{
		{"server-when-created", func(*corev1.Pod) bool { return true }, again},
		{"server-when-bound", isBound, again},
		{"dataplane-when-bound", isBound, shoot("dataplane", "config.json")},
		{"containerd-when-bound", isBound, shoot("containerd", "config.toml")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s.k.createPod(t, hello(tt.name))
			s.k.until(t, "default", tt.name, "it is so far", tt.until)
			tt.kill(t)
			p := s.k.ready(t, "default", tt.name)
			s.k.exec(t, "default", tt.name, "uname")
			s.removed(t, p, func(*testing.T) {})
		})
	}
	t.Run("server-when-deleted", func(t *testing.T) { s.removed(t, s.k.run(t, hello("deleted-1")), again) })
	t.Run("dataplane-when-deleted", func(t *testing.T) {
		s.removed(t, s.k.run(t, hello("deleted-2")), shoot("dataplane", "config.json"))
	})
	t.Run("profile", func(t *testing.T) {
		if _, err := s.eks().CreateFargateProfile(t.Context(), profileInput("demo", "cut", s.n.private, selector("cut"))); err != nil {
			t.Fatal(err)
		}
		again(t)
		s.settled(t, "cut")
		s.k.namespaceOnce(t, "cut")
		s.k.run(t, hello("cut", in("cut")))
		if _, err := s.eks().DeleteFargateProfile(t.Context(), &eks.DeleteFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: aws.String("cut")}); err != nil {
			t.Fatal(err)
		}
		again(t)
		s.profileGone(t, "demo", "cut")
		if left := s.k.pods(t, "cut", "cut"); len(left) > 0 {
			t.Errorf("a pod of a deleted profile: %s", describe(&left[0]))
		}
	})
	if left := s.lives(t); len(left) != 5 {
		t.Errorf("%d pods run after all that, want 2 of CoreDNS, 2 web servers and 1 more: %v", len(left), left)
	}
}

func isBound(p *corev1.Pod) bool { return p.Spec.NodeName != "" }

// removed deletes a pod, does something, and waits until nothing of it is left.
func (s *scene) removed(t *testing.T, p *corev1.Pod, then func(*testing.T)) {
	t.Helper()
	if err := s.k.CoreV1().Pods(p.Namespace).Delete(t.Context(), p.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	then(t)
	s.k.gone(t, p)
	eventually(t, 30*time.Second, "nothing of the pod is left", func(context.Context) error {
		if left, n := s.podCgroups(t, p.UID), s.interfaces(t, p.Status.PodIP); len(left) > 0 || n > 0 {
			return errors.New("cgroups or interfaces are left")
		}
		return nil
	})
	for _, process := range s.berth.processes(t) {
		if process.has(string(p.UID)) {
			t.Errorf("left of pod %s: %v", p.Name, process.args)
		}
	}
}

// namespaceOnce makes a namespace when the API server answers again.
func (k *kube) namespaceOnce(t *testing.T, name string) {
	t.Helper()
	eventually(t, podWait, "namespace "+name+" is made", func(ctx context.Context) error {
		_, err := k.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	})
	k.account(t, name)
}
