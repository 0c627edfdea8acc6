package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"

	"github.com/aws/smithy-go"
)

// UsageError is a command line that cannot be meant; berth then exits with 2.
type UsageError struct{ Message string }

func (e *UsageError) Error() string { return e.Message }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error {
	return &UsageError{Message: fmt.Sprintf(format, args...)}
}

// Code is the AWS error code of an error, empty if it has none.
func Code(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// NotFound says whether an AWS API answered that something does not exist.
func NotFound(err error) bool {
	code := Code(err)
	return code == "ResourceNotFoundException" || code == "NoSuchEntity" || strings.HasSuffix(code, ".NotFound")
}

// Explain puts an error into one line for a user: what AWS answered, without
// the transport's details, and what to do next where that is known.
func Explain(err error) string {
	text := err.Error()
	var op *smithy.OperationError
	if errors.As(err, &op) {
		text = strings.Replace(text, op.Error(), brief(op), 1)
	}
	text = strings.Join(strings.Fields(strings.ReplaceAll(text, "\n", " ")), " ")
	text = strings.ReplaceAll(text, ".: ", ": ")
	if hint := hint(err); hint != "" {
		text = strings.TrimSuffix(text, ".") + ": " + hint
	}
	return text
}

func brief(op *smithy.OperationError) string {
	var api smithy.APIError
	if errors.As(op, &api) {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	var network *net.OpError
	if errors.As(op, &network) {
		return network.Error()
	}
	return op.Error()
}

func hint(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) && strings.Contains(api.ErrorMessage(), "scoped to a valid region") {
		return "this Berth serves another region, the one that 'berth env' prints; leave out --region and unset AWS_REGION, or start a second Berth with 'berth up --region … --data-dir … --listen …'"
	}
	switch Code(err) {
	case "UnrecognizedClientException", "InvalidClientTokenId", "InvalidSignatureException", "SignatureDoesNotMatch", "AuthFailure":
		return `this Berth does not know the key that was used; take its own with: eval "$(berth env)"`
	case "":
	default:
		return ""
	}
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nothing listens there; start Berth with 'berth up', or point AWS_ENDPOINT_URL to one that runs"
	case errors.Is(err, context.Canceled):
		return "interrupted"
	}
	return ""
}
