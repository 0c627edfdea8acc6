package wire

import (
	"cmp"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Params are a form's parameters under one dotted prefix. They are kept sorted
// instead of as a tree, so that a hostile body costs no more than its bytes.
type Params struct {
	prefix string // with its dot, or empty
	pairs  []pair // sorted by key, all beginning with prefix
}

type pair struct{ key, value string }

// NewParams takes the first value of each key.
func NewParams(form url.Values) Params {
	p := Params{pairs: make([]pair, 0, len(form))}
	for key, values := range form {
		if len(values) > 0 {
			p.pairs = append(p.pairs, pair{key, values[0]})
		}
	}
	slices.SortFunc(p.pairs, func(a, b pair) int { return strings.Compare(a.key, b.key) })
	return p
}

// Get is the value of the parameter name.
func (p Params) Get(name string) (string, bool) {
	key := p.prefix + name
	i, found := slices.BinarySearchFunc(p.pairs, key, func(x pair, k string) int { return strings.Compare(x.key, k) })
	if !found {
		return "", false
	}
	return p.pairs[i].value, true
}

// Under are the parameters below name.
func (p Params) Under(name string) Params {
	prefix := p.prefix + name + "."
	from, _ := slices.BinarySearchFunc(p.pairs, prefix, func(x pair, k string) int { return strings.Compare(x.key, k) })
	rest := p.pairs[from:]
	n := 0
	for n < len(rest) && strings.HasPrefix(rest[n].key, prefix) {
		n++
	}
	return Params{prefix: prefix, pairs: rest[:n]}
}

// Empty: nothing stands below the prefix.
func (p Params) Empty() bool { return len(p.pairs) == 0 }

// Name is the prefix without its dot, for messages.
func (p Params) Name() string { return strings.TrimSuffix(p.prefix, ".") }

// Numbers are the distinct numbers that follow the prefix, as they were written
// and in numeric order.
func (p Params) Numbers() []string {
	type item struct {
		text   string
		number int
	}
	var items []item
	for _, x := range p.pairs {
		text, _, _ := strings.Cut(x.key[len(p.prefix):], ".")
		if len(items) > 0 && items[len(items)-1].text == text {
			continue
		}
		if n, err := strconv.Atoi(text); err == nil && n >= 0 && strconv.Itoa(n) == text {
			items = append(items, item{text, n})
		}
	}
	slices.SortFunc(items, func(a, b item) int { return cmp.Compare(a.number, b.number) })
	items = slices.Compact(items)
	texts := make([]string, len(items))
	for i, x := range items {
		texts[i] = x.text
	}
	return texts
}
