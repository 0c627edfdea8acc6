// Package kube talks to a cluster's Kubernetes API for the commands: it makes a
// client with tokens of the AWS credentials in use, waits until the API server
// answers, and puts CoreDNS onto Fargate as eksctl does. The cluster and
// fargateprofile commands import it.
package kube

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	"berth.dev/berth/internal/cli"
)

// refresh is how old a token may be that is sent.
const refresh = 10 * time.Minute

// CA is the PEM of a cluster's certificate authority.
func CA(c types.Cluster) ([]byte, error) {
	if c.CertificateAuthority == nil {
		return nil, fmt.Errorf("cluster %q has no certificate authority yet", aws.ToString(c.Name))
	}
	ca, err := base64.StdEncoding.DecodeString(aws.ToString(c.CertificateAuthority.Data))
	if err != nil {
		return nil, fmt.Errorf("decoding the certificate authority of cluster %q: %w", aws.ToString(c.Name), err)
	}
	return ca, nil
}

// Client makes a client of a cluster's Kubernetes API.
func Client(t cli.Target, c types.Cluster, now func() time.Time) (kubernetes.Interface, error) {
	ca, err := CA(c)
	if err != nil {
		return nil, err
	}
	if aws.ToString(c.Endpoint) == "" {
		return nil, fmt.Errorf("cluster %q has no endpoint yet", aws.ToString(c.Name))
	}
	tokens := &tokens{target: t, cluster: aws.ToString(c.Name), now: now}
	client, err := kubernetes.NewForConfig(&rest.Config{
		Host: aws.ToString(c.Endpoint), TLSClientConfig: rest.TLSClientConfig{CAData: ca}, UserAgent: "berth",
		Timeout: 30 * time.Second,
		WrapTransport: func(next http.RoundTripper) http.RoundTripper {
			tokens := *tokens
			tokens.next = next
			return &bearer{tokens: &tokens}
		},
	})
	if err != nil {
		return nil, fmt.Errorf("making a client of cluster %q: %w", aws.ToString(c.Name), err)
	}
	return client, nil
}

type tokens struct {
	target  cli.Target
	cluster string
	now     func() time.Time
	next    http.RoundTripper
}

// bearer sends a token with every request and makes a new one in time.
type bearer struct {
	*tokens
	mu    sync.Mutex
	token cli.Token
	made  time.Time
}

func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := b.current(r.Context())
	if err != nil {
		return nil, err
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(r)
}

func (b *bearer) current(ctx context.Context) (string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if now := b.now(); b.token.Value == "" || now.Sub(b.made) > refresh {
		token, err := cli.NewToken(ctx, b.target, b.cluster, now)
		if err != nil {
			return "", err
		}
		b.token, b.made = token, now
	}
	return b.token.Value, nil
}

// WaitReady returns once the API server answers.
func WaitReady(ctx context.Context, t *cli.Terminal, log *cli.Log, client kubernetes.Interface) error {
	var last error
	err := t.Until(ctx, log, "the control plane to become ready", func(ctx context.Context) (bool, error) {
		_, last = client.Discovery().ServerVersion()
		return last == nil, nil
	})
	if err != nil {
		return errors.Join(err, last)
	}
	return nil
}
