package constraint

import (
	"reflect"
	"testing"
	"time"

	"berth.dev/berth/internal/awsapi/model"
	"github.com/google/go-cmp/cmp"
)

type colour string

func (colour) Values() []colour { return []colour{"red", "blue"} }

type leaf struct {
	Key   *string
	Count *int32
}

type input struct {
	Name    *string
	Colour  colour
	Colours []colour
	Leaf    *leaf
	Leaves  []leaf
	Labels  map[string]string
	Blob    []byte
	When    *time.Time
	Self    *input
	private int
}

const table = `input.Name required min=2 max=4 pattern=[\w ]+
input.Leaf required
input.Leaves min=1 max=2
leaf.Key required min=1 pattern=[\u0061-\u007A]*
leaf.Count min=0 max=9
input.Labels max=1
input.Labels[] max=3
input.Labels{} min=2
input.Colours[] required
`

func ptr[T any](x T) *T { return &x }

func TestCheck(t *testing.T) {
	good := func() input { return input{Name: ptr("ab c"), Leaf: &leaf{Key: ptr("a")}} }
	tests := []struct {
		name   string
		change func(*input)
		want   string
	}{
		{"good", func(*input) {}, ""},
		{"absent", func(i *input) { *i = input{private: 1} }, "2 validation errors detected: Value null at 'name' failed to satisfy constraint: Member must not be null; Value null at 'leaf' failed to satisfy constraint: Member must not be null"},
		{"short", func(i *input) { i.Name = ptr("é") }, "2 validation errors detected: Value 'é' at 'name' failed to satisfy constraint: Member must have length greater than or equal to 2; Value 'é' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\w ]+"},
		{"long", func(i *input) { i.Name = ptr("abcde") }, "1 validation error detected: Value 'abcde' at 'name' failed to satisfy constraint: Member must have length less than or equal to 4"},
		{"pattern covers all", func(i *input) { i.Leaf.Key = ptr("aA") }, "1 validation error detected: Value 'aA' at 'leaf.key' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\u0061-\\u007A]*"},
		{"range", func(i *input) { i.Leaf.Count = ptr(int32(10)) }, "1 validation error detected: Value '10' at 'leaf.count' failed to satisfy constraint: Member must have value less than or equal to 9"},
		{"in a list", func(i *input) { i.Leaves = []leaf{{Key: ptr("a")}, {}} }, "1 validation error detected: Value null at 'leaves.2.member.key' failed to satisfy constraint: Member must not be null"},
		{"empty list", func(i *input) { i.Leaves = []leaf{} }, "1 validation error detected: Value '[]' at 'leaves' failed to satisfy constraint: Member must have length greater than or equal to 1"},
		{"map", func(i *input) { i.Labels = map[string]string{"k": "long", "kk": "v"} }, "3 validation errors detected: Value 'map[k:long kk:v]' at 'labels' failed to satisfy constraint: Member must have length less than or equal to 1; " +
			"Value 'k' at 'labels' failed to satisfy constraint: Map keys must satisfy constraint: [Member must have length greater than or equal to 2]; Value 'long' at 'labels' failed to satisfy constraint: Map value must satisfy constraint: [Member must have length less than or equal to 3]"},
		{"enum", func(i *input) { i.Colour = "green" }, "1 validation error detected: Value 'green' at 'colour' failed to satisfy constraint: Member must satisfy enum value set: [red, blue]"},
		{"enum in a list", func(i *input) { i.Colours = []colour{"red", "x"} }, "1 validation error detected: Value 'x' at 'colours.2.member' failed to satisfy constraint: Member must satisfy enum value set: [red, blue]"},
		{"recursive", func(i *input) { i.Self = &input{Name: ptr("ab")} }, "1 validation error detected: Value null at 'self.leaf' failed to satisfy constraint: Member must not be null"},
	}
	parsed, err := Parse(table)
	if err != nil {
		t.Fatal(err)
	}
	checker := parsed.Compile(reflect.TypeFor[input]())
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := good()
			tt.change(&in)
			got := ""
			if found := checker.Check(&in); len(found) > 0 {
				got = Message(found)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParse(t *testing.T) {
	for name, text := range map[string]string{"eks": model.EKSConstraints, "iam": model.IAMConstraints, "sts": model.STSConstraints} {
		if table, err := Parse(text); err != nil || len(table.rules) < 20 {
			t.Errorf("the table of %s: %v", name, err)
		}
	}
	for _, bad := range []string{"a.B min=x", "a.B wrong", "a.B pattern=(", "a.B odd=1", " "} {
		if _, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) succeeded", bad)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(table)
	f.Fuzz(func(t *testing.T, text string) { _, _ = Parse(text) })
}
