package eks

import (
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// subject names what a refusal is about: it fills the members that EKS's
// errors carry.
type subject struct{ cluster, profile string }

func (s subject) refuse(status int, code, format string, args ...any) *fault.Error {
	return s.on(fault.New(status, code, format, args...))
}

// on adds the members to a refusal; the ones without a value are null, as EKS
// sends them.
func (s subject) on(f *fault.Error) *fault.Error {
	return f.With("clusterName", orNull(s.cluster)).
		With("nodegroupName", nil).
		With("fargateProfileName", orNull(s.profile)).
		With("addonName", nil)
}

// about does what on does for an error that may be a refusal or nil.
func (s subject) about(err error) error {
	var f *fault.Error
	if errors.As(err, &f) {
		return s.on(f)
	}
	return err
}

func (s subject) badParameter(format string, args ...any) *fault.Error {
	return s.refuse(400, "InvalidParameterException", format, args...)
}

func (s subject) badRequest(format string, args ...any) *fault.Error {
	return s.refuse(400, "InvalidRequestException", format, args...)
}

func (s subject) inUse(format string, args ...any) *fault.Error {
	return s.refuse(409, "ResourceInUseException", format, args...)
}

func (s subject) overLimit(format string, args ...any) *fault.Error {
	return s.refuse(400, "ResourceLimitExceededException", format, args...)
}

func noCluster(name string) *fault.Error {
	return subject{cluster: name}.refuse(404, "ResourceNotFoundException", "No cluster found for name: %s.", name)
}

func noProfile(cluster, name string) *fault.Error {
	return subject{cluster, name}.refuse(404, "ResourceNotFoundException", "No Fargate Profile found with name: %s.", name)
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// absent turns the store's ErrNotFound into a refusal.
func absent(err error, refusal *fault.Error) error {
	if errors.Is(err, store.ErrNotFound) {
		return refusal
	}
	return err
}

// str reads an optional string.
func str(p *string) string { return aws.ToString(p) }
