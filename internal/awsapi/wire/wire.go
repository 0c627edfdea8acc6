// Package wire is the small vocabulary between the front door and its protocol
// codecs: a request that was read, the operation it asks for, a response to
// write. The front door and the codecs import it; it imports nothing of ours.
package wire

import (
	"net/http"
	"net/url"
	"reflect"
)

// Request is a request whose body was read.
type Request struct {
	Method string
	// Path is the escaped path, as sent.
	Path   string
	Query  url.Values
	Header http.Header
	Body   []byte
	// Form is the body's parameters, over the query's, when the body is a form;
	// otherwise it is the query.
	Form url.Values
}

// Binding ties an operation's name to the Go structs of its two shapes.
type Binding struct {
	Name          string
	Input, Output reflect.Type
}

// Call is an operation that a request asks for.
type Call struct {
	Operation string
	// Labels are the values that the path carries, by member name.
	Labels map[string]string
}

// Response is what goes back, but for the request id that every one carries.
type Response struct {
	Status int
	Header map[string]string
	Body   []byte
}
