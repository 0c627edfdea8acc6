package awsapi

import (
	"errors"
	"net/http"

	"berth.dev/berth/internal/awsapi/constraint"
	"berth.dev/berth/internal/awsapi/sigv4"
	"berth.dev/berth/internal/fault"
)

// dialect is how a protocol spells the refusals that are not the domain's.
type dialect struct {
	signature      map[sigv4.Reason]refusal
	denied         refusal
	invalid        string // the code of a violated constraint
	notImplemented string
	internal       refusal
	// patterned words a violated pattern in the service's own way; nil for the
	// common way.
	patterned func(constraint.Violation) string
}

type refusal struct {
	code   string
	status int
	// text stands in for the message of the check, when not empty.
	text string
}

func (r refusal) fault(message string) *fault.Error {
	if r.text != "" {
		message = r.text
	}
	return fault.New(r.status, r.code, "%s", message)
}

var restDialect = dialect{
	signature: map[sigv4.Reason]refusal{
		sigv4.Missing:      {code: "MissingAuthenticationTokenException", status: http.StatusForbidden, text: "Missing Authentication Token"},
		sigv4.Incomplete:   {code: "IncompleteSignatureException", status: http.StatusForbidden},
		sigv4.UnknownKey:   {code: "UnrecognizedClientException", status: http.StatusForbidden},
		sigv4.Mismatch:     {code: "InvalidSignatureException", status: http.StatusForbidden},
		sigv4.Expired:      {code: "InvalidSignatureException", status: http.StatusForbidden},
		sigv4.TokenExpired: {code: "ExpiredTokenException", status: http.StatusForbidden},
	},
	denied:         refusal{code: "AccessDeniedException", status: http.StatusForbidden},
	invalid:        "InvalidParameterException",
	notImplemented: "NotImplementedException",
	internal:       refusal{code: "ServerException", status: http.StatusInternalServerError},
	patterned:      eksPattern,
}

var queryDialect = dialect{
	signature: map[sigv4.Reason]refusal{
		sigv4.Missing:      {code: "MissingAuthenticationToken", status: http.StatusForbidden},
		sigv4.Incomplete:   {code: "IncompleteSignature", status: http.StatusForbidden},
		sigv4.UnknownKey:   {code: "InvalidClientTokenId", status: http.StatusForbidden},
		sigv4.Mismatch:     {code: "SignatureDoesNotMatch", status: http.StatusForbidden},
		sigv4.Expired:      {code: "SignatureDoesNotMatch", status: http.StatusForbidden},
		sigv4.TokenExpired: {code: "ExpiredToken", status: http.StatusForbidden},
	},
	denied:         refusal{code: "AccessDenied", status: http.StatusForbidden},
	invalid:        "ValidationError",
	notImplemented: "NotImplemented",
	internal:       refusal{code: "InternalFailure", status: http.StatusInternalServerError},
}

var ec2Dialect = dialect{
	signature: map[sigv4.Reason]refusal{
		sigv4.Missing:      {code: "MissingAuthenticationToken", status: http.StatusForbidden},
		sigv4.Incomplete:   {code: "IncompleteSignature", status: http.StatusForbidden},
		sigv4.UnknownKey:   {code: "AuthFailure", status: http.StatusUnauthorized, text: "AWS was not able to validate the provided access credentials"},
		sigv4.Mismatch:     {code: "SignatureDoesNotMatch", status: http.StatusForbidden},
		sigv4.Expired:      {code: "RequestExpired", status: http.StatusBadRequest, text: "Request has expired."},
		sigv4.TokenExpired: {code: "RequestExpired", status: http.StatusBadRequest, text: "Request has expired."},
	},
	denied:         refusal{code: "UnauthorizedOperation", status: http.StatusForbidden},
	invalid:        "InvalidParameterValue",
	notImplemented: "NotImplemented",
	internal:       refusal{code: "InternalError", status: http.StatusInternalServerError},
}

const internalText = "The request processing has failed because of an unknown error, exception or failure."

// asFault turns whatever a stage answered into what the caller sees; what is no
// refusal becomes an internal failure with its cause kept for the log.
func (d dialect) asFault(err error) *fault.Error {
	var told *fault.Error
	if errors.As(err, &told) {
		if told.Status == 0 {
			c := *told
			c.Status = http.StatusBadRequest
			return &c
		}
		return told
	}
	var signature *sigv4.Error
	if errors.As(err, &signature) {
		return d.signature[signature.Reason].fault(signature.Message)
	}
	return d.internal.fault(internalText).Because(err)
}

// eksPattern is EKS's own wording, observed.
func eksPattern(v constraint.Violation) string {
	return "The parameter " + v.Path + " contains invalid characters. It should conform to the regular expression \"^[0-9A-Za-z][A-Za-z0-9-_]*\"" +
		"In other words, it should start with a number or letter, and can contain numbers, letters, dashes, and underscores."
}

// constrained words violated constraints; nil when there are none.
func (d dialect) constrained(found []constraint.Violation) error {
	if len(found) == 0 {
		return nil
	}
	message := constraint.Message(found)
	if found[0].Kind == constraint.Pattern && d.patterned != nil {
		message = d.patterned(found[0])
	}
	return fault.New(http.StatusBadRequest, d.invalid, "%s", message)
}
