package kubeauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth/internal/awsapi/sigv4"
	"berth.dev/berth/internal/principal"
)

// User is a Kubernetes user.
type User struct {
	Name   string
	Groups []string
}

// Mapper maps AWS identities to the users of a cluster.
type Mapper interface {
	// Map returns the user of an identity; ok is false when the cluster maps it
	// to nobody. The error is for a failure to find out.
	Map(ctx context.Context, cluster string, p principal.Principal) (u User, ok bool, err error)
}

// Webhook answers a cluster's token reviews.
type Webhook struct {
	Cluster string
	Keys    sigv4.Keys
	Mapper  Mapper
	Now     func() time.Time
	Log     *slog.Logger
}

// maxReview is the size of a token review, in bytes.
const maxReview = 64 << 10

// ServeHTTP implements http.Handler for POST /authenticate.
func (w *Webhook) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost {
		http.Error(rw, "expected POST", http.StatusMethodNotAllowed)
		return
	}
	var review authenticationv1.TokenReview
	if err := json.NewDecoder(http.MaxBytesReader(rw, r.Body, maxReview)).Decode(&review); err != nil {
		http.Error(rw, "expected a request body of kind TokenReview", http.StatusBadRequest)
		return
	}
	status, err := w.review(r.Context(), review.Spec.Token)
	code := http.StatusOK
	if err != nil {
		w.Log.Info("access denied", "cluster", w.Cluster, "error", err)
		status = authenticationv1.TokenReviewStatus{}
		code = http.StatusForbidden
	}
	rw.Header().Set("Content-Type", "application/json")
	rw.WriteHeader(code)
	answer := authenticationv1.TokenReview{
		TypeMeta: metav1.TypeMeta{APIVersion: authenticationv1.SchemeGroupVersion.String(), Kind: "TokenReview"},
		Status:   status,
	}
	if err := json.NewEncoder(rw).Encode(answer); err != nil {
		w.Log.Debug("answering a token review", "cluster", w.Cluster, "error", err)
	}
}

func (w *Webhook) review(ctx context.Context, token string) (authenticationv1.TokenReviewStatus, error) {
	var none authenticationv1.TokenReviewStatus
	p, err := Verify(ctx, token, w.Cluster, w.Keys, w.Now())
	if err != nil {
		return none, err
	}
	u, ok, err := w.Mapper.Map(ctx, w.Cluster, p)
	if err != nil {
		return none, fmt.Errorf("mapping %s: %w", p.ARN, err)
	}
	if !ok {
		return none, fmt.Errorf("mapping %s: %w", p.ARN, errNotMapped)
	}
	w.Log.Debug("access granted", "cluster", w.Cluster, "arn", p.ARN.String(), "user", u.Name)
	return authenticationv1.TokenReviewStatus{
		Authenticated: true,
		User: authenticationv1.UserInfo{
			Username: u.Name, Groups: u.Groups,
			UID: "aws-iam-authenticator:" + p.Account + ":" + p.UserID,
			Extra: map[string]authenticationv1.ExtraValue{
				"arn":          {p.ARN.String()},
				"canonicalArn": {p.Issuer().String()},
				"sessionName":  {p.SessionName},
				"accessKeyId":  {p.AccessKeyID},
				"principalId":  {p.UserID},
				"sigs.k8s.io/aws-iam-authenticator/principalId": {p.UserID},
			},
		},
	}, nil
}

// Denied says whether an error of Mapper or Verify is a refusal, not a failure.
func Denied(err error) bool {
	var format FormatError
	var signature *sigv4.Error
	return errors.Is(err, errNotMapped) || errors.As(err, &format) || errors.As(err, &signature)
}
