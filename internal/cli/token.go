package cli

import (
	"context"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

const (
	tokenPrefix = "k8s-aws-v1."
	// tokenLife is how long clients use a token, a minute less than it is honoured.
	tokenLife = 14 * time.Minute
	// emptyHash is the SHA-256 of an empty body.
	emptyHash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
)

// Token is a token for a cluster's Kubernetes API.
type Token struct {
	Value   string
	Expires time.Time
}

// NewToken presigns a GetCallerIdentity for a cluster, as the AWS CLI and
// eksctl do. It calls nothing.
func NewToken(ctx context.Context, t Target, cluster string, now time.Time) (Token, error) {
	url := fmt.Sprintf("https://sts.%s.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15&X-Amz-Expires=60", t.Region)
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Token{}, fmt.Errorf("making a token for cluster %q: %w", cluster, err)
	}
	r.Header.Set("x-k8s-aws-id", cluster)
	signed, _, err := v4.NewSigner().PresignHTTP(ctx, t.Credentials, r, emptyHash, "sts", t.Region, now.UTC())
	if err != nil {
		return Token{}, fmt.Errorf("making a token for cluster %q: %w", cluster, err)
	}
	return Token{
		Value:   tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(signed)),
		Expires: now.UTC().Add(tokenLife).Truncate(time.Second),
	}, nil
}
