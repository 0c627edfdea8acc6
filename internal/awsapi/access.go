package awsapi

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/principal"
)

// Access is one question to the authorizer: one action on one resource.
type Access struct {
	Principal principal.Principal
	// Action is prefixed, for example eks:CreateCluster.
	Action string
	// Resource is an ARN, or "*".
	Resource string
	// Conditions are the global condition keys of the request.
	Conditions map[string][]string
}

// Authorizer judges access.
type Authorizer interface {
	// Authorize returns nil to allow, an error that is a *Denied to refuse in
	// the protocol's words or a *fault.Error to refuse in its own, and any other
	// error when it could not judge.
	Authorize(ctx context.Context, a Access) error
}

// Denied is the refusal of an Authorizer.
type Denied struct {
	// Reason goes on AWS's sentence, for example "because no identity-based
	// policy allows the eks:CreateCluster action"; it may be empty.
	Reason string
}

func (d *Denied) Error() string { return "access denied " + d.Reason }

// AuthorizerFunc is a function that authorises.
type AuthorizerFunc func(context.Context, Access) error

// Authorize implements Authorizer.
func (f AuthorizerFunc) Authorize(ctx context.Context, a Access) error { return f(ctx, a) }

// authorize asks about every resource of the call.
func (h *handler) authorize(x *exchange, in any) error {
	if x.operation.unchecked {
		return nil
	}
	resources := []string{"*"}
	if x.operation.resources != nil {
		resources = x.operation.resources(in)
	} else if x.endpoint.Resource != nil {
		scope := arn.Scope{Partition: arn.PartitionOf(h.Region), Region: h.Region, Account: x.principal.Account}
		if resource := x.endpoint.Resource(scope, x.call.Labels); resource != "" {
			resources[0] = resource
		}
	}
	for _, resource := range resources {
		a := Access{
			Principal: x.principal, Action: x.endpoint.SigningName + ":" + x.call.Operation,
			Resource: resource, Conditions: h.conditions(x),
		}
		err := h.Authorizer.Authorize(x.ctx(), a)
		var denied *Denied
		if errors.As(err, &denied) {
			return x.endpoint.deny(a, denied.Reason)
		}
		if err != nil {
			return fmt.Errorf("authorising %s on %s: %w", a.Action, resource, err)
		}
	}
	return nil
}

func (e *endpoint) deny(a Access, reason string) *fault.Error {
	text := "User: " + a.Principal.ARN.String() + " is not authorized to perform: " + a.Action + " on resource: " + a.Resource
	if reason != "" {
		text += " " + reason
	}
	if e.Protocol == EC2Query {
		text = "You are not authorized to perform this operation. " + text
	}
	return e.refusals.denied.fault(text)
}

func (h *handler) conditions(x *exchange) map[string][]string {
	now := h.Clock.Now().UTC()
	source, _, err := net.SplitHostPort(x.http.RemoteAddr)
	if err != nil {
		source = x.http.RemoteAddr
	}
	return map[string][]string{
		"aws:PrincipalArn":     {x.principal.Issuer().String()},
		"aws:PrincipalAccount": {x.principal.Account},
		"aws:userid":           {x.principal.UserID},
		"aws:RequestedRegion":  {h.Region},
		"aws:SourceIp":         {source},
		"aws:SecureTransport":  {strconv.FormatBool(x.http.TLS != nil)},
		"aws:CurrentTime":      {now.Format(time.RFC3339)},
		"aws:EpochTime":        {strconv.FormatInt(now.Unix(), 10)},
		"aws:UserAgent":        {x.http.UserAgent()},
	}
}

// anonymous finds the operation of a query API that an unsigned request asks
// for and may ask for.
func (h *handler) anonymous(r *wire.Request) (*endpoint, bool) {
	action, version := r.Form.Get("Action"), r.Form.Get("Version")
	for _, e := range h.endpoints {
		if e.Version != "" && e.Version == version {
			return e, e.operations[action].anonymous
		}
	}
	return nil, false
}
