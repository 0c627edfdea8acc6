package sigv4

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
)

type param struct{ key, value string }

type query []param

func (q query) all(key string) []string {
	var values []string
	for _, p := range q {
		if p.key == key {
			values = append(values, p.value)
		}
	}
	return values
}

func (q query) has(key string) bool {
	return slices.ContainsFunc(q, func(p param) bool { return p.key == key })
}

func (q query) get(key string) string {
	if i := slices.IndexFunc(q, func(p param) bool { return p.key == key }); i >= 0 {
		return q[i].value
	}
	return ""
}

// parseQuery keeps what url.ParseQuery drops: order, and parameters with a
// semicolon. A malformed escape is refused, since two readers could differ.
func parseQuery(raw string) (query, error) {
	var q query
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		key, err := url.QueryUnescape(k)
		if err != nil {
			return nil, refuse(Incomplete, "The query string has a malformed escape.")
		}
		value, err := url.QueryUnescape(v)
		if err != nil {
			return nil, refuse(Incomplete, "The query string has a malformed escape.")
		}
		q = append(q, param{key, value})
	}
	return q, nil
}

// canonicalQuery is the query sorted and encoded, without the signature itself.
func canonicalQuery(q query) string {
	encoded := make(query, 0, len(q))
	for _, p := range q {
		if p.key != "X-Amz-Signature" {
			encoded = append(encoded, param{escape(p.key, false), escape(p.value, false)})
		}
	}
	slices.SortFunc(encoded, func(a, b param) int {
		return cmp.Or(strings.Compare(a.key, b.key), strings.Compare(a.value, b.value))
	})
	var b strings.Builder
	for i, p := range encoded {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.key + "=" + p.value)
	}
	return b.String()
}

// escape percent-encodes all but RFC 3986's unreserved characters.
func escape(s string, keepSlash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	b.Grow(len(s) + 8)
	for i := range len(s) {
		c := s[i]
		if 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
			c == '-' || c == '_' || c == '.' || c == '~' || c == '/' && keepSlash {
			b.WriteByte(c)
			continue
		}
		b.Write([]byte{'%', digits[c>>4], digits[c&15]})
	}
	return b.String()
}

// canonicalRequest joins the six parts; path is the path as sent.
func canonicalRequest(method, path string, q query, headers []param, payload string) string {
	if path == "" {
		path = "/"
	}
	var b strings.Builder
	b.WriteString(method + "\n" + escape(path, true) + "\n" + canonicalQuery(q) + "\n")
	for _, h := range headers {
		b.WriteString(h.key + ":" + h.value + "\n")
	}
	b.WriteByte('\n')
	for i, h := range headers {
		if i > 0 {
			b.WriteByte(';')
		}
		b.WriteString(h.key)
	}
	b.WriteString("\n" + payload)
	return b.String()
}

// sign is the signature that the secret gives for a canonical request.
func sign(secret Secret, sig signature, canonical string) string {
	toSign := algorithm + "\n" + sig.time.Format(timeFormat) + "\n" + sig.scope.String() + "\n" + hash([]byte(canonical))
	key := mac([]byte("AWS4"+string(secret)), sig.scope.Date)
	for _, part := range []string{sig.scope.Region, sig.scope.Service, terminator} {
		key = mac(key, part)
	}
	return hex.EncodeToString(mac(key, toSign))
}

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func hash(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
