package restjson

import (
	"fmt"
	"net/http"
	"reflect"
	"slices"

	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// Codec is the wire format of one service; it is immutable after New.
type Codec struct {
	routes     *node
	operations map[string]*operation
}

type operation struct {
	name  string
	code  int
	input *structure
}

// New compiles the routes of every operation of a model and the shapes of those
// that are bound.
func New(model []*smithy.OperationSchema, bindings []wire.Binding) (*Codec, error) {
	c := &Codec{routes: &node{}, operations: map[string]*operation{}}
	schemas := map[string]*smithy.OperationSchema{}
	for _, op := range model {
		http, ok := smithy.SchemaTrait[*traits.HTTP](op.Schema)
		if !ok {
			return nil, fmt.Errorf("routing %s: the model has no HTTP trait", op.ID().Name)
		}
		if err := c.routes.add(http.Method, http.URI, op.ID().Name); err != nil {
			return nil, err
		}
		schemas[op.ID().Name] = op
	}
	for _, b := range bindings {
		op, ok := schemas[b.Name]
		if !ok {
			return nil, fmt.Errorf("binding %s: not in the model", b.Name)
		}
		compiled, err := compile(op, b)
		if err != nil {
			return nil, fmt.Errorf("binding %s: %w", b.Name, err)
		}
		c.operations[b.Name] = compiled
	}
	return c, nil
}

func compile(op *smithy.OperationSchema, b wire.Binding) (*operation, error) {
	http, _ := smithy.SchemaTrait[*traits.HTTP](op.Schema)
	input, err := newStructure(op.Input, b.Input, map[reflect.Type]*structure{})
	if err != nil {
		return nil, err
	}
	if !reflect.PointerTo(b.Output).Implements(reflect.TypeFor[smithy.Serializable]()) {
		return nil, fmt.Errorf("encoding %s: it does not serialise itself", b.Output)
	}
	for name, m := range op.Output.Members() {
		if bound(m) {
			return nil, fmt.Errorf("encoding %s: member %s is not in the body", b.Output, name)
		}
	}
	return &operation{name: b.Name, code: http.Code, input: input}, nil
}

// bound: the member travels outside of the JSON body in a way not built here.
func bound(m *smithy.Schema) bool {
	_, header := smithy.SchemaTrait[*traits.HTTPHeader](m)
	_, payload := smithy.SchemaTrait[*traits.HTTPPayload](m)
	_, prefix := smithy.SchemaTrait[*traits.HTTPPrefixHeaders](m)
	_, code := smithy.SchemaTrait[*traits.HTTPResponseCode](m)
	_, params := smithy.SchemaTrait[*traits.HTTPQueryParams](m)
	return header || payload || prefix || code || params
}

// Operations are the model's operations, sorted.
func Operations(model []*smithy.OperationSchema) []string {
	names := make([]string, len(model))
	for i, op := range model {
		names[i] = op.ID().Name
	}
	slices.Sort(names)
	return names
}

// Route finds the operation by method and path; UnknownOperationException (404)
// when the model has none.
func (c *Codec) Route(r *wire.Request) (wire.Call, error) {
	name, labels, ok := c.routes.find(r.Method, r.Path)
	if !ok {
		return wire.Call{}, fault.New(http.StatusNotFound, "UnknownOperationException", "No operation of this service answers %s %s.", r.Method, r.Path)
	}
	return wire.Call{Operation: name, Labels: labels}, nil
}
