package policy

import (
	"net/netip"
	"strconv"
	"strings"
	"time"
)

// Operator is a condition operator: a comparison, IfExists, and a quantifier
// for keys with several values.
type Operator struct {
	// Name is the comparison without prefix and suffix, for example StringLike.
	Name string
	// IfExists makes the condition hold when the key is absent.
	IfExists bool
	// Each is ForAllValues, ForAnyValue or "".
	Each string
}

// compare decides one value of the request against one value of the policy.
type compare func(p pattern, value string) bool

// comparison is a positive test; the Not operators are its negation over all
// of a condition's values.
type comparison struct {
	test    compare
	negated bool
}

// comparisons is the table of the operators; Null is decided apart, for it
// looks at the key and not at values.
var comparisons = map[string]comparison{
	"StringEquals":              {test: equals},
	"StringNotEquals":           {test: equals, negated: true},
	"StringEqualsIgnoreCase":    {test: equalsFold},
	"StringNotEqualsIgnoreCase": {test: equalsFold, negated: true},
	"StringLike":                {test: like},
	"StringNotLike":             {test: like, negated: true},
	"ArnEquals":                 {test: matchARN},
	"ArnNotEquals":              {test: matchARN, negated: true},
	"ArnLike":                   {test: matchARN},
	"ArnNotLike":                {test: matchARN, negated: true},
	"NumericEquals":             {test: numeric(func(c int) bool { return c == 0 })},
	"NumericNotEquals":          {test: numeric(func(c int) bool { return c == 0 }), negated: true},
	"NumericLessThan":           {test: numeric(func(c int) bool { return c < 0 })},
	"NumericLessThanEquals":     {test: numeric(func(c int) bool { return c <= 0 })},
	"NumericGreaterThan":        {test: numeric(func(c int) bool { return c > 0 })},
	"NumericGreaterThanEquals":  {test: numeric(func(c int) bool { return c >= 0 })},
	"DateEquals":                {test: date(func(c int) bool { return c == 0 })},
	"DateNotEquals":             {test: date(func(c int) bool { return c == 0 }), negated: true},
	"DateLessThan":              {test: date(func(c int) bool { return c < 0 })},
	"DateLessThanEquals":        {test: date(func(c int) bool { return c <= 0 })},
	"DateGreaterThan":           {test: date(func(c int) bool { return c > 0 })},
	"DateGreaterThanEquals":     {test: date(func(c int) bool { return c >= 0 })},
	"Bool":                      {test: equalsFold},
	"BinaryEquals":              {test: equals},
	"IpAddress":                 {test: address},
	"NotIpAddress":              {test: address, negated: true},
}

func parseOperator(s string) (Operator, bool) {
	var o Operator
	if each, rest, ok := strings.Cut(s, ":"); ok {
		if each != "ForAllValues" && each != "ForAnyValue" {
			return o, false
		}
		o.Each, s = each, rest
	}
	if s == "Null" {
		o.Name = s
		return o, true
	}
	o.Name = strings.TrimSuffix(s, "IfExists")
	o.IfExists = o.Name != s
	_, ok := comparisons[o.Name]
	return o, ok
}

// holds decides a condition. values is what the request carries under the key.
func (c Condition) holds(values []string, present bool, vars lookup) bool {
	if c.Operator.Name == "Null" {
		return c.null(present)
	}
	cmp := comparisons[c.Operator.Name]
	if !present || len(values) == 0 {
		switch {
		case c.Operator.IfExists, c.Operator.Each == "ForAllValues":
			return true
		case c.Operator.Each == "ForAnyValue":
			return false
		default:
			return cmp.negated
		}
	}
	patterns := make([]pattern, len(c.Values))
	for i, v := range c.Values {
		patterns[i] = compile(v, vars)
	}
	each := c.Operator.Each
	if each == "" && cmp.negated {
		each = "ForAllValues"
	}
	for _, v := range values {
		if hit := matchesAny(cmp.test, patterns, v) != cmp.negated; hit != (each == "ForAllValues") {
			return hit
		}
	}
	return each == "ForAllValues"
}

func (c Condition) null(present bool) bool {
	for _, v := range c.Values {
		if want, err := strconv.ParseBool(strings.ToLower(v)); err == nil && want != present {
			return true
		}
	}
	return false
}

func matchesAny(test compare, patterns []pattern, value string) bool {
	for _, p := range patterns {
		if !p.unresolved && test(p, value) {
			return true
		}
	}
	return false
}

func equals(p pattern, v string) bool     { return p.text() == v }
func equalsFold(p pattern, v string) bool { return strings.EqualFold(p.text(), v) }
func like(p pattern, v string) bool       { return glob(p.tokens, []rune(v), false) }

func numeric(ok func(int) bool) compare {
	return func(p pattern, v string) bool {
		want, err := strconv.ParseFloat(p.text(), 64)
		if err != nil {
			return false
		}
		got, err := strconv.ParseFloat(v, 64)
		if err != nil {
			return false
		}
		switch {
		case got < want:
			return ok(-1)
		case got > want:
			return ok(1)
		default:
			return got == want && ok(0)
		}
	}
}

func date(ok func(int) bool) compare {
	return func(p pattern, v string) bool {
		want, wok := parseDate(p.text())
		got, gok := parseDate(v)
		return wok && gok && ok(got.Compare(want))
	}
}

// parseDate reads the ISO 8601 forms that IAM documents, or seconds since 1970.
func parseDate(s string) (time.Time, bool) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	if n, err := strconv.ParseInt(s, 10, 64); err == nil {
		return time.Unix(n, 0), true
	}
	return time.Time{}, false
}

func address(p pattern, v string) bool {
	got, err := netip.ParseAddr(v)
	if err != nil {
		return false
	}
	text := p.text()
	if want, err := netip.ParseAddr(text); err == nil {
		return want.Unmap() == got.Unmap()
	}
	prefix, err := netip.ParsePrefix(text)
	return err == nil && prefix.Contains(got.Unmap())
}
