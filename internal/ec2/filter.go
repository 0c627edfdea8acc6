package ec2

import (
	"strconv"
	"strings"
)

// Filter keeps the resources of which the attribute Name has one of Values.
// Values may hold * for any text and ? for one character; a backslash takes
// the next character as it is.
type Filter struct {
	Name   string
	Values []string `ec2:"Value"`
}

// attributes says how each filter of an operation reads a resource, by name.
type attributes[T any] map[string]func(T) []string

// apply keeps the items that pass every filter. tags is nil for resources
// that have none.
func (a attributes[T]) apply(items []T, filters []Filter, tags func(T) []Tag) ([]T, error) {
	for _, f := range filters {
		read, err := a.reader(f, tags)
		if err != nil {
			return nil, err
		}
		kept := items[:0:0]
		for _, item := range items {
			if matchesAny(f.Values, read(item)) {
				kept = append(kept, item)
			}
		}
		items = kept
	}
	return items, nil
}

func (a attributes[T]) reader(f Filter, tags func(T) []Tag) (func(T) []string, error) {
	if len(f.Values) == 0 {
		return nil, invalidValue("The filter '%s' must have at least one value.", f.Name)
	}
	if read, ok := a[f.Name]; ok {
		return read, nil
	}
	if key, ok := strings.CutPrefix(f.Name, "tag:"); ok && tags != nil {
		return func(item T) []string { return tagValues(tags(item), key) }, nil
	}
	if f.Name == "tag-key" && tags != nil {
		return func(item T) []string { return tagKeys(tags(item)) }, nil
	}
	return nil, invalidValue("The filter '%s' is invalid", f.Name)
}

func tagValues(tags []Tag, key string) []string {
	for _, t := range tags {
		if t.Key == key {
			return []string{t.Value}
		}
	}
	return nil
}

func tagKeys(tags []Tag) []string {
	keys := make([]string, 0, len(tags))
	for _, t := range tags {
		keys = append(keys, t.Key)
	}
	return keys
}

func matchesAny(patterns, values []string) bool {
	for _, p := range patterns {
		for _, v := range values {
			if glob(p, v) {
				return true
			}
		}
	}
	return false
}

// glob matches a filter's value in time linear in the product of both lengths.
func glob(pattern, s string) bool {
	p, t := 0, 0
	star, mark := -1, 0
	for t < len(s) {
		switch {
		case p < len(pattern) && pattern[p] == '*':
			star, mark = p, t
			p++
			continue
		case p < len(pattern) && pattern[p] == '?':
			p++
			t++
			continue
		case p < len(pattern):
			lit, width := pattern[p], 1
			if lit == '\\' && p+1 < len(pattern) {
				lit, width = pattern[p+1], 2
			}
			if lit == s[t] {
				p += width
				t++
				continue
			}
		}
		if star < 0 {
			return false
		}
		mark++
		p, t = star+1, mark
	}
	return strings.Trim(pattern[p:], "*") == ""
}

func one(s string) []string {
	if s == "" {
		return nil
	}
	return []string{s}
}

func truth(b bool) []string { return []string{strconv.FormatBool(b)} }

func each[T any](items []T, f func(T) string) []string {
	out := make([]string, 0, len(items))
	for _, item := range items {
		if s := f(item); s != "" {
			out = append(out, s)
		}
	}
	return out
}
