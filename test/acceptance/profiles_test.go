package acceptance

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/smithy-go"
)

// refused checks what the SDK makes of a refusal.
func refused(t *testing.T, err error, status int, code, message string) {
	t.Helper()
	var refusal smithy.APIError
	var response *awshttp.ResponseError
	if !errors.As(err, &refusal) || !errors.As(err, &response) {
		t.Errorf("error = %v, want %d %s", err, status, code)
		return
	}
	if response.HTTPStatusCode() != status || refusal.ErrorCode() != code || !strings.HasPrefix(refusal.ErrorMessage(), message) {
		t.Errorf("error = %d %s %q, want %d %s %q", response.HTTPStatusCode(), refusal.ErrorCode(), refusal.ErrorMessage(), status, code, message)
	}
}

// profiles is how many there may be, and what a token makes of a second call.
func (s *scene) profiles(t *testing.T) {
	in := profileInput("demo", "spare-0", s.n.private, selector("spare"))
	in.ClientRequestToken = aws.String("once")
	first := s.profile(t, in)
	again, err := s.eks().CreateFargateProfile(t.Context(), in)
	if err != nil || *again.FargateProfile.FargateProfileArn != *first.FargateProfileArn {
		t.Errorf("the same call with the same token = %v, %v; want the profile of the first", again, err)
	}
	other := profileInput("demo", "spare-0", s.n.private, selector("else"))
	other.ClientRequestToken = in.ClientRequestToken
	_, err = s.eks().CreateFargateProfile(t.Context(), other)
	refused(t, err, 400, badParameter, "The clientRequestToken was already used by a request with other parameters.")

	s.twoAtOnce(t)
	have, err := s.eks().ListFargateProfiles(t.Context(), &eks.ListFargateProfilesInput{ClusterName: aws.String("demo")})
	if err != nil {
		t.Fatal(err)
	}
	for i := len(have.FargateProfileNames); i < 10; i++ {
		s.profile(t, profileInput("demo", fmt.Sprint("spare-", i), s.n.private, selector("spare")))
	}
	_, err = s.eks().CreateFargateProfile(t.Context(), profileInput("demo", "eleventh", s.n.private, selector("spare")))
	refused(t, err, 400, "ResourceLimitExceededException", "Fargate Profile limit exceeded for cluster demo")
	have, err = s.eks().ListFargateProfiles(t.Context(), &eks.ListFargateProfilesInput{ClusterName: aws.String("demo")})
	if err != nil || len(have.FargateProfileNames) != 10 {
		t.Fatalf("profiles = %v, %v; want ten", have, err)
	}
	for _, name := range have.FargateProfileNames {
		if strings.HasPrefix(name, "spare-") {
			s.deleteProfile(t, "demo", name)
		}
	}
}

// twoAtOnce creates a profile while another one is CREATING. A profile may be
// ACTIVE so soon that the second call comes too late, so that it is tried again.
func (s *scene) twoAtOnce(t *testing.T) {
	for i := range 5 {
		name := fmt.Sprint("spare-a", i)
		if _, err := s.eks().CreateFargateProfile(t.Context(), profileInput("demo", name, s.n.private, selector("spare"))); err != nil {
			t.Fatal(err)
		}
		second := fmt.Sprint("spare-b", i)
		_, err := s.eks().CreateFargateProfile(t.Context(), profileInput("demo", second, s.n.private, selector("spare")))
		s.settled(t, name)
		if err != nil {
			refused(t, err, 409, inUse, fmt.Sprintf("Cannot create Fargate Profile %s because cluster demo currently has Fargate profile %s in status CREATING", second, name))
			s.deleteProfile(t, "demo", name)
			return
		}
		s.settled(t, second)
		s.deleteProfile(t, "demo", name)
		s.deleteProfile(t, "demo", second)
	}
	t.Error("five times a second profile was created at once, none of them while the first was CREATING")
}
