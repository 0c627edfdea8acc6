package query

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
)

const (
	contentType = "text/xml"
	timeFormat  = "2006-01-02T15:04:05Z"
)

// Encode writes <XResponse><XResult>…</XResult><ResponseMetadata>….
func (c *Codec) Encode(call wire.Call, out any, requestID string) (wire.Response, error) {
	w := &writer{structs: c.structs}
	w.buf.WriteString("<" + call.Operation + "Response xmlns=\"" + c.namespace + "\">")
	v := reflect.ValueOf(out).Elem()
	// An empty result is written too: the model demands it of some operations
	// without members, and clients skip it for the others.
	w.open(call.Operation + "Result")
	w.result(v)
	w.close(call.Operation + "Result")
	w.open("ResponseMetadata")
	w.element("RequestId", requestID)
	w.close("ResponseMetadata")
	w.close(call.Operation + "Response")
	return response(http.StatusOK, w.buf.Bytes()), nil
}

// EncodeError writes the refusal in the service's namespace.
func (c *Codec) EncodeError(e *fault.Error, requestID string) wire.Response {
	return EncodeError(e, c.namespace, requestID)
}

// EncodeError is a refusal without a codec, for requests that no service of
// this protocol answers; namespace may be empty.
func EncodeError(e *fault.Error, namespace, requestID string) wire.Response {
	var w writer
	w.buf.WriteString("<ErrorResponse")
	if namespace != "" {
		w.buf.WriteString(" xmlns=\"" + namespace + "\"")
	}
	w.buf.WriteString(">")
	w.open("Error")
	fault := "Sender"
	if e.Status >= http.StatusInternalServerError {
		fault = "Receiver"
	}
	w.element("Type", fault)
	w.element("Code", e.Code)
	w.element("Message", e.Message)
	w.close("Error")
	w.element("RequestId", requestID)
	w.close("ErrorResponse")
	return response(e.Status, w.buf.Bytes())
}

func response(status int, body []byte) wire.Response {
	return wire.Response{Status: status, Header: map[string]string{"Content-Type": contentType}, Body: body}
}

type writer struct {
	buf     bytes.Buffer
	structs map[reflect.Type][]field
}

func (w *writer) open(name string)  { w.buf.WriteString("<" + name + ">") }
func (w *writer) close(name string) { w.buf.WriteString("</" + name + ">") }

func (w *writer) element(name, text string) {
	w.open(name)
	_ = xml.EscapeText(&w.buf, []byte(text))
	w.close(name)
}

// result writes the members of an output; its lists are written even when nil.
func (w *writer) result(v reflect.Value) {
	for _, f := range w.structs[v.Type()] {
		x := v.Field(f.index)
		if x.Kind() == reflect.Slice && x.IsNil() && x.Type() != byteType {
			w.buf.WriteString("<" + f.name + "/>")
			continue
		}
		w.value(f.name, x)
	}
}

func (w *writer) value(name string, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		if !v.IsNil() {
			w.value(name, v.Elem())
		}
	case reflect.Slice:
		w.list(name, v)
	case reflect.Map:
		w.mapping(name, v)
	case reflect.Struct:
		if v.Type() == timeType {
			w.element(name, v.Interface().(time.Time).UTC().Format(timeFormat))
			return
		}
		w.open(name)
		for _, f := range w.structs[v.Type()] {
			w.value(f.name, v.Field(f.index))
		}
		w.close(name)
	case reflect.String:
		// The empty enum is how the SDK's types say that a member is absent.
		if v.Len() > 0 || v.Type() == reflect.TypeFor[string]() {
			w.element(name, v.String())
		}
	case reflect.Float32, reflect.Float64:
		w.element(name, strconv.FormatFloat(v.Float(), 'g', -1, v.Type().Bits()))
	default:
		w.element(name, fmt.Sprint(v.Interface()))
	}
}

func (w *writer) list(name string, v reflect.Value) {
	if v.IsNil() {
		return
	}
	if v.Type() == byteType {
		w.element(name, base64.StdEncoding.EncodeToString(v.Bytes()))
		return
	}
	w.open(name)
	for i := range v.Len() {
		w.value("member", v.Index(i))
	}
	w.close(name)
}

func (w *writer) mapping(name string, v reflect.Value) {
	if v.IsNil() {
		return
	}
	w.open(name)
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		w.open("entry")
		w.element("key", k.String())
		w.value("value", v.MapIndex(k))
		w.close("entry")
	}
	w.close(name)
}
