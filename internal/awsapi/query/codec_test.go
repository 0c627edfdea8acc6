package query

import (
	"net/url"
	"reflect"
	"testing"
	"time"

	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
	"github.com/google/go-cmp/cmp"
)

type colour string

type pair struct {
	Key   *string
	Value *string
}

type request struct {
	Name   *string
	Arn    *string
	Tags   []pair
	Names  []string
	Counts map[string]int32
	Pairs  map[string]pair
	Nested *pair
	Colour colour
	Flag   bool
	Maybe  *bool
	Max    *int32
	When   *time.Time
	Blob   []byte
}

type answer struct {
	List    []pair
	Inner   *struct{ Names []string }
	Counts  map[string]int32
	When    *time.Time
	Colour  colour
	Flag    bool
	Blob    []byte
	Float   *float64
	private int
}

func codec(t testing.TB) *Codec {
	t.Helper()
	c, err := New(Config{Version: "1", Namespace: "urn:x", Bindings: []wire.Binding{{Name: "Ask", Input: reflect.TypeFor[request](), Output: reflect.TypeFor[answer]()}}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ptr[T any](x T) *T { return &x }

func TestDecode(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name, form string
		want       request
		code       string
	}{
		{name: "nothing", form: "Action=Ask&Version=1&Unknown.member.1.X=y"},
		{name: "empty string", form: "Name=", want: request{Name: ptr("")}},
		{name: "small first letter", form: "arn=a", want: request{Arn: ptr("a")}},
		{name: "list", form: "Names.member.1=a&Names.member.2=b", want: request{Names: []string{"a", "b"}}},
		{name: "eleven elements", form: "Names.member.11=c&Names.member.2=b&Names.member.1=a", want: request{Names: []string{"a", "b", "c"}}},
		{name: "empty list", form: "Names=", want: request{Names: []string{}}},
		{name: "structs", form: "Tags.member.1.Key=k&Tags.member.1.Value=&Tags.member.2.Key=l", want: request{Tags: []pair{{ptr("k"), ptr("")}, {Key: ptr("l")}}}},
		{name: "map", form: "Counts.entry.1.key=a&Counts.entry.1.value=1&Counts.entry.2.key=b&Counts.entry.2.value=2&Counts.entry.3.value=9", want: request{Counts: map[string]int32{"a": 1, "b": 2}}},
		{name: "map of structs", form: "Pairs.entry.1.key=a&Pairs.entry.1.value.Key=k", want: request{Pairs: map[string]pair{"a": {Key: ptr("k")}}}},
		{name: "nested", form: "Nested.Key=k", want: request{Nested: &pair{Key: ptr("k")}}},
		{name: "scalars", form: "Colour=red&Flag=true&Maybe=false&Max=-3&When=2026-01-02T03:04:05Z&Blob=AAE%3D", want: request{Colour: "red", Flag: true, Maybe: ptr(false), Max: ptr(int32(-3)), When: &when, Blob: []byte{0, 1}}},
		{name: "seconds", form: "When=1767323045", want: request{When: &when}},
		{name: "no number", form: "Max=x", code: "MalformedInput"},
		{name: "too big", form: "Max=2147483648", code: "MalformedInput"},
		{name: "no bool", form: "Flag=1", code: "MalformedInput"},
		{name: "no time", form: "When=x", code: "MalformedInput"},
		{name: "no base64", form: "Blob=!", code: "MalformedInput"},
		{name: "no number in a map", form: "Counts.entry.1.key=a&Counts.entry.1.value=x", code: "MalformedInput"},
	}
	c := codec(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form, err := url.ParseQuery(tt.form)
			if err != nil {
				t.Fatal(err)
			}
			var got request
			err = c.Decode(&wire.Request{Form: form}, wire.Call{}, &got)
			if fault.Code(err) != tt.code || err != nil && tt.code == "" {
				t.Fatalf("error = %v, want code %q", err, tt.code)
			}
			if diff := cmp.Diff(tt.want, got); err == nil && diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.FixedZone("x", 3600))
	tests := []struct {
		name string
		in   answer
		want string
	}{
		{"empty", answer{private: 1}, `<List/><Flag>false</Flag>`},
		{"full", answer{List: []pair{{ptr("<k>"), ptr("")}, {}}, Inner: &struct{ Names []string }{}, Counts: map[string]int32{"b": 2, "a": 1}, When: &when, Colour: "red", Flag: true, Blob: []byte{1}, Float: ptr(0.5)},
			`<List><member><Key>&lt;k&gt;</Key><Value></Value></member><member></member></List><Inner></Inner>` +
				`<Counts><entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></Counts>` +
				`<When>2026-01-02T02:04:05Z</When><Colour>red</Colour><Flag>true</Flag><Blob>AQ==</Blob><Float>0.5</Float>`},
	}
	c := codec(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := c.Encode(wire.Call{Operation: "Ask"}, &tt.in, "id")
			if err != nil {
				t.Fatal(err)
			}
			want := `<AskResponse xmlns="urn:x"><AskResult>` + tt.want + `</AskResult><ResponseMetadata><RequestId>id</RequestId></ResponseMetadata></AskResponse>`
			if string(got.Body) != want {
				t.Errorf("\n got %s\nwant %s", got.Body, want)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("Tags.member.1.Key=k&Counts.entry.1.key=a&Counts.entry.1.value=1&Nested.Key=k&When=2026-01-02T03:04:05Z")
	f.Add("Tags.member.=&Tags.member.1=&Tags..member=&.=&Counts.entry.99999999999999999999.key=a&When=9999999999999")
	c := codec(f)
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		var in request
		if err := c.Decode(&wire.Request{Form: form}, wire.Call{}, &in); err != nil && fault.Code(err) == "" {
			t.Errorf("decoding %q: %v is no refusal", body, err)
		}
	})
}
