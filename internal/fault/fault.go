// Package fault is the error that crosses an API: a code and a message that
// the caller sees, and a cause that only the log sees. Each protocol has one
// encoder for it; every error that is not a *Error becomes an internal failure.
// Every package may import it; it imports none of ours.
package fault

import (
	"errors"
	"fmt"
	"maps"
)

// Error is a refusal or failure in AWS's own words.
type Error struct {
	// Code is the AWS error code, for example ResourceNotFoundException.
	Code string
	// Message is what the caller reads.
	Message string
	// Status is the HTTP status.
	Status int
	// Fields are further members of the modelled error, for example
	// clusterName; a nil value is sent as null.
	Fields map[string]any
	// Cause is for the log alone.
	Cause error
}

// New makes an error with a formatted public message.
func New(status int, code, format string, args ...any) *Error {
	return &Error{Code: code, Status: status, Message: fmt.Sprintf(format, args...)}
}

func (e *Error) Error() string {
	if e.Cause != nil {
		return e.Code + ": " + e.Message + ": " + e.Cause.Error()
	}
	return e.Code + ": " + e.Message
}

// Unwrap gives the private cause.
func (e *Error) Unwrap() error { return e.Cause }

// With returns a copy that carries one more member of the modelled error.
func (e *Error) With(field string, value any) *Error {
	c := *e
	c.Fields = maps.Clone(e.Fields)
	if c.Fields == nil {
		c.Fields = map[string]any{}
	}
	c.Fields[field] = value
	return &c
}

// Because returns a copy with a private cause.
func (e *Error) Because(cause error) *Error {
	c := *e
	c.Cause = cause
	return &c
}

// Code is the AWS code of err, or "" when err carries none.
func Code(err error) string {
	var f *Error
	if errors.As(err, &f) {
		return f.Code
	}
	return ""
}
