package demo

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"berth.dev/berth/internal/cli/cluster"
	"berth.dev/berth/internal/cli/clusterconfig"
	"berth.dev/berth/internal/cli/kube"
	"berth.dev/berth/internal/cli/network"
	"berth.dev/berth/internal/cli/profile"
	"berth.dev/berth/internal/cli/role"
)

const (
	clusterName = "demo"
	profileName = "fp-default"
	coreDNS     = "eks.amazonaws.com/component=coredns"
	// onFargate is the patch that lets profiles take the pods of CoreDNS.
	onFargate = `{"spec":{"template":{"metadata":{"annotations":{"eks.amazonaws.com/compute-type":"fargate"}}}}}`
)

// createCluster makes the cluster as a user does.
func (s *session) createCluster(ctx context.Context) error { return s.berthCreate(ctx, "--fargate") }

// berthCreate runs the command create cluster.
func (s *session) berthCreate(ctx context.Context, kind string) error {
	args := []string{kind, "--name", clusterName}
	s.say("$ " + short(s.Executable) + " create cluster " + strings.Join(args, " "))
	c := cluster.NewCreate(s.Factory)
	c.SetArgs(append(args, "--timeout", s.Timeout.String(), "--kubeconfig", s.tools.kubeconfig))
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(s.Out)
	c.SetErr(s.Err)
	return c.ExecuteContext(ctx)
}

// createHollow makes the same step by step: where nothing executes, nothing
// answers the probes of CoreDNS, for which the command would wait.
func (s *session) createHollow(ctx context.Context) error {
	if err := s.berthCreate(ctx, "--without-nodegroup"); err != nil {
		return err
	}
	c, err := s.describe(ctx)
	if err != nil {
		return err
	}
	arn := strings.Split(aws.ToString(c.Arn), ":")
	if len(arn) != 6 {
		return fmt.Errorf("cluster %q has no ARN but %q", clusterName, aws.ToString(c.Arn))
	}
	of := role.Cluster{Name: clusterName, Region: s.aws.Region, Partition: arn[1], Account: arn[4]}
	execution, err := role.Roles{IAM: s.aws.IAM, Log: s.log}.Ensure(ctx, of.PodExecution(), network.Tags(clusterName, nil))
	if err != nil {
		return err
	}
	m := profile.Maker{EKS: s.aws.EKS, Terminal: s.Terminal, Log: s.log, Cluster: clusterName}
	if err := m.Create(ctx, []*clusterconfig.FargateProfile{clusterconfig.DefaultProfile()}, execution); err != nil {
		return err
	}
	if err := s.tools.show(ctx, "patch", "deployment", "coredns", "-n", "kube-system", "-p", onFargate); err != nil {
		return err
	}
	return s.waitForCoreDNS(ctx)
}

// waitForCoreDNS returns once a pod of CoreDNS runs on a node of its own.
func (s *session) waitForCoreDNS(ctx context.Context) error {
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	return s.Until(ctx, s.log, "CoreDNS to run on Fargate", func(ctx context.Context) (bool, error) {
		list, err := client.CoreV1().Pods(metav1.NamespaceSystem).List(ctx, metav1.ListOptions{LabelSelector: coreDNS})
		if err != nil {
			return false, fmt.Errorf("listing the pods of CoreDNS: %w", err)
		}
		for _, p := range list.Items {
			if p.Status.Phase == corev1.PodRunning && strings.HasPrefix(p.Spec.NodeName, "fargate-") {
				return true, nil
			}
		}
		return false, nil
	})
}

func (s *session) describe(ctx context.Context) (types.Cluster, error) {
	out, err := s.aws.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: aws.String(clusterName)})
	if err != nil {
		return types.Cluster{}, fmt.Errorf("describing cluster %q: %w", clusterName, err)
	}
	return *out.Cluster, nil
}

// client makes a client of the cluster.
func (s *session) client(ctx context.Context) (kubernetes.Interface, error) {
	c, err := s.describe(ctx)
	if err != nil {
		return nil, err
	}
	return kube.Client(s.aws.Target, c, s.Clock.Now)
}
