package restjson

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

// structure is a structure shape laid over a Go struct type.
type structure struct {
	members map[string]*member // by the name in the body
	labels  []*member
	queries []*member
}

type member struct {
	name  string // in the model
	wire  string // in the body or the query
	index int    // of the Go field
	value *value
}

// value is a shape laid over a Go type.
type value struct {
	shape     smithy.ShapeType
	pointer   bool
	goType    reflect.Type // behind the pointer
	element   *value       // of a list or a map
	structure *structure
}

func newStructure(schema *smithy.Schema, t reflect.Type, seen map[reflect.Type]*structure) (*structure, error) {
	if s, ok := seen[t]; ok {
		return s, nil
	}
	s := &structure{members: map[string]*member{}}
	seen[t] = s
	for name, m := range schema.Members() {
		f, ok := t.FieldByName(strings.ToUpper(name[:1]) + name[1:])
		if !ok {
			return nil, fmt.Errorf("laying %s over %s: no field for %s", schema.ID().Name, t, name)
		}
		if bound(m) {
			return nil, fmt.Errorf("laying %s over %s: the binding of %s is not built", schema.ID().Name, t, name)
		}
		v, err := newValue(m, f.Type, seen)
		if err != nil {
			return nil, err
		}
		s.place(m, &member{name: name, wire: name, index: f.Index[0], value: v})
	}
	slices.SortFunc(s.queries, func(a, b *member) int { return strings.Compare(a.name, b.name) })
	return s, nil
}

func (s *structure) place(schema *smithy.Schema, m *member) {
	if _, ok := smithy.SchemaTrait[*traits.HTTPLabel](schema); ok {
		s.labels = append(s.labels, m)
		return
	}
	if q, ok := smithy.SchemaTrait[*traits.HTTPQuery](schema); ok {
		m.wire = q.Name
		s.queries = append(s.queries, m)
		return
	}
	if j, ok := smithy.SchemaTrait[*traits.JSONName](schema); ok {
		m.wire = j.Name
	}
	s.members[m.wire] = m
}

func newValue(schema *smithy.Schema, t reflect.Type, seen map[reflect.Type]*structure) (*value, error) {
	v := &value{shape: schema.Type(), goType: t}
	if t.Kind() == reflect.Pointer {
		v.pointer, v.goType = true, t.Elem()
	}
	var err error
	want := v.goType.Kind()
	switch v.shape {
	case smithy.ShapeTypeString, smithy.ShapeTypeEnum:
		want = reflect.String
	case smithy.ShapeTypeBoolean:
		want = reflect.Bool
	case smithy.ShapeTypeInteger:
		want = reflect.Int32
	case smithy.ShapeTypeLong:
		want = reflect.Int64
	case smithy.ShapeTypeFloat:
		want = reflect.Float32
	case smithy.ShapeTypeDouble:
		want = reflect.Float64
	case smithy.ShapeTypeTimestamp:
		if v.goType != reflect.TypeFor[time.Time]() {
			want = reflect.Invalid
		}
	case smithy.ShapeTypeList:
		want = reflect.Slice
		if v.goType.Kind() == want {
			v.element, err = newValue(schema.ListMember(), v.goType.Elem(), seen)
		}
	case smithy.ShapeTypeMap:
		want = reflect.Map
		if v.goType.Kind() == want {
			v.element, err = newValue(schema.MapValue(), v.goType.Elem(), seen)
		}
	case smithy.ShapeTypeStructure:
		want = reflect.Struct
		if v.goType.Kind() == want {
			v.structure, err = newStructure(schema, v.goType, seen)
		}
	default:
		want = reflect.Invalid
	}
	if err == nil && v.goType.Kind() != want {
		err = fmt.Errorf("laying %s over %s: the pair is not built", schema.ID(), t)
	}
	return v, err
}
