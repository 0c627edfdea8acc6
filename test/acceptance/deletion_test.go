package acceptance

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	clientv3 "go.etcd.io/etcd/client/v3"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// deletion takes pods, profiles and the cluster away, and looks for what is left.
func (s *scene) deletion(t *testing.T) {
	p := s.k.run(t, hello("last"))
	groups := s.podCgroups(t, p.UID)
	if len(groups) == 0 || s.interfaces(t, p.Status.PodIP) != 1 {
		t.Errorf("pod has cgroups %v and %d interfaces, want some and 1", groups, s.interfaces(t, p.Status.PodIP))
	}
	s.k.deletePod(t, p)
	eventually(t, 20*time.Second, "cgroup and interface of the pod are gone", func(context.Context) error {
		if left, n := s.podCgroups(t, p.UID), s.interfaces(t, p.Status.PodIP); len(left) > 0 || n > 0 {
			return fmt.Errorf("cgroups %v, %d interfaces", left, n)
		}
		return nil
	})

	if _, err := s.eks().DeleteFargateProfile(t.Context(), &eks.DeleteFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: aws.String("fp-wild")}); err != nil {
		t.Fatal(err)
	}
	_, err := s.eks().CreateFargateProfile(t.Context(), profileInput("demo", "late", s.n.private, selector("x")))
	refused(t, err, 409, inUse, "Cannot create Fargate Profile late because cluster demo currently has Fargate profile fp-wild in status DELETING")
	_, err = s.eks().DeleteFargateProfile(t.Context(), &eks.DeleteFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: aws.String("fp-default")})
	refused(t, err, 409, inUse, "Cannot delete Fargate profile fp-default because cluster demo currently has Fargate profile fp-wild in status DELETING")
	s.deleteProfile(t, "demo", "fp-wild")
	if left := s.k.pods(t, "team-a", "matched"); len(left) > 0 {
		t.Errorf("a pod of a deleted profile: %s", describe(&left[0]))
	}
	s.deleteProfile(t, "demo", "fp-default")
	s.evicted(t)

	api := s.find(t, "apiserver", "--etcd-prefix=")
	s.deleteCluster(t, "demo")
	if n := s.keys(t, api); n > 0 {
		t.Errorf("%d keys of the deleted cluster are left in etcd", n)
	}
	for _, p := range s.berth.processes(t) {
		if p.program() != "etcd" && (p.has("/clusters/") || p.program() == "runsc-sandbox") {
			t.Errorf("left of the deleted cluster: %v", p.args)
		}
	}
	if found, _ := filepath.Glob(filepath.Join(s.DataDir, "clusters", "*")); len(found) > 0 {
		t.Errorf("left of the deleted cluster: %v", found)
	}
}

// interfaces counts the network interfaces of an address.
func (s *scene) interfaces(t *testing.T, ip string) int {
	t.Helper()
	return len(s.ec2(t, "DescribeNetworkInterfaces", "Filter.1.Name", "private-ip-address", "Filter.1.Value.1", ip,
		"Filter.2.Name", "vpc-id", "Filter.2.Value.1", s.n.vpc).all("networkInterfaceId"))
}

// evicted checks that a deployment's pods wait for a profile.
func (s *scene) evicted(t *testing.T) {
	t.Helper()
	eventually(t, 20*time.Second, "the pods of the deployment are made again", func(context.Context) error {
		if n := len(s.k.pods(t, "default", "web")); n != 2 {
			return fmt.Errorf("there are %d", n)
		}
		return nil
	})
	for _, p := range s.k.pods(t, "default", "web") {
		if p.Status.Phase != corev1.PodPending || p.Spec.NodeName != "" {
			t.Errorf("after its profile went, %s", describe(&p))
		}
	}
	nodes, err := s.k.CoreV1().Nodes().List(t.Context(), metav1.ListOptions{})
	if err != nil || len(nodes.Items) > 0 {
		t.Errorf("%d nodes are left (%v)", len(nodes.Items), err)
	}
}

// keys counts what etcd holds of the cluster of an API server that has ended.
func (s *scene) keys(t *testing.T, api process) int64 {
	t.Helper()
	flag := func(name string) string {
		for _, a := range api.args {
			if v, ok := strings.CutPrefix(a, "--"+name+"="); ok {
				return v
			}
		}
		t.Fatalf("the API server has no --%s", name)
		return ""
	}
	cert, err := tls.LoadX509KeyPair(flag("etcd-certfile"), flag("etcd-keyfile"))
	if err != nil {
		t.Fatal(err)
	}
	// The certificate of the test's own etcd is not what is tested.
	c, err := clientv3.New(clientv3.Config{Endpoints: []string{flag("etcd-servers")}, DialTimeout: 10 * time.Second,
		TLS: &tls.Config{Certificates: []tls.Certificate{cert}, InsecureSkipVerify: true}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	found, err := c.Get(ctx, flag("etcd-prefix"), clientv3.WithPrefix(), clientv3.WithCountOnly())
	all, aerr := c.Get(ctx, "/berth/", clientv3.WithPrefix(), clientv3.WithCountOnly())
	if err := errors.Join(err, aerr); err != nil {
		t.Fatal(err)
	}
	if all.Count == 0 {
		t.Error("etcd holds no records at all")
	}
	return found.Count
}

// purgeAfterKill makes another cluster in the same VPC, of an older version and
// with access entries, and kills the server at its beginning, in its middle and
// at its end. That nothing is left is checked at the end of every test.
func (s *scene) purgeAfterKill(t *testing.T) {
	in := clusterInput("again", s.n)
	in.Version = aws.String("1.34")
	in.AccessConfig = &types.CreateAccessConfigRequest{AuthenticationMode: types.AuthenticationModeApi}
	if _, err := s.eks().CreateCluster(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	s.kill(t)
	s.up(t)
	k := s.kube(t, s.active(t, "again"))
	s.profile(t, profileInput("again", "fp", nil, selector("default")))
	k.account(t, "default")
	if v, err := k.Discovery().ServerVersion(); err != nil || v.EmulationMinor != "34" {
		t.Errorf("version = %+v, %v; want 1.34 emulated", v, err)
	}
	k.run(t, hello("of-1-34"))
	s.kill(t)
	s.up(t)
	s.deleteProfile(t, "again", "fp")
	if _, err := s.eks().DeleteCluster(t.Context(), &eks.DeleteClusterInput{Name: aws.String("again")}); err != nil {
		t.Fatal(err)
	}
	s.kill(t)
	s.up(t)
	s.clusterGone(t, "again")

	k = s.kube(t, s.create(t, clusterInput("last", s.n)))
	s.profile(t, profileInput("last", "fp", nil, selector("default")))
	k.account(t, "default")
	k.run(t, hello("left-behind"))
	s.kill(t)
	s.purge(t)
	s.clean(t)
}
