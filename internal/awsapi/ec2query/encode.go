package ec2query

import (
	"bytes"
	"encoding"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"time"

	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
)

const (
	prolog     = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
	timeFormat = "2006-01-02T15:04:05.000Z"
)

// Encode writes <XResponse><requestId/>… and the members.
func (c *Codec) Encode(call wire.Call, out any, requestID string) (wire.Response, error) {
	w := &writer{structs: c.structs}
	w.buf.WriteString(prolog + "<" + call.Operation + "Response xmlns=\"" + c.namespace + "\">")
	w.element("requestId", requestID)
	v := reflect.ValueOf(out).Elem()
	if len(c.structs[v.Type()]) == 0 {
		w.element("return", "true")
	}
	w.members(v, true)
	w.close(call.Operation + "Response")
	if w.err != nil {
		return wire.Response{}, fmt.Errorf("encoding the answer of %s: %w", call.Operation, w.err)
	}
	return response(http.StatusOK, w.buf.Bytes()), nil
}

// EncodeError writes EC2's own error document.
func (c *Codec) EncodeError(e *fault.Error, requestID string) wire.Response {
	var w writer
	w.buf.WriteString(prolog + "<Response><Errors><Error>")
	w.element("Code", e.Code)
	w.element("Message", e.Message)
	w.buf.WriteString("</Error></Errors>")
	w.element("RequestID", requestID)
	w.close("Response")
	return response(e.Status, w.buf.Bytes())
}

func response(status int, body []byte) wire.Response {
	return wire.Response{Status: status, Header: map[string]string{"Content-Type": "text/xml;charset=UTF-8"}, Body: body}
}

type writer struct {
	buf     bytes.Buffer
	structs map[reflect.Type][]field
	err     error
}

func (w *writer) open(name string)  { w.buf.WriteString("<" + name + ">") }
func (w *writer) close(name string) { w.buf.WriteString("</" + name + ">") }

func (w *writer) element(name, text string) {
	w.open(name)
	_ = xml.EscapeText(&w.buf, []byte(text))
	w.close(name)
}

func (w *writer) members(v reflect.Value, top bool) {
	for _, f := range w.structs[v.Type()] {
		x := v.FieldByIndex(f.index)
		if f.omitEmpty && (x.IsZero() || x.Kind() == reflect.Slice && x.Len() == 0) {
			continue
		}
		if x.Kind() == reflect.Slice && x.Type() != byteType && x.Len() == 0 && (top || !x.IsNil()) {
			w.buf.WriteString("<" + f.response + "/>")
			continue
		}
		w.value(f.response, x)
	}
}

func (w *writer) value(name string, v reflect.Value) {
	t := v.Type()
	switch {
	case t.Kind() == reflect.Pointer:
		if !v.IsNil() {
			w.value(name, v.Elem())
		}
	case t == timeType:
		w.element(name, v.Interface().(time.Time).UTC().Format(timeFormat))
	case t == byteType:
		if !v.IsNil() {
			w.element(name, base64.StdEncoding.EncodeToString(v.Bytes()))
		}
	case textual(t):
		w.text(name, v)
	case t.Kind() == reflect.Slice:
		if v.IsNil() {
			return
		}
		w.open(name)
		for i := range v.Len() {
			w.value("item", v.Index(i))
		}
		w.close(name)
	case t.Kind() == reflect.Struct:
		w.open(name)
		w.members(v, false)
		w.close(name)
	case t.Kind() == reflect.Float32 || t.Kind() == reflect.Float64:
		w.element(name, strconv.FormatFloat(v.Float(), 'g', -1, t.Bits()))
	case t.Kind() == reflect.String:
		w.element(name, v.String())
	default:
		w.element(name, fmt.Sprint(v.Interface()))
	}
}

// text writes what marshals itself; an empty text, such as that of an invalid
// address, is an absent member.
func (w *writer) text(name string, v reflect.Value) {
	b, err := v.Interface().(encoding.TextMarshaler).MarshalText()
	if err != nil {
		w.err = fmt.Errorf("member %s: %w", name, err)
		return
	}
	if len(b) > 0 {
		w.element(name, string(b))
	}
}
