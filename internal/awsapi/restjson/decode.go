package restjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
	smithy "github.com/aws/smithy-go"
)

func malformed(format string, args ...any) *fault.Error {
	return fault.New(http.StatusBadRequest, "SerializationException", format, args...)
}

// Decode fills in, a pointer to the call's input struct.
func (c *Codec) Decode(r *wire.Request, call wire.Call, in any) error {
	op := c.operations[call.Operation]
	target := reflect.ValueOf(in).Elem()
	if err := op.input.body(r.Body, target); err != nil {
		return err
	}
	for _, m := range op.input.queries {
		if err := m.query(r.Query[m.wire], target.Field(m.index)); err != nil {
			return err
		}
	}
	for _, m := range op.input.labels {
		if err := m.value.text(call.Labels[m.name], target.Field(m.index)); err != nil {
			return err
		}
	}
	return nil
}

func (s *structure) body(body []byte, target reflect.Value) error {
	if len(s.members) == 0 || len(bytes.TrimSpace(body)) == 0 {
		return nil
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return malformed("The request body is not valid JSON.").Because(err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return malformed("The request body is not valid JSON: it goes on after its end.")
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return malformed("%s found where a structure was expected.", kind(tree))
	}
	return s.decode(object, target)
}

func (s *structure) decode(object map[string]any, target reflect.Value) error {
	for name, x := range object {
		m, known := s.members[name]
		if !known || x == nil {
			continue
		}
		if err := m.value.decode(x, target.Field(m.index)); err != nil {
			return err
		}
	}
	return nil
}

func (v *value) decode(x any, target reflect.Value) error {
	if v.pointer {
		target.Set(reflect.New(v.goType))
		target = target.Elem()
	}
	switch v.shape {
	case smithy.ShapeTypeStructure:
		object, ok := x.(map[string]any)
		if !ok {
			return malformed("%s found where a structure was expected.", kind(x))
		}
		return v.structure.decode(object, target)
	case smithy.ShapeTypeList:
		return v.list(x, target)
	case smithy.ShapeTypeMap:
		return v.mapping(x, target)
	default:
		return v.scalar(x, target)
	}
}

func (v *value) list(x any, target reflect.Value) error {
	items, ok := x.([]any)
	if !ok {
		return malformed("Expected list or null")
	}
	list := reflect.MakeSlice(v.goType, 0, len(items))
	for _, item := range items {
		if item == nil {
			continue
		}
		element := reflect.New(v.goType.Elem()).Elem()
		if err := v.element.decode(item, element); err != nil {
			return err
		}
		list = reflect.Append(list, element)
	}
	target.Set(list)
	return nil
}

func (v *value) mapping(x any, target reflect.Value) error {
	entries, ok := x.(map[string]any)
	if !ok {
		return malformed("Expected map or null")
	}
	m := reflect.MakeMapWithSize(v.goType, len(entries))
	for name, entry := range entries {
		if entry == nil {
			continue
		}
		element := reflect.New(v.goType.Elem()).Elem()
		if err := v.element.decode(entry, element); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(name).Convert(v.goType.Key()), element)
	}
	target.Set(m)
	return nil
}

func (v *value) scalar(x any, target reflect.Value) error {
	switch got := x.(type) {
	case string:
		if v.goType.Kind() == reflect.String {
			target.SetString(got)
			return nil
		}
	case bool:
		if v.goType.Kind() == reflect.Bool {
			target.SetBool(got)
			return nil
		}
	case json.Number:
		return v.number(got.String(), target)
	}
	return v.wrong(kind(x))
}

func (v *value) number(text string, target reflect.Value) error {
	switch v.shape {
	case smithy.ShapeTypeInteger, smithy.ShapeTypeLong:
		n, err := strconv.ParseInt(text, 10, v.goType.Bits())
		if err != nil {
			return v.wrong("NUMBER_VALUE " + text)
		}
		target.SetInt(n)
	case smithy.ShapeTypeFloat, smithy.ShapeTypeDouble:
		n, err := strconv.ParseFloat(text, v.goType.Bits())
		if err != nil {
			return v.wrong("NUMBER_VALUE " + text)
		}
		target.SetFloat(n)
	case smithy.ShapeTypeTimestamp:
		seconds, err := strconv.ParseFloat(text, 64)
		if err != nil || math.Abs(seconds) > 1<<40 {
			return v.wrong("NUMBER_VALUE " + text)
		}
		target.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()))
	default:
		return v.wrong("NUMBER_VALUE")
	}
	return nil
}

// query decodes a member that travels in the query string.
func (m *member) query(values []string, target reflect.Value) error {
	if len(values) == 0 {
		return nil
	}
	if m.value.shape != smithy.ShapeTypeList {
		return m.value.text(values[0], target)
	}
	list := reflect.MakeSlice(m.value.goType, len(values), len(values))
	for i, text := range values {
		if err := m.value.element.text(text, list.Index(i)); err != nil {
			return err
		}
	}
	target.Set(list)
	return nil
}

// text decodes a scalar that was sent as text, in the path or the query.
func (v *value) text(text string, target reflect.Value) error {
	if v.pointer {
		target.Set(reflect.New(v.goType))
		target = target.Elem()
	}
	switch v.shape {
	case smithy.ShapeTypeString, smithy.ShapeTypeEnum:
		target.SetString(text)
		return nil
	case smithy.ShapeTypeBoolean:
		if text != "true" && text != "false" {
			return v.wrong("STRING_VALUE")
		}
		target.SetBool(text == "true")
		return nil
	case smithy.ShapeTypeTimestamp:
		when, err := time.Parse(time.RFC3339, text)
		if err != nil {
			return v.wrong("STRING_VALUE")
		}
		target.Set(reflect.ValueOf(when.UTC()))
		return nil
	default:
		return v.number(text, target)
	}
}

func (v *value) wrong(got string) error {
	want := map[smithy.ShapeType]string{
		smithy.ShapeTypeString: "String", smithy.ShapeTypeEnum: "String", smithy.ShapeTypeBoolean: "Boolean",
		smithy.ShapeTypeInteger: "Integer", smithy.ShapeTypeLong: "Long", smithy.ShapeTypeFloat: "Float",
		smithy.ShapeTypeDouble: "Double", smithy.ShapeTypeTimestamp: "Timestamp",
	}[v.shape]
	return malformed("%s cannot be converted to %s", got, want)
}

// kind names a JSON value as AWS's parser does.
func kind(x any) string {
	switch got := x.(type) {
	case nil:
		return "NULL_VALUE"
	case string:
		return "STRING_VALUE"
	case bool:
		if got {
			return "TRUE_VALUE"
		}
		return "FALSE_VALUE"
	case json.Number:
		return "NUMBER_VALUE"
	case []any:
		return "Start of list"
	case map[string]any:
		return "Start of structure or map"
	default:
		return fmt.Sprintf("%T", x)
	}
}
