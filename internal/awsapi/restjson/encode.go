package restjson

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"strconv"
	"time"
	"unicode/utf8"

	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/document"
	"github.com/aws/smithy-go/traits"
)

const contentType = "application/json"

// Encode lets the output struct write itself.
func (c *Codec) Encode(call wire.Call, out any, _ string) (wire.Response, error) {
	var w writer
	out.(smithy.Serializable).Serialize(&w)
	if w.err != nil {
		return wire.Response{}, fmt.Errorf("encoding the answer of %s: %w", call.Operation, w.err)
	}
	return wire.Response{Status: c.operations[call.Operation].code, Header: map[string]string{"Content-Type": contentType}, Body: w.buf}, nil
}

// EncodeError writes the code into its header and the modelled members into
// the body.
func (c *Codec) EncodeError(e *fault.Error, _ string) wire.Response { return EncodeError(e) }

// EncodeError is a refusal without a codec, for requests that no service of
// this protocol answers.
func EncodeError(e *fault.Error) wire.Response {
	body := map[string]any{}
	for name, x := range e.Fields {
		body[name] = x
	}
	body["message"] = e.Message
	text, err := json.Marshal(body)
	if err != nil {
		text, _ = json.Marshal(map[string]string{"message": e.Message})
	}
	return wire.Response{
		Status: e.Status,
		Header: map[string]string{"Content-Type": contentType, "X-Amzn-Errortype": e.Code},
		Body:   text,
	}
}

// writer is a smithy.ShapeSerializer that writes JSON.
type writer struct {
	buf  []byte
	open []scope
	err  error
}

// scope is an open structure, list or map.
type scope struct {
	list bool
	some bool // a member was written
	key  bool // a map's key was written, its value comes next
}

// next writes what stands before a value: the comma and the member's name.
func (w *writer) next(s *smithy.Schema) {
	if len(w.open) == 0 {
		return
	}
	top := &w.open[len(w.open)-1]
	if top.key {
		top.key = false
		return
	}
	if top.some {
		w.buf = append(w.buf, ',')
	}
	top.some = true
	if top.list {
		return
	}
	name := s.MemberName()
	if j, ok := smithy.SchemaTrait[*traits.JSONName](s); ok {
		name = j.Name
	}
	w.string(name)
	w.buf = append(w.buf, ':')
}

func (w *writer) begin(s *smithy.Schema, bracket byte) {
	w.next(s)
	w.buf = append(w.buf, bracket)
	w.open = append(w.open, scope{list: bracket == '['})
}

func (w *writer) end(bracket byte) {
	w.open = w.open[:len(w.open)-1]
	w.buf = append(w.buf, bracket)
}

// string writes a JSON string: quotes, backslashes and controls are escaped,
// bytes that are no UTF-8 become U+FFFD.
func (w *writer) string(s string) {
	const digits = "0123456789abcdef"
	w.buf = append(w.buf, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			w.buf = append(w.buf, '\\', c)
		case c < ' ':
			w.buf = append(w.buf, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		case c < utf8.RuneSelf:
			w.buf = append(w.buf, c)
		default:
			r, size := utf8.DecodeRuneInString(s[i:])
			w.buf = utf8.AppendRune(w.buf, r)
			i += size
			continue
		}
		i++
	}
	w.buf = append(w.buf, '"')
}

func (w *writer) int(s *smithy.Schema, n int64) {
	w.next(s)
	w.buf = strconv.AppendInt(w.buf, n, 10)
}

func (w *writer) float(s *smithy.Schema, f float64, bits int) {
	w.next(s)
	w.buf = strconv.AppendFloat(w.buf, f, 'g', -1, bits)
}

func (w *writer) unbuilt(s *smithy.Schema, what string) {
	w.next(s)
	w.buf = append(w.buf, "null"...)
	w.err = fmt.Errorf("member %s: %s is not built", s.MemberName(), what)
}

func (w *writer) Bytes() []byte                            { return w.buf }
func (w *writer) WriteInt8(s *smithy.Schema, n int8)       { w.int(s, int64(n)) }
func (w *writer) WriteInt16(s *smithy.Schema, n int16)     { w.int(s, int64(n)) }
func (w *writer) WriteInt32(s *smithy.Schema, n int32)     { w.int(s, int64(n)) }
func (w *writer) WriteInt64(s *smithy.Schema, n int64)     { w.int(s, n) }
func (w *writer) WriteFloat32(s *smithy.Schema, f float32) { w.float(s, float64(f), 32) }
func (w *writer) WriteFloat64(s *smithy.Schema, f float64) { w.float(s, f, 64) }
func (w *writer) WriteBigInt(s *smithy.Schema, _ *big.Int) { w.unbuilt(s, "a big integer") }
func (w *writer) WriteBigFloat(s *smithy.Schema, _ *big.Float) {
	w.unbuilt(s, "a big decimal")
}
func (w *writer) WriteDocument(s *smithy.Schema, _ document.Value) { w.unbuilt(s, "a document") }

func (w *writer) WriteBool(s *smithy.Schema, b bool) {
	w.next(s)
	w.buf = strconv.AppendBool(w.buf, b)
}

func (w *writer) WriteString(s *smithy.Schema, text string) {
	w.next(s)
	w.string(text)
}

func (w *writer) WriteBlob(s *smithy.Schema, b []byte) {
	w.WriteString(s, base64.StdEncoding.EncodeToString(b))
}

// WriteTime writes seconds since 1970 with milliseconds, as EKS does.
func (w *writer) WriteTime(s *smithy.Schema, t time.Time) {
	w.next(s)
	w.buf = strconv.AppendFloat(w.buf, float64(t.UnixMilli())/1000, 'f', -1, 64)
}

func (w *writer) WriteNil(s *smithy.Schema) {
	w.next(s)
	w.buf = append(w.buf, "null"...)
}

func (w *writer) WriteUnion(s, _ *smithy.Schema) {
	w.begin(s, '{')
	w.err = fmt.Errorf("member %s: a union is not built", s.MemberName())
}
func (w *writer) CloseUnion() { w.end('}') }

func (w *writer) WriteStruct(s *smithy.Schema) { w.begin(s, '{') }
func (w *writer) CloseStruct()                 { w.end('}') }
func (w *writer) WriteList(s *smithy.Schema)   { w.begin(s, '[') }
func (w *writer) CloseList()                   { w.end(']') }
func (w *writer) WriteMap(s *smithy.Schema)    { w.begin(s, '{') }
func (w *writer) CloseMap()                    { w.end('}') }

func (w *writer) WriteKey(_ *smithy.Schema, key string) {
	top := &w.open[len(w.open)-1]
	if top.some {
		w.buf = append(w.buf, ',')
	}
	top.some, top.key = true, true
	w.string(key)
	w.buf = append(w.buf, ':')
}
