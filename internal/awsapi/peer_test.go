package awsapi

import (
	"context"
	"crypto/rand"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/internal/awsapi/restjson"
	"berth.dev/berth/internal/awsapi/sigv4"
	"berth.dev/berth/internal/id"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"
	"k8s.io/utils/clock"
)

// method is an operation of an SDK client.
type method struct {
	name          string
	call          reflect.Value
	input, output reflect.Type
}

// methods are the operations of an SDK client, by reflection.
func methods(client any) []method {
	v := reflect.ValueOf(client)
	var found []method
	for i := range v.NumMethod() {
		m := v.Type().Method(i)
		if m.Type.NumIn() == 4 && m.Type.NumOut() == 2 && m.Type.In(2).Kind() == reflect.Pointer && strings.HasSuffix(m.Type.In(2).Elem().Name(), "Input") {
			found = append(found, method{m.Name, v.Method(i), m.Type.In(2).Elem(), m.Type.Out(0).Elem()})
		}
	}
	return found
}

// withUnion are the operations with a union in their input, which the query
// codec refuses to bind: reflection cannot find a Go union's variants.
var withUnion = map[string]bool{"SimulatePrincipalPolicy": true}

type oneKey struct{}

func (oneKey) Lookup(context.Context, string) (sigv4.Key, error) {
	return sigv4.Key{Secret: "test"}, nil
}

// filler makes a value of any shape with every member set.
type filler struct {
	n     int
	round time.Duration
}

func (f *filler) fill(v reflect.Value, depth int) {
	f.n++
	switch v.Kind() {
	case reflect.Pointer:
		if depth > 8 {
			return
		}
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem(), depth)
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			v.Set(reflect.ValueOf(time.UnixMilli(1760000000123 + int64(f.n)).UTC().Truncate(f.round)))
			return
		}
		for i := range v.NumField() {
			if field := v.Type().Field(i); field.IsExported() && field.Name != "ResultMetadata" {
				f.fill(v.Field(i), depth+1)
			}
		}
	case reflect.Slice:
		if v.Type().Elem().Kind() == reflect.Uint8 {
			v.SetBytes([]byte{0, 1, 254, byte(f.n)})
			return
		}
		if depth > 8 {
			return
		}
		n := 1
		if depth < 4 {
			n = 2
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			f.fill(v.Index(i), depth+1)
		}
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for i := range 2 {
			element := reflect.New(v.Type().Elem()).Elem()
			f.fill(element, depth+1)
			v.SetMapIndex(reflect.ValueOf(fmt.Sprintf("k%d <&> ☃ %d", i, f.n)).Convert(v.Type().Key()), element)
		}
	case reflect.String:
		v.SetString(fmt.Sprintf("s%d /%%+&=<>\"☃", f.n))
		if list := v.MethodByName("Values"); list.IsValid() {
			values := list.Call(nil)[0]
			v.Set(values.Index(0)) // the same one: the SDK sorts lists that it puts in a query
		}
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int32, reflect.Int64:
		v.SetInt(int64(f.n))
	case reflect.Float32, reflect.Float64:
		v.SetFloat(float64(f.n) + 0.5)
	default:
		panic("a kind that the filler lacks: " + v.Type().String())
	}
}

// TestEveryOperationCrossesTheWire sends every operation of three SDK clients,
// with every member set, through the door and back.
func TestEveryOperationCrossesTheWire(t *testing.T) {
	var url string
	// Retries, because the SDK closes a request's body once it has the answer's
	// header; net/http, when not yet past the body's end, then drops the
	// connection under a long answer. The SDK knows that error as retryable.
	config := aws.Config{Region: "eu-west-1", RetryMaxAttempts: 5, HTTPClient: &http.Client{}, Credentials: credentials.NewStaticCredentialsProvider("test", "test", "")}
	tests := []struct {
		name    string
		service Service
		client  func() any
		round   time.Duration
	}{
		{"eks", EKS(), func() any { return eks.NewFromConfig(config, func(o *eks.Options) { o.BaseEndpoint = &url }) }, time.Millisecond},
		{"iam", IAM(), func() any { return iam.NewFromConfig(config, func(o *iam.Options) { o.BaseEndpoint = &url }) }, time.Second},
		{"sts", STS(), func() any { return sts.NewFromConfig(config, func(o *sts.Options) { o.BaseEndpoint = &url }) }, time.Second},
	}
	for _, tt := range tests {
		var asked, answer any
		tt.service.Constraints = ""
		for _, m := range methods(tt.client()) {
			if withUnion[m.name] {
				continue
			}
			tt.service.Operations = append(tt.service.Operations, Operation{
				Name: m.name, input: m.input, output: m.output, anonymous: true, unchecked: true,
				invoke: func(_ context.Context, in any) (any, error) { asked = in; return answer, nil },
			})
		}
		h, err := New(Config{
			Services: []Service{tt.service}, Keys: oneKey{}, Clock: clock.RealClock{}, IDs: id.Source{Random: rand.Reader},
			Log: slog.New(slog.DiscardHandler), Region: "eu-west-1",
		})
		if err != nil {
			t.Fatal(err)
		}
		server := httptest.NewServer(h)
		defer server.Close()
		url = server.URL
		known := []string{}
		for _, m := range methods(tt.client()) {
			known = append(known, m.name)
			if withUnion[m.name] {
				continue
			}
			t.Run(tt.name+"/"+m.name, func(t *testing.T) { m.cross(t, &filler{round: tt.round}, &asked, &answer) })
		}
		slices.Sort(known)
		tt.service.Operations = nil
		all, _ := tt.service.Coverage()
		if diff := cmp.Diff(known, all); diff != "" {
			t.Errorf("%s: the SDK's operations differ from the model's (-sdk +model); run go generate ./internal/awsapi/model:\n%s", tt.name, diff)
		}
	}
}

// cross sends one operation through and back; asked is what arrived behind the
// door, answer what is said there.
func (m method) cross(t *testing.T, f *filler, asked, answer *any) {
	in, out := reflect.New(m.input), reflect.New(m.output)
	f.fill(in.Elem(), 0)
	f.fill(out.Elem(), 0)
	*asked, *answer = nil, out.Interface()
	results := m.call.Call([]reflect.Value{reflect.ValueOf(t.Context()), in})
	if err, _ := results[1].Interface().(error); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(in.Interface(), *asked, exportedOnly); diff != "" {
		t.Errorf("input arrived otherwise (-sent +arrived):\n%s", diff)
	}
	if diff := cmp.Diff(out.Interface(), results[0].Interface(), exportedOnly); diff != "" {
		t.Errorf("output arrived otherwise (-answered +arrived):\n%s", diff)
	}
}

var exportedOnly = cmp.FilterPath(func(p cmp.Path) bool {
	f, ok := p.Last().(cmp.StructField)
	return ok && (f.Name() == "ResultMetadata" || f.Name()[0] >= 'a' && f.Name()[0] <= 'z')
}, cmp.Ignore())

func TestModelHasNoDuplicates(t *testing.T) {
	names := restjson.Operations(EKS().Model)
	if len(slices.Compact(slices.Clone(names))) != len(names) || len(names) < 60 {
		t.Errorf("operations = %v", names)
	}
}
