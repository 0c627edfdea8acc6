package demo

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"k8s.io/client-go/kubernetes"

	"berth.dev/berth/internal/cli/cluster"
	"berth.dev/berth/internal/cli/kube"
)

const (
	clusterName = "demo"
	profileName = "fp-default"
)

// createCluster makes the cluster as a user does, by the command create cluster.
func (s *session) createCluster(ctx context.Context) error {
	args := []string{"--fargate", "--name", clusterName}
	s.say("$ " + short(s.Executable) + " create cluster " + strings.Join(args, " "))
	c := cluster.NewCreate(s.Factory)
	c.SetArgs(append(args, "--timeout", s.Timeout.String(), "--kubeconfig", s.tools.kubeconfig))
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetOut(s.Out)
	c.SetErr(s.Err)
	return c.ExecuteContext(ctx)
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
