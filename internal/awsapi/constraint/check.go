package constraint

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Checker checks values of one struct type.
type Checker struct {
	typ    reflect.Type
	fields []field
}

type field struct {
	index int
	name  string
	check *check
}

// check is what holds for one member and for what it contains.
type check struct {
	rule    rule
	enum    []string
	key     *check
	element *check
	nested  *Checker
}

// Compile makes the checker of a struct type; types may be recursive.
func (t *Table) Compile(typ reflect.Type) *Checker {
	return t.compile(typ, map[reflect.Type]*Checker{})
}

func (t *Table) compile(typ reflect.Type, seen map[reflect.Type]*Checker) *Checker {
	if c, ok := seen[typ]; ok {
		return c
	}
	c := &Checker{typ: typ}
	seen[typ] = c
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.IsExported() {
			c.fields = append(c.fields, field{i, lowerFirst(f.Name), t.member(typ.Name()+"."+f.Name, f.Type, seen)})
		}
	}
	return c
}

var timeType = reflect.TypeFor[time.Time]()

func (t *Table) member(key string, typ reflect.Type, seen map[reflect.Type]*Checker) *check {
	c := &check{rule: t.rules[key], enum: enumValues(typ)}
	for typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	switch typ.Kind() {
	case reflect.Slice:
		if typ.Elem().Kind() != reflect.Uint8 {
			c.element = t.member(key+"[]", typ.Elem(), seen)
		}
	case reflect.Map:
		c.key = t.member(key+"{}", typ.Key(), seen)
		c.element = t.member(key+"[]", typ.Elem(), seen)
	case reflect.Struct:
		if typ != timeType {
			c.nested = t.compile(typ, seen)
		}
	}
	return c
}

func enumValues(typ reflect.Type) []string {
	m, ok := typ.MethodByName("Values")
	if !ok || typ.Kind() != reflect.String || m.Type.NumIn() != 1 || m.Type.NumOut() != 1 || m.Type.Out(0).Kind() != reflect.Slice {
		return nil
	}
	list := m.Func.Call([]reflect.Value{reflect.Zero(typ)})[0]
	values := make([]string, list.Len())
	for i := range values {
		values[i] = list.Index(i).String()
	}
	return values
}

// Check returns the violations of in, a pointer to the checker's struct type,
// in the order of the struct's fields.
func (c *Checker) Check(in any) []Violation {
	return c.walk(nil, reflect.ValueOf(in).Elem(), "")
}

func (c *Checker) walk(found []Violation, v reflect.Value, prefix string) []Violation {
	for _, f := range c.fields {
		found = f.check.walk(found, v.Field(f.index), prefix+f.name)
	}
	return found
}

func (c *check) walk(found []Violation, v reflect.Value, path string) []Violation {
	if absent(v) {
		if c.rule.required {
			found = append(found, Violation{Kind: Required, Path: path, Text: "Member must not be null"})
		}
		return found
	}
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	found = c.value(found, v, path)
	switch {
	case c.nested != nil:
		found = c.nested.walk(found, v, path+".")
	case c.key != nil:
		found = c.entries(found, v, path)
	case c.element != nil:
		for i := range v.Len() {
			found = c.element.walk(found, v.Index(i), path+"."+strconv.Itoa(i+1)+".member")
		}
	}
	return found
}

// entries words what is wrong inside a map at the map itself, as AWS does.
func (c *check) entries(found []Violation, m reflect.Value, path string) []Violation {
	keys := map[string]reflect.Value{}
	for _, k := range m.MapKeys() {
		keys[k.String()] = k
	}
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		for _, bad := range c.key.value(nil, keys[name], path) {
			bad.Text = "Map keys must satisfy constraint: [" + bad.Text + "]"
			found = append(found, bad)
		}
		for _, bad := range c.element.walk(nil, m.MapIndex(keys[name]), path) {
			bad.Text = "Map value must satisfy constraint: [" + bad.Text + "]"
			found = append(found, bad)
		}
	}
	return found
}

// absent: a nil pointer, list or map, or the empty enum, which is how the SDK's
// types say that a member is not there.
func absent(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer, reflect.Slice, reflect.Map, reflect.Interface:
		return v.IsNil()
	case reflect.String:
		return v.Len() == 0 && enumLike(v.Type())
	default:
		return false
	}
}

func enumLike(t reflect.Type) bool { return t.PkgPath() != "" }

func (c *check) value(found []Violation, v reflect.Value, path string) []Violation {
	size, kind, noun := measure(v)
	bad := func(k Kind, format string, args ...any) {
		found = append(found, Violation{Kind: k, Path: path, Value: text(v), Pattern: c.rule.pattern, Text: fmt.Sprintf(format, args...)})
	}
	if c.rule.max != nil && size > *c.rule.max {
		bad(kind, "Member must have %s less than or equal to %d", noun, *c.rule.max)
	}
	if c.rule.min != nil && size < *c.rule.min {
		bad(kind, "Member must have %s greater than or equal to %d", noun, *c.rule.min)
	}
	if c.rule.re != nil && v.Kind() == reflect.String && !c.rule.re.MatchString(v.String()) {
		bad(Pattern, "Member must satisfy regular expression pattern: %s", c.rule.pattern)
	}
	if c.enum != nil && !slices.Contains(c.enum, v.String()) {
		bad(Enum, "Member must satisfy enum value set: [%s]", strings.Join(c.enum, ", "))
	}
	return found
}

// measure is what min and max bound.
func measure(v reflect.Value) (size int64, kind Kind, noun string) {
	switch v.Kind() {
	case reflect.String:
		return int64(utf8.RuneCountInString(v.String())), Length, "length"
	case reflect.Slice, reflect.Map:
		return int64(v.Len()), Length, "length"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return v.Int(), Range, "value"
	default:
		return 0, Range, "value"
	}
}

func text(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return fmt.Sprint(v.Interface())
	case reflect.String:
		return v.String()
	default:
		if v.CanInt() {
			return strconv.FormatInt(v.Int(), 10)
		}
		return fmt.Sprint(v.Interface())
	}
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
