package iam

import (
	"errors"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/iam/policy"
)

// The refusals of IAM, with the HTTP status that each code has.
const (
	statusBadRequest = 400
	statusForbidden  = 403
	statusNotFound   = 404
	statusConflict   = 409
)

func invalid(format string, args ...any) *fault.Error {
	return fault.New(statusBadRequest, "ValidationError", format, args...)
}

func noSuchEntity(format string, args ...any) *fault.Error {
	return fault.New(statusNotFound, "NoSuchEntity", format, args...)
}

func alreadyExists(format string, args ...any) *fault.Error {
	return fault.New(statusConflict, "EntityAlreadyExists", format, args...)
}

func deleteConflict(format string, args ...any) *fault.Error {
	return fault.New(statusConflict, "DeleteConflict", format, args...)
}

func limitExceeded(format string, args ...any) *fault.Error {
	return fault.New(statusConflict, "LimitExceeded", format, args...)
}

func unmodifiable(format string, args ...any) *fault.Error {
	return fault.New(statusBadRequest, "UnmodifiableEntity", format, args...)
}

func malformedPolicy(format string, args ...any) *fault.Error {
	return fault.New(statusBadRequest, "MalformedPolicyDocument", format, args...)
}

func accessDenied(format string, args ...any) *fault.Error {
	return fault.New(statusForbidden, "AccessDenied", format, args...)
}

func noRole(name string) *fault.Error {
	return noSuchEntity("The role with name %s cannot be found.", name)
}

func noUser(name string) *fault.Error {
	return noSuchEntity("The user with name %s cannot be found.", name)
}

func noPolicy(arn string) *fault.Error {
	return noSuchEntity("Policy %s does not exist or is not attachable.", arn)
}

// parsePolicy reads a document that a caller sent.
func parsePolicy(kind policy.Kind, text string) (policy.Document, error) {
	d, err := policy.Parse(kind, text)
	var bad *policy.Error
	if errors.As(err, &bad) {
		return d, malformedPolicy("%s", bad.Message).Because(err)
	}
	return d, err
}
