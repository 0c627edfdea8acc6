package ec2query

import (
	"encoding"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"time"

	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
)

// Config describes the service.
type Config struct {
	// Version is the API version, 2016-11-15; requests with another one are
	// answered all the same, as EC2 does.
	Version string
	// Known are all operation names of the model.
	Known    []string
	Bindings []wire.Binding
}

// Codec is the wire format of EC2; it is immutable after New.
type Codec struct {
	namespace string
	known     map[string]bool
	structs   map[reflect.Type][]field
}

// field is a member of a struct type; index leads through embedded structs.
type field struct {
	index     []int
	request   string
	response  string
	required  bool
	omitEmpty bool
}

// New compiles the shapes of every binding.
func New(cfg Config) (*Codec, error) {
	c := &Codec{
		namespace: "http://ec2.amazonaws.com/doc/" + cfg.Version + "/",
		known:     map[string]bool{},
		structs:   map[reflect.Type][]field{},
	}
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
	timeType        = reflect.TypeFor[time.Time]()
	byteType        = reflect.TypeFor[[]byte]()
	textMarshaler   = reflect.TypeFor[encoding.TextMarshaler]()
	textUnmarshaler = reflect.TypeFor[encoding.TextUnmarshaler]()
)

func textual(t reflect.Type) bool {
	return t.Implements(textMarshaler) && reflect.PointerTo(t).Implements(textUnmarshaler)
}

func (c *Codec) compile(t reflect.Type) error {
	if t == timeType || t == byteType || textual(t) {
		return nil
	}
	switch t.Kind() {
	case reflect.Pointer, reflect.Slice:
		return c.compile(t.Elem())
	case reflect.Struct:
		if _, done := c.structs[t]; done {
			return nil
		}
		c.structs[t] = []field{}
		fields, err := c.fields(t, nil)
		c.structs[t] = fields
		return err
	case reflect.String, reflect.Bool, reflect.Float32, reflect.Float64,
		reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return nil
	default:
		return fmt.Errorf("laying parameters over %s: the type is not built", t)
	}
}

func (c *Codec) fields(t reflect.Type, outer []int) ([]field, error) {
	fields := []field{}
	for i := range t.NumField() {
		f := t.Field(i)
		index := append(append([]int{}, outer...), i)
		tag, tagged := f.Tag.Lookup("ec2")
		if tag == "-" || !f.IsExported() && !f.Anonymous {
			continue
		}
		if f.Anonymous && !tagged && f.Type.Kind() == reflect.Struct {
			inner, err := c.fields(f.Type, index)
			if err != nil {
				return nil, err
			}
			fields = append(fields, inner...)
			continue
		}
		if err := c.compile(f.Type); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		parsed, err := parseTag(tag, f.Name)
		if err != nil {
			return nil, fmt.Errorf("%s.%s: %w", t, f.Name, err)
		}
		parsed.index = index
		fields = append(fields, parsed)
	}
	return fields, nil
}

func parseTag(tag, goName string) (field, error) {
	names, options, _ := strings.Cut(tag, ",")
	request, response, two := strings.Cut(names, "/")
	if request == "" {
		request = goName
	}
	if !two || response == "" {
		response = request
	}
	f := field{
		request:  strings.ToUpper(request[:1]) + request[1:],
		response: strings.ToLower(response[:1]) + response[1:],
	}
	for option := range strings.SplitSeq(options, ",") {
		switch option {
		case "":
		case "required":
			f.required = true
		case "omitempty":
			f.omitEmpty = true
		default:
			return field{}, fmt.Errorf("reading the tag %q: unknown option %q", tag, option)
		}
	}
	return f, nil
}

// Route finds the operation by Action; MissingAction or InvalidAction (400)
// when there is none.
func (c *Codec) Route(r *wire.Request) (wire.Call, error) {
	action := r.Form.Get("Action")
	if action == "" {
		return wire.Call{}, fault.New(http.StatusBadRequest, "MissingAction", "The request is missing an action or a required parameter.")
	}
	if !c.known[action] {
		return wire.Call{}, fault.New(http.StatusBadRequest, "InvalidAction", "The action %s is not valid for this web service.", action)
	}
	return wire.Call{Operation: action}, nil
}
