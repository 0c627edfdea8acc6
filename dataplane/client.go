package dataplane

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
)

// maxAnswer bounds what a client reads of one answer.
const maxAnswer = 64 << 20

// StatusError is an answer of status 400 and above.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string {
	return fmt.Sprintf("dataplane answered %d: %s", e.Code, e.Message)
}

// IsNotFound reports whether err says that the dataplane runs no such node.
func IsNotFound(err error) bool { return hasCode(err, http.StatusNotFound) }

// IsConflict reports whether err says that a node differs from the running one,
// or that it cannot be deleted because it still has containers.
func IsConflict(err error) bool { return hasCode(err, http.StatusConflict) }

func hasCode(err error, code int) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == code
}

// Client speaks the protocol with one dataplane. It is safe for concurrent use;
// deadlines are the callers', through their contexts.
type Client struct {
	http *http.Client
}

// NewClient returns a client of the dataplane that serves on the Unix socket.
// Nothing is dialled until the first call.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var dialer net.Dialer
		return dialer.DialContext(ctx, "unix", socket)
	}
	return &Client{http: &http.Client{Transport: &http.Transport{DialContext: dial}}}
}

// Close drops idle connections. The client remains usable.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// PutNode runs a kubelet for the node, and returns once it was started, not
// once it is registered. It is idempotent; IsConflict when another node of the
// same name runs.
func (c *Client) PutNode(ctx context.Context, node Node) (NodeStatus, error) {
	var status NodeStatus
	if err := c.do(ctx, http.MethodPut, "/nodes/"+url.PathEscape(node.Name), node, &status); err != nil {
		return NodeStatus{}, fmt.Errorf("putting node %s: %w", node.Name, err)
	}
	return status, nil
}

// DeleteNode stops the node's kubelet and removes what it left on this host;
// no such node is a success. IsConflict when containers remain, unless force,
// which removes them.
func (c *Client) DeleteNode(ctx context.Context, name string, force bool) error {
	path := "/nodes/" + url.PathEscape(name)
	if force {
		path += "?force=true"
	}
	if err := c.do(ctx, http.MethodDelete, path, nil, nil); err != nil {
		return fmt.Errorf("deleting node %s: %w", name, err)
	}
	return nil
}

// Node observes one node; IsNotFound when it does not run.
func (c *Client) Node(ctx context.Context, name string) (NodeStatus, error) {
	var status NodeStatus
	if err := c.do(ctx, http.MethodGet, "/nodes/"+url.PathEscape(name), nil, &status); err != nil {
		return NodeStatus{}, fmt.Errorf("reading node %s: %w", name, err)
	}
	return status, nil
}

// Nodes observes every node, by name.
func (c *Client) Nodes(ctx context.Context) ([]NodeStatus, error) {
	var statuses []NodeStatus
	if err := c.do(ctx, http.MethodGet, "/nodes", nil, &statuses); err != nil {
		return nil, fmt.Errorf("reading nodes: %w", err)
	}
	return statuses, nil
}

// Healthz returns nil when the dataplane serves and its kube-proxy, if it has
// one, has synchronised once.
func (c *Client) Healthz(ctx context.Context) error {
	if err := c.do(ctx, http.MethodGet, "/healthz", nil, nil); err != nil {
		return fmt.Errorf("reading health: %w", err)
	}
	return nil
}

func (c *Client) do(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	request, err := http.NewRequestWithContext(ctx, method, "http://dataplane"+path, body)
	if err != nil {
		return err
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer))
	if err != nil {
		return err
	}
	if response.StatusCode >= http.StatusBadRequest {
		return statusError(response.StatusCode, data)
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

func statusError(code int, data []byte) error {
	var body Error
	if json.Unmarshal(data, &body) != nil || body.Message == "" {
		body.Message = http.StatusText(code)
	}
	return &StatusError{Code: code, Message: body.Message}
}
