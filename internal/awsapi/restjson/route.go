package restjson

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
)

// node is one path segment; a literal child is tried before the label.
type node struct {
	literals map[string]*node
	label    *node
	leaves   map[string]leaf // by method
}

type leaf struct {
	operation string
	labels    []string // names, in the order of the path
}

func (n *node) add(method, uri, operation string) error {
	if strings.ContainsAny(uri, "?+") {
		return fmt.Errorf("routing %s: the path %s has a form that is not built", operation, uri)
	}
	var labels []string
	for segment := range strings.SplitSeq(strings.TrimPrefix(uri, "/"), "/") {
		if strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}") {
			labels = append(labels, segment[1:len(segment)-1])
			if n.label == nil {
				n.label = &node{}
			}
			n = n.label
			continue
		}
		if n.literals == nil {
			n.literals = map[string]*node{}
		}
		if n.literals[segment] == nil {
			n.literals[segment] = &node{}
		}
		n = n.literals[segment]
	}
	if other, taken := n.leaves[method]; taken {
		return fmt.Errorf("routing %s: %s %s is %s already", operation, method, uri, other.operation)
	}
	if n.leaves == nil {
		n.leaves = map[string]leaf{}
	}
	n.leaves[method] = leaf{operation, labels}
	return nil
}

// find matches the escaped path, so that an encoded slash stays in its label.
func (n *node) find(method, path string) (operation string, labels map[string]string, ok bool) {
	if !strings.HasPrefix(path, "/") {
		return "", nil, false
	}
	found, values, ok := n.match(method, strings.Split(path[1:], "/"), nil)
	if !ok {
		return "", nil, false
	}
	labels = make(map[string]string, len(values))
	for i, name := range found.labels {
		labels[name] = values[i]
	}
	return found.operation, labels, true
}

func (n *node) match(method string, segments, values []string) (leaf, []string, bool) {
	if len(segments) == 0 {
		found, ok := n.leaves[method]
		return found, values, ok
	}
	if next := n.literals[segments[0]]; next != nil {
		if found, v, ok := next.match(method, segments[1:], values); ok {
			return found, v, true
		}
	}
	if n.label == nil || segments[0] == "" {
		return leaf{}, nil, false
	}
	value, err := url.PathUnescape(segments[0])
	if err != nil {
		return leaf{}, nil, false
	}
	return n.label.match(method, segments[1:], append(values, value))
}

// all lists the routes below n, for tests: operation by "METHOD path".
func (n *node) all(prefix string) map[string]string {
	routes := map[string]string{}
	for method, l := range n.leaves {
		routes[method+" "+prefix] = l.operation
	}
	for segment, child := range n.literals {
		maps.Copy(routes, child.all(prefix+"/"+segment))
	}
	if n.label != nil {
		maps.Copy(routes, n.label.all(prefix+"/{}"))
	}
	return routes
}
