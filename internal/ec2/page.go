package ec2

import (
	"encoding/base64"
	"slices"
	"strings"

	"berth.dev/berth/internal/fault"
)

// query is what every paginated description has in common.
type query struct {
	dryRun     bool
	ids        []string
	filters    []Filter
	maxResults *int32
	nextToken  string
}

// describe narrows items to the wanted ones and to one page of them, in order
// of their identifiers. An identifier that names nothing is refused.
func describe[T any](items []T, q query, k kind, idOf func(T) string, a attributes[T], tags func(T) []Tag) ([]T, string, error) {
	if err := refuseDryRun(q.dryRun); err != nil {
		return nil, "", err
	}
	items, err := named(items, q.ids, k, idOf)
	if err != nil {
		return nil, "", err
	}
	if items, err = a.apply(items, q.filters, tags); err != nil {
		return nil, "", err
	}
	return page(items, q, idOf)
}

func named[T any](items []T, ids []string, k kind, idOf func(T) string) ([]T, error) {
	if len(ids) == 0 {
		return items, nil
	}
	byID := make(map[string]T, len(items))
	for _, item := range items {
		byID[idOf(item)] = item
	}
	picked := make([]T, 0, len(ids))
	for i, id := range ids {
		if err := k.check(id); err != nil {
			return nil, err
		}
		item, ok := byID[id]
		if !ok {
			return nil, k.notFound(id)
		}
		if !slices.Contains(ids[:i], id) {
			picked = append(picked, item)
		}
	}
	return picked, nil
}

// page cuts one page; the token names the last item of the page before, so
// that what comes and goes in between neither repeats nor hides the others.
func page[T any](items []T, q query, idOf func(T) string) ([]T, string, error) {
	slices.SortFunc(items, func(a, b T) int { return strings.Compare(idOf(a), idOf(b)) })
	if q.nextToken != "" {
		after, err := base64.RawURLEncoding.DecodeString(q.nextToken)
		if err != nil || len(after) == 0 {
			return nil, "", fault.New(400, "InvalidNextToken", "The token '%s' is invalid", q.nextToken)
		}
		i := slices.IndexFunc(items, func(item T) bool { return idOf(item) > string(after) })
		if i < 0 {
			i = len(items)
		}
		items = items[i:]
	}
	if q.maxResults == nil {
		return items, "", nil
	}
	limit := int(*q.maxResults)
	switch {
	case limit < 5:
		return nil, "", invalidValue("Value ( %d ) for parameter maxResults is invalid. Expecting a value greater than 5.", limit)
	case limit > 1000:
		return nil, "", invalidValue("Value ( %d ) for parameter maxResults is invalid. Expecting a value less than 1000.", limit)
	case len(items) <= limit:
		return items, "", nil
	}
	return items[:limit], base64.RawURLEncoding.EncodeToString([]byte(idOf(items[limit-1]))), nil
}
