package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	awseks "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"berth.dev/berth/internal/cli"
)

// pollEvery is how often a state is looked at that has no watch.
const pollEvery = 10 * time.Millisecond

// measureCluster creates clusters, one after another, with a bare one after each.
func measureCluster(ctx context.Context, b *bench) error {
	r, err := b.startBerth(ctx, "c", "hollow")
	if err != nil {
		return err
	}
	defer r.end()
	var total, accepted, active, answering []time.Duration
	var floor, etcd, apiserver []time.Duration
	for i := range b.repeat {
		name := fmt.Sprint("c", i)
		c, err := r.createCluster(ctx, name)
		if err != nil {
			return err
		}
		total = append(total, c.answering.Sub(c.begun))
		accepted = append(accepted, c.accepted.Sub(c.begun))
		active = append(active, c.active.Sub(c.accepted))
		answering = append(answering, c.answering.Sub(c.active))
		if err := r.deleteCluster(ctx, name); err != nil {
			return err
		}
		bare, err := b.startBare(ctx, fmt.Sprint("bare", i))
		if err != nil {
			return err
		}
		bare.stop()
		etcd, apiserver = append(etcd, bare.etcdTook), append(apiserver, bare.apiserverTook)
		floor = append(floor, bare.etcdTook+bare.apiserverTook)
	}
	b.print(figure{Name: "cluster", Value: median(total), Unit: "ms", N: b.repeat, Note: "median; CreateCluster until ACTIVE and GET /version answers with a token"}.
		above(median(floor), "bare etcd and kube-apiserver until /readyz"))
	b.print(figure{Name: "cluster.floor.etcd", Value: median(etcd), Unit: "ms", N: b.repeat, Note: "Berth's own runs already when a cluster is created"})
	b.print(figure{Name: "cluster.floor.apiserver", Value: median(apiserver), Unit: "ms", N: b.repeat})
	b.print(figure{Name: "cluster.step.call", Value: median(accepted), Unit: "ms", N: b.repeat, Note: "CreateCluster answers CREATING"})
	b.print(figure{Name: "cluster.step.active", Value: median(active), Unit: "ms", N: b.repeat, Note: "API server ready, first objects, controllers at work, DescribeCluster says ACTIVE"})
	b.print(figure{Name: "cluster.step.answering", Value: median(answering), Unit: "ms", N: b.repeat, Note: "GET /version with a token answers"})
	return nil
}

// cluster is a cluster of a Berth, and when it was what.
type cluster struct {
	berth                              *berth
	name, id                           string
	config                             *rest.Config
	client                             kubernetes.Interface
	begun, accepted, active, answering time.Time
}

func (r *berth) createCluster(ctx context.Context, name string) (*cluster, error) {
	c := &cluster{berth: r, name: name, begun: time.Now()}
	_, err := r.eks.CreateCluster(ctx, &awseks.CreateClusterInput{
		Name: &name, RoleArn: &r.clusterRole, ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: r.subnets},
	})
	if err != nil {
		return nil, fmt.Errorf("creating cluster %s: %w", name, err)
	}
	c.accepted = time.Now()
	var seen *types.Cluster
	err = until(ctx, "cluster "+name+" is ACTIVE", pollEvery, func(ctx context.Context) (bool, error) {
		out, err := r.eks.DescribeCluster(ctx, &awseks.DescribeClusterInput{Name: &name})
		if err != nil {
			return false, err
		}
		seen = out.Cluster
		return seen.Status == types.ClusterStatusActive, nil
	})
	if err != nil {
		return nil, err
	}
	c.active = time.Now()
	ca, err := base64.StdEncoding.DecodeString(*seen.CertificateAuthority.Data)
	if err != nil {
		return nil, fmt.Errorf("reading the authority of cluster %s: %w", name, err)
	}
	tokens := &tokens{target: r.target, cluster: name}
	c.config = &rest.Config{
		Host: *seen.Endpoint, TLSClientConfig: rest.TLSClientConfig{CAData: ca}, QPS: -1,
		WrapTransport: func(next http.RoundTripper) http.RoundTripper { return tokens.transport(next) },
	}
	if c.client, err = kubernetes.NewForConfig(c.config); err != nil {
		return nil, err
	}
	err = until(ctx, "cluster "+name+" answers", pollEvery, func(context.Context) (bool, error) {
		_, err := c.client.Discovery().ServerVersion()
		return err == nil, err
	})
	c.answering = time.Now()
	return c, err
}

func (r *berth) deleteCluster(ctx context.Context, name string) error {
	if _, err := r.eks.DeleteCluster(ctx, &awseks.DeleteClusterInput{Name: &name}); err != nil {
		return fmt.Errorf("deleting cluster %s: %w", name, err)
	}
	return until(ctx, "cluster "+name+" is gone", 50*time.Millisecond, func(ctx context.Context) (bool, error) {
		_, err := r.eks.DescribeCluster(ctx, &awseks.DescribeClusterInput{Name: &name})
		var gone *types.ResourceNotFoundException
		return errors.As(err, &gone), err
	})
}

// serve makes the namespace whose pods run on Fargate, and its profile.
func (c *cluster) serve(ctx context.Context) error {
	_, err := c.client.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	profile, ns := "bench", namespace
	_, err = c.berth.eks.CreateFargateProfile(ctx, &awseks.CreateFargateProfileInput{
		ClusterName: &c.name, FargateProfileName: &profile, PodExecutionRoleArn: &c.berth.profilesRole, Subnets: c.berth.subnets,
		Selectors: []types.FargateProfileSelector{{Namespace: &ns}},
	})
	if err != nil {
		return fmt.Errorf("creating a profile of cluster %s: %w", c.name, err)
	}
	err = until(ctx, "the profile is ACTIVE", pollEvery, func(ctx context.Context) (bool, error) {
		out, err := c.berth.eks.DescribeFargateProfile(ctx, &awseks.DescribeFargateProfileInput{ClusterName: &c.name, FargateProfileName: &profile})
		return err == nil && out.FargateProfile.Status == types.FargateProfileStatusActive, err
	})
	if err != nil {
		return err
	}
	return until(ctx, "the default service account is there", pollEvery, func(ctx context.Context) (bool, error) {
		_, err := c.client.CoreV1().ServiceAccounts(namespace).Get(ctx, "default", metav1.GetOptions{})
		return err == nil, err
	})
}

// tokenLife is less than the quarter of an hour for which a token is honoured.
const tokenLife = 10 * time.Minute

// tokens signs a cluster's tokens, as kubectl's exec plugin does.
type tokens struct {
	target  cli.Target
	cluster string

	mu    sync.Mutex
	value string
	until time.Time
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func (t *tokens) transport(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		token, err := t.get(r.Context())
		if err != nil {
			return nil, err
		}
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+token)
		return next.RoundTrip(r)
	})
}

func (t *tokens) get(ctx context.Context) (string, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := time.Now()
	if now.Before(t.until) {
		return t.value, nil
	}
	token, err := cli.NewToken(ctx, t.target, t.cluster, now)
	t.value, t.until = token.Value, now.Add(tokenLife)
	return t.value, err
}
