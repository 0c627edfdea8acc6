package iam

import (
	"encoding/base64"
	"strings"
)

// page is one reply's worth of a list.
type page[T any] struct {
	items     []T
	truncated bool
	marker    *string
}

// pageSize checks MaxItems and returns it, 100 by default.
func (c *check) pageSize(v *int32) int {
	if v == nil {
		return 100
	}
	switch {
	case *v < 1:
		c.constraint("maxItems", *v, "have value greater than or equal to 1")
	case *v > 1000:
		c.constraint("maxItems", *v, "have value less than or equal to 1000")
	}
	return int(*v)
}

// marker checks the Marker of an earlier reply and returns the key after which
// to go on.
func (c *check) marker(v *string) string {
	if v == nil {
		return ""
	}
	b, err := base64.URLEncoding.DecodeString(*v)
	after, ok := strings.CutPrefix(string(b), markerPrefix)
	if err != nil || !ok {
		c.say("Invalid Marker.")
	}
	return after
}

const markerPrefix = "v1:"

// paginate takes the items, which are in order of their keys, that come after
// a key. A marker names a key and not a position, so that pages stay right
// when items come and go between them.
func paginate[T any](items []T, key func(T) string, after string, size int) page[T] {
	start := 0
	for start < len(items) && after != "" && key(items[start]) <= after {
		start++
	}
	items = items[start:]
	if len(items) <= size {
		return page[T]{items: items}
	}
	marker := base64.URLEncoding.EncodeToString([]byte(markerPrefix + key(items[size-1])))
	return page[T]{items: items[:size], truncated: true, marker: &marker}
}
