// Package constraint checks request structs against the constraints that AWS's
// models state: required, length, range, pattern and enum. It finds violations
// and words them as AWS's service framework does; which error code carries the
// text is each protocol's affair. It imports no domain and no protocol; the
// front door imports it.
//
// A table is text, one member a line, keyed by Go type and field; [] is an
// element of a list or a value of a map, {} a key of a map:
//
//	CreateRoleInput.RoleName required min=1 max=64 pattern=[\w+=,.@-]+
//	CreateRoleInput.Tags max=50
//	CreateClusterInput.Tags[] max=256
//
// pattern, when there, is the rest of the line; min and max bound the length of
// strings (in characters), lists and maps and the value of numbers. Enums need
// no line: a Go type with a Values method is one.
package constraint

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Table is a parsed table of constraints.
type Table struct {
	rules map[string]rule
}

type rule struct {
	required bool
	min, max *int64
	pattern  string
	re       *regexp.Regexp
}

var unicodeEscape = regexp.MustCompile(`\\u([0-9A-Fa-f]{4})`)

// Parse reads a table.
func Parse(text string) (*Table, error) {
	t := &Table{rules: map[string]rule{}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if line == "" {
			continue
		}
		head, pattern, _ := strings.Cut(line, " pattern=")
		words := strings.Fields(head)
		if len(words) == 0 {
			return nil, fmt.Errorf("reading constraint %q: no member", line)
		}
		r, err := parseRule(words[1:], pattern)
		if err != nil {
			return nil, fmt.Errorf("reading constraint %q: %w", line, err)
		}
		t.rules[words[0]] = r
	}
	return t, nil
}

func parseRule(words []string, pattern string) (rule, error) {
	r := rule{pattern: pattern}
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		if name == "required" {
			r.required = true
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return rule{}, err
		}
		switch name {
		case "min":
			r.min = &n
		case "max":
			r.max = &n
		default:
			return rule{}, fmt.Errorf("unknown word %q", word)
		}
	}
	if pattern == "" {
		return r, nil
	}
	// The models' patterns cover the whole value, anchored or not.
	re, err := regexp.Compile(`^(?:` + unicodeEscape.ReplaceAllString(pattern, `\x{$1}`) + `)$`)
	r.re = re
	return r, err
}

// Kind is which constraint was violated.
type Kind int

const (
	Required Kind = iota + 1
	Length
	Range
	Pattern
	Enum
)

// Violation is one value that breaks one constraint.
type Violation struct {
	Kind Kind
	// Path leads to the member, for example tags.1.member.key.
	Path string
	// Value is the offending value as text; meaningless when Kind is Required.
	Value string
	// Pattern is the pattern that the value does not match.
	Pattern string
	// Text is the constraint in words.
	Text string
}

func (v Violation) String() string {
	value := "null"
	if v.Kind != Required {
		value = "'" + v.Value + "'"
	}
	return "Value " + value + " at '" + v.Path + "' failed to satisfy constraint: " + v.Text
}

// Message words violations as AWS's services do; there must be at least one.
func Message(violations []Violation) string {
	texts := make([]string, len(violations))
	for i, v := range violations {
		texts[i] = v.String()
	}
	plural := "s"
	if len(violations) == 1 {
		plural = ""
	}
	return fmt.Sprintf("%d validation error%s detected: %s", len(violations), plural, strings.Join(texts, "; "))
}
