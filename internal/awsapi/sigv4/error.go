package sigv4

import "fmt"

// Reason is why a request was refused.
type Reason int

const (
	// Missing: the request carries no signature at all.
	Missing Reason = iota + 1
	// Incomplete: a part of the signature is absent or malformed.
	Incomplete
	// UnknownKey: no such access key, or the session token is not the key's.
	UnknownKey
	// Mismatch: the signature, its scope or its signed headers are not right.
	Mismatch
	// Expired: the request's time is too far from now, or the URL's life is over.
	Expired
	// TokenExpired: the temporary key's own life is over.
	TokenExpired
)

// Error is a refusal. Message is AWS's text and safe to show to the caller.
type Error struct {
	Reason  Reason
	Message string
}

func (e *Error) Error() string { return e.Message }

func refuse(r Reason, format string, args ...any) *Error {
	return &Error{Reason: r, Message: fmt.Sprintf(format, args...)}
}

const (
	textMissing      = "Request is missing Authentication Token"
	textUnknownKey   = "The security token included in the request is invalid."
	textTokenExpired = "The security token included in the request is expired"
	textMismatch     = "The request signature we calculated does not match the signature you provided. " +
		"Check your AWS Secret Access Key and signing method. Consult the service documentation for details."
)
