package eks

import (
	"encoding/base64"
	"strings"
)

const pagePrefix = "after:"

// page cuts out of names, which are sorted, what one reply carries: at most
// limit of them (100 when nil) that come after what the token of the previous
// reply says. A token names a name and not a position, so that pages stay
// right when resources come and go between them.
func page(names []string, limit *int32, token *string, on subject) ([]string, *string, error) {
	size := 100
	if limit != nil {
		size = int(*limit)
	}
	if size < 1 || size > 100 {
		return nil, nil, on.badParameter("maxResults must be between 1 and 100")
	}
	after, err := readToken(token)
	if err != nil {
		return nil, nil, on.badParameter("Invalid nextToken")
	}
	start := 0
	for start < len(names) && token != nil && names[start] <= after {
		start++
	}
	names = names[start:]
	if len(names) <= size {
		return names, nil, nil
	}
	next := base64.URLEncoding.EncodeToString([]byte(pagePrefix + names[size-1]))
	return names[:size], &next, nil
}

func readToken(token *string) (string, error) {
	if token == nil {
		return "", nil
	}
	b, err := base64.URLEncoding.DecodeString(*token)
	after, ok := strings.CutPrefix(string(b), pagePrefix)
	if err == nil && !ok {
		err = base64.CorruptInputError(0)
	}
	return after, err
}
