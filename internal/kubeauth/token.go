// Package kubeauth decides who calls a cluster's Kubernetes API: it verifies the
// k8s-aws-v1 tokens that clients make of a presigned GetCallerIdentity, without
// asking STS, and maps the AWS identity to a Kubernetes user. It authorises
// nothing; that is RBAC's. The composition root imports it.
package kubeauth

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth/internal/awsapi/sigv4"
	"berth.dev/berth/internal/principal"
)

const (
	prefix = "k8s-aws-v1."
	// maxTokenSize is in bytes.
	maxTokenSize = 4 * 1024
	// lifetime is how long a token is honoured from its X-Amz-Date on.
	lifetime = 15 * time.Minute
	// clusterHeader must be signed and names the cluster; it is not in the URL.
	clusterHeader = "x-k8s-aws-id"
)

// FormatError is why a token is not one, in the authenticator's own words.
type FormatError struct{ Message string }

func (e FormatError) Error() string { return "input token was not properly formatted: " + e.Message }

// Verify checks a token made for a cluster and returns whose it is. A refusal
// is a FormatError or an error of sigv4.
func Verify(ctx context.Context, token, cluster string, keys sigv4.Keys, now time.Time) (principal.Principal, error) {
	u, err := parse(token)
	if err != nil {
		return principal.Principal{}, err
	}
	p, err := sigv4.VerifyPresigned(ctx, sigv4.VerifyParams{
		Method: http.MethodGet, URL: u, Service: "sts", Now: now, Lifetime: lifetime, Keys: keys,
		Headers: http.Header{http.CanonicalHeaderKey(clusterHeader): {cluster}},
	})
	if err != nil {
		return principal.Principal{}, fmt.Errorf("verifying a token for cluster %s: %w", cluster, err)
	}
	return p, nil
}

// parse makes every check that needs no key. Any host is accepted, since a
// client names the STS endpoint that it knows and none is asked.
func parse(token string) (*url.URL, error) {
	if len(token) > maxTokenSize {
		return nil, FormatError{"token is too large"}
	}
	encoded, ok := strings.CutPrefix(token, prefix)
	if !ok {
		return nil, FormatError{fmt.Sprintf("token is missing expected %q prefix", prefix)}
	}
	raw, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return nil, FormatError{err.Error()}
	}
	u, err := url.Parse(string(raw))
	if err != nil {
		return nil, FormatError{err.Error()}
	}
	if u.Scheme != "https" && u.Scheme != "http" {
		return nil, FormatError{fmt.Sprintf("unexpected scheme %q in pre-signed URL", u.Scheme)}
	}
	if u.Path != "/" {
		return nil, FormatError{"unexpected path in pre-signed URL"}
	}
	return u, checkQuery(u.RawQuery)
}

// allowed are the only parameters of a token's URL, in lower case.
var allowed = map[string]bool{
	"action": true, "version": true, "x-amz-algorithm": true, "x-amz-credential": true, "x-amz-date": true,
	"x-amz-expires": true, "x-amz-security-token": true, "x-amz-signature": true, "x-amz-signedheaders": true,
}

func checkQuery(raw string) error {
	query, err := url.ParseQuery(raw)
	if err != nil {
		return FormatError{"malformed query parameter"}
	}
	lower := map[string]string{}
	for name, values := range query {
		key := strings.ToLower(name)
		if !allowed[key] {
			return FormatError{fmt.Sprintf("non-whitelisted query parameter %q", name)}
		}
		if _, twice := lower[key]; twice || len(values) != 1 {
			return FormatError{fmt.Sprintf("duplicate query parameter found: %q", name)}
		}
		lower[key] = values[0]
	}
	if lower["action"] != "GetCallerIdentity" {
		return FormatError{"unexpected action parameter in pre-signed URL"}
	}
	if !signs(lower["x-amz-signedheaders"], clusterHeader) {
		return FormatError{fmt.Sprintf("client did not sign the %s header in the pre-signed URL", clusterHeader)}
	}
	if expires, err := strconv.Atoi(lower["x-amz-expires"]); err != nil || expires < 0 || expires > 900 {
		return FormatError{fmt.Sprintf("invalid X-Amz-Expires parameter in pre-signed URL: %s", lower["x-amz-expires"])}
	}
	if lower["x-amz-date"] == "" {
		return FormatError{"X-Amz-Date parameter must be present in pre-signed URL"}
	}
	return nil
}

func signs(list, header string) bool {
	for h := range strings.SplitSeq(list, ";") {
		if strings.EqualFold(h, header) {
			return true
		}
	}
	return false
}

// Token makes a token out of a presigned URL.
func Token(presigned string) string {
	return prefix + base64.RawURLEncoding.EncodeToString([]byte(presigned))
}

var errNotMapped = errors.New("the identity is not mapped in the cluster")
