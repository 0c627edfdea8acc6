package query

import (
	"fmt"
	"net/http"
	"reflect"
	"time"

	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
)

// Config describes one service.
type Config struct {
	// Version is the API version that requests state, for example 2010-05-08.
	Version string
	// Namespace is the XML namespace of the responses.
	Namespace string
	// Known are all operation names of the model.
	Known    []string
	Bindings []wire.Binding
}

// Codec is the wire format of one service; it is immutable after New.
type Codec struct {
	version, namespace string
	known              map[string]bool
	structs            map[reflect.Type][]field
}

// field is a member of a struct type.
type field struct {
	index int
	name  string
}

// New compiles the shapes of every binding.
func New(cfg Config) (*Codec, error) {
	c := &Codec{version: cfg.Version, namespace: cfg.Namespace, known: map[string]bool{}, structs: map[reflect.Type][]field{}}
	for _, name := range cfg.Known {
		c.known[name] = true
	}
	for _, b := range cfg.Bindings {
		c.known[b.Name] = true
		for _, t := range []reflect.Type{b.Input, b.Output} {
			if err := c.compile(t); err != nil {
				return nil, fmt.Errorf("binding %s: %w", b.Name, err)
			}
		}
	}
	return c, nil
}

var (
	timeType = reflect.TypeFor[time.Time]()
	byteType = reflect.TypeFor[[]byte]()
)

func (c *Codec) compile(t reflect.Type) error {
	switch {
	case t == timeType || t == byteType:
		return nil
	case t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice:
		return c.compile(t.Elem())
	case t.Kind() == reflect.Map && t.Key().Kind() == reflect.String:
		return c.compile(t.Elem())
	case t.Kind() == reflect.Struct:
		return c.compileStruct(t)
	}
	switch t.Kind() {
	case reflect.String, reflect.Bool, reflect.Int32, reflect.Int64, reflect.Float32, reflect.Float64:
		return nil
	default:
		return fmt.Errorf("laying parameters over %s: the type is not built", t)
	}
}

func (c *Codec) compileStruct(t reflect.Type) error {
	if _, done := c.structs[t]; done {
		return nil
	}
	fields := []field{}
	c.structs[t] = fields
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || f.Name == "ResultMetadata" {
			continue
		}
		if err := c.compile(f.Type); err != nil {
			return fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		fields = append(fields, field{i, f.Name})
	}
	c.structs[t] = fields
	return nil
}

// Route finds the operation by Action and Version; MissingAction or
// InvalidAction (400) when there is none.
func (c *Codec) Route(r *wire.Request) (wire.Call, error) {
	action, version := r.Form.Get("Action"), r.Form.Get("Version")
	if action == "" {
		return wire.Call{}, fault.New(http.StatusBadRequest, "MissingAction", "The request is missing an action or a required parameter.")
	}
	if version == "" {
		version = "NO_VERSION_SPECIFIED"
	}
	if !c.known[action] || version != c.version {
		return wire.Call{}, fault.New(http.StatusBadRequest, "InvalidAction", "Could not find operation %s for version %s", action, version)
	}
	return wire.Call{Operation: action}, nil
}
