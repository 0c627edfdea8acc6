package policy

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// pattern is text in which * and ? are wildcards, after policy variables have
// been put in. What a variable brings is literal, wildcards included: a user
// named * must not match every user.
type pattern struct {
	tokens []token
	// unresolved says that a variable has no value; such a pattern matches
	// nothing.
	unresolved bool
}

type token struct {
	kind tokenKind
	r    rune
	// value marks a rune that came out of a variable.
	value bool
}

type tokenKind uint8

const (
	literal tokenKind = iota
	anyOne
	anyRun
)

// lookup gives a variable's value.
type lookup func(key string) (value string, ok bool)

// compile reads a pattern; with a nil lookup, variables are plain text, as in
// documents of version 2008-10-17.
func compile(s string, vars lookup) pattern {
	var p pattern
	for s != "" {
		if vars != nil && strings.HasPrefix(s, "${") {
			if end := strings.IndexByte(s, '}'); end >= 0 {
				value, ok := variable(s[2:end], vars)
				p.unresolved = p.unresolved || !ok
				for _, r := range value {
					p.tokens = append(p.tokens, token{r: r, value: true})
				}
				s = s[end+1:]
				continue
			}
		}
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		switch r {
		case '*':
			p.tokens = append(p.tokens, token{kind: anyRun})
		case '?':
			p.tokens = append(p.tokens, token{kind: anyOne})
		default:
			p.tokens = append(p.tokens, token{r: r})
		}
	}
	return p
}

// variable resolves the inside of ${…}: a key, a key with a default in single
// quotes, or one of the escapes ${*}, ${?} and ${$}.
func variable(inside string, vars lookup) (string, bool) {
	switch inside {
	case "*", "?", "$":
		return inside, true
	}
	key, fallback, hasDefault := strings.Cut(inside, ",")
	if v, ok := vars(strings.TrimSpace(key)); ok {
		return v, true
	}
	fallback = strings.TrimSpace(fallback)
	if hasDefault && len(fallback) >= 2 && strings.HasPrefix(fallback, "'") && strings.HasSuffix(fallback, "'") {
		return fallback[1 : len(fallback)-1], true
	}
	return "", false
}

// text is the pattern read without wildcards, for the operators that know none.
func (p pattern) text() string {
	var b strings.Builder
	for _, t := range p.tokens {
		switch t.kind {
		case anyRun:
			b.WriteByte('*')
		case anyOne:
			b.WriteByte('?')
		default:
			b.WriteRune(t.r)
		}
	}
	return b.String()
}

// glob matches s against tokens. It goes back to the last * alone, so its time
// is bounded by the product of the lengths.
func glob(tokens []token, s []rune, fold bool) bool {
	star, mark := -1, 0
	i, j := 0, 0
	for j < len(s) {
		switch {
		case i < len(tokens) && tokens[i].kind == anyRun:
			star, mark = i, j
			i++
		case i < len(tokens) && tokens[i].matches(s[j], fold):
			i++
			j++
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	for i < len(tokens) && tokens[i].kind == anyRun {
		i++
	}
	return i == len(tokens)
}

func (t token) matches(r rune, fold bool) bool {
	switch {
	case t.kind == anyOne:
		return true
	case t.kind == anyRun:
		return false
	case fold:
		return unicode.ToLower(t.r) == unicode.ToLower(r)
	default:
		return t.r == r
	}
}

// split cuts at the first five colons that the policy's author wrote: the six
// parts of an ARN. Colons out of variables do not count.
func split(tokens []token) [][]token {
	var parts [][]token
	start := 0
	for i, t := range tokens {
		if len(parts) < 5 && t.kind == literal && !t.value && t.r == ':' {
			parts = append(parts, tokens[start:i])
			start = i + 1
		}
	}
	return append(parts, tokens[start:])
}

// matchARN compares an ARN part by part, so that a wildcard never reaches
// across a colon before the resource. A pattern that is no ARN is compared as
// one text.
func matchARN(p pattern, s string) bool {
	if p.unresolved {
		return false
	}
	parts, values := split(p.tokens), strings.SplitN(s, ":", 6)
	if len(parts) != 6 || len(values) != 6 {
		return glob(p.tokens, []rune(s), false)
	}
	for i := range parts {
		if !glob(parts[i], []rune(values[i]), false) {
			return false
		}
	}
	return true
}
