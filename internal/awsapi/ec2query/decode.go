package ec2query

import (
	"encoding"
	"encoding/base64"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
)

// Decode fills in, a pointer to the call's input struct.
func (c *Codec) Decode(r *wire.Request, _ wire.Call, in any) error {
	return c.structure(wire.NewParams(r.Form), reflect.ValueOf(in).Elem())
}

func (c *Codec) structure(p wire.Params, target reflect.Value) error {
	for _, f := range c.structs[target.Type()] {
		set, err := c.member(p, f.request, target.FieldByIndex(f.index))
		if err != nil {
			return err
		}
		if f.required && !set {
			return fault.New(http.StatusBadRequest, "MissingParameter", "The request must contain the parameter %s", path(p, f.request))
		}
	}
	return nil
}

func path(p wire.Params, name string) string { return strings.TrimPrefix(p.Name()+"."+name, ".") }

// member decodes the parameter name of p, if it is there.
func (c *Codec) member(p wire.Params, name string, target reflect.Value) (set bool, err error) {
	text, here := p.Get(name)
	below := p.Under(name)
	if !here && below.Empty() {
		return false, nil
	}
	t := target.Type()
	switch {
	case t.Kind() == reflect.Pointer:
		fresh := reflect.New(t.Elem())
		set, err = c.member(p, name, fresh.Elem())
		if set && err == nil {
			target.Set(fresh)
		}
		return set, err
	case t.Kind() == reflect.Slice && t != byteType && !textual(t):
		return c.list(below, target)
	case t.Kind() == reflect.Struct && t != timeType && !textual(t):
		return !below.Empty(), c.structure(below, target)
	case !here:
		return false, nil
	case !scalar(text, target):
		return true, fault.New(http.StatusBadRequest, "InvalidParameterValue", "Value (%s) for parameter %s is invalid.", text, path(p, name))
	}
	return true, nil
}

func (c *Codec) list(p wire.Params, target reflect.Value) (set bool, err error) {
	numbers := p.Numbers()
	list := reflect.MakeSlice(target.Type(), 0, len(numbers))
	for _, n := range numbers {
		element := reflect.New(target.Type().Elem()).Elem()
		if _, err := c.member(p, n, element); err != nil {
			return true, err
		}
		list = reflect.Append(list, element)
	}
	target.Set(list)
	return len(numbers) > 0, nil
}

// scalar parses text into target; false when it is no such value.
func scalar(text string, target reflect.Value) bool {
	switch t := target.Type(); {
	case t == timeType:
		when, err := time.Parse(time.RFC3339, text)
		target.Set(reflect.ValueOf(when.UTC()))
		return err == nil
	case t == byteType:
		b, err := base64.StdEncoding.DecodeString(text)
		target.SetBytes(b)
		return err == nil
	case textual(t):
		return target.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)) == nil
	}
	switch bits := target.Type(); {
	case target.Kind() == reflect.String:
		target.SetString(text)
		return true
	case target.Kind() == reflect.Bool:
		yes := strings.EqualFold(text, "true")
		target.SetBool(yes)
		return yes || strings.EqualFold(text, "false")
	case target.CanInt():
		n, err := strconv.ParseInt(text, 10, bits.Bits())
		target.SetInt(n)
		return err == nil
	case target.CanUint():
		n, err := strconv.ParseUint(text, 10, bits.Bits())
		target.SetUint(n)
		return err == nil
	default:
		f, err := strconv.ParseFloat(text, bits.Bits())
		target.SetFloat(f)
		return err == nil
	}
}
