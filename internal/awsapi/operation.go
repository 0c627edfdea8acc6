package awsapi

import (
	"context"
	"reflect"

	"berth.dev/berth/internal/awsapi/wire"
)

// Operation is one API operation that is implemented.
type Operation struct {
	Name          string
	input, output reflect.Type
	invoke        func(context.Context, any) (any, error)
	resources     func(any) []string
	anonymous     bool
	unchecked     bool
}

// Op is an operation whose shapes are the structs I and O. f finds the caller
// with principal.FromContext and refuses with a *fault.Error.
func Op[I, O any](name string, f func(context.Context, *I) (*O, error)) Operation {
	return Operation{
		Name:   name,
		input:  reflect.TypeFor[I](),
		output: reflect.TypeFor[O](),
		invoke: func(ctx context.Context, in any) (any, error) {
			out, err := f(ctx, in.(*I))
			if err == nil && out == nil {
				out = new(O)
			}
			return out, err
		},
	}
}

// On returns op with the resources (ARNs) that a request acts on, for
// authorisation; without it they are what the service derives, or "*".
func On[I any](op Operation, resources func(*I) []string) Operation {
	op.resources = func(in any) []string { return resources(in.(*I)) }
	return op
}

// Anonymous returns op open to requests without a signature, such as
// AssumeRoleWithWebIdentity. A signature that is there must still be right.
func (op Operation) Anonymous() Operation {
	op.anonymous, op.unchecked = true, true
	return op
}

// Unchecked returns op free of authorisation, such as GetCallerIdentity.
func (op Operation) Unchecked() Operation {
	op.unchecked = true
	return op
}

func (op Operation) binding() wire.Binding {
	return wire.Binding{Name: op.Name, Input: op.input, Output: op.output}
}
