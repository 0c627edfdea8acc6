package query

import (
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
		for _, name := range []string{f.name, strings.ToLower(f.name[:1]) + f.name[1:]} {
			set, err := c.member(p, name, target.Field(f.index))
			if err != nil {
				return err
			}
			if set {
				break
			}
		}
	}
	return nil
}

// member decodes the parameter name of p, if it is there.
func (c *Codec) member(p wire.Params, name string, target reflect.Value) (set bool, err error) {
	text, here := p.Get(name)
	below := p.Under(name)
	if !here && below.Empty() {
		return false, nil
	}
	t := target.Type()
	if t.Kind() == reflect.Pointer {
		fresh := reflect.New(t.Elem())
		set, err = c.member(p, name, fresh.Elem())
		if set && err == nil {
			target.Set(fresh)
		}
		return set, err
	}
	switch {
	case t == timeType || t == byteType:
	case t.Kind() == reflect.Struct:
		return !below.Empty(), c.structure(below, target)
	case t.Kind() == reflect.Slice:
		return true, c.list(below.Under("member"), target)
	case t.Kind() == reflect.Map:
		return true, c.mapping(below.Under("entry"), target)
	}
	if !here {
		return false, nil
	}
	if !scalar(text, target) {
		return true, fault.New(http.StatusBadRequest, "MalformedInput", "Invalid value for parameter %s: it is not %s.", strings.TrimPrefix(p.Name()+"."+name, "."), noun(t))
	}
	return true, nil
}

func (c *Codec) list(p wire.Params, target reflect.Value) error {
	numbers := p.Numbers()
	list := reflect.MakeSlice(target.Type(), 0, len(numbers))
	for _, n := range numbers {
		element := reflect.New(target.Type().Elem()).Elem()
		if _, err := c.member(p, n, element); err != nil {
			return err
		}
		list = reflect.Append(list, element)
	}
	target.Set(list)
	return nil
}

func (c *Codec) mapping(p wire.Params, target reflect.Value) error {
	m := reflect.MakeMap(target.Type())
	for _, n := range p.Numbers() {
		entry := p.Under(n)
		key, ok := entry.Get("key")
		if !ok {
			continue
		}
		element := reflect.New(target.Type().Elem()).Elem()
		if _, err := c.member(entry, "value", element); err != nil {
			return err
		}
		m.SetMapIndex(reflect.ValueOf(key).Convert(target.Type().Key()), element)
	}
	target.Set(m)
	return nil
}

// scalar parses text into target; false when it is no such value.
func scalar(text string, target reflect.Value) bool {
	switch t := target.Type(); {
	case t == timeType:
		when, err := parseTime(text)
		target.Set(reflect.ValueOf(when))
		return err == nil
	case t == byteType:
		b, err := base64.StdEncoding.DecodeString(text)
		target.SetBytes(b)
		return err == nil
	}
	switch target.Kind() {
	case reflect.String:
		target.SetString(text)
		return true
	case reflect.Bool:
		yes := strings.EqualFold(text, "true")
		target.SetBool(yes)
		return yes || strings.EqualFold(text, "false")
	case reflect.Int32, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, target.Type().Bits())
		target.SetInt(n)
		return err == nil
	default:
		f, err := strconv.ParseFloat(text, target.Type().Bits())
		target.SetFloat(f)
		return err == nil
	}
}

// parseTime reads ISO-8601, or seconds since 1970, which old clients send.
func parseTime(text string) (time.Time, error) {
	if seconds, err := strconv.ParseInt(text, 10, 40); err == nil {
		return time.Unix(seconds, 0).UTC(), nil
	}
	when, err := time.Parse(time.RFC3339, text)
	return when.UTC(), err
}

func noun(t reflect.Type) string {
	switch {
	case t == timeType:
		return "an ISO-8601 time"
	case t == byteType:
		return "base64"
	case t.Kind() == reflect.Bool:
		return "a boolean"
	default:
		return "a number in range"
	}
}
