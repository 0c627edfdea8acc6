package iam

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/iam/policy"
	"berth.dev/berth/internal/principal"
	"berth.dev/berth/internal/store"
)

// Authorize decides whether a principal may do an action, service:Operation,
// on a resource, an ARN or "*". The root user may do all. Others need an allow
// of their identity's policies, of its permissions boundary if it has one, and
// of the session's policies if there are any. The conditions are the request's
// context keys; what IAM knows of the principal is added to them. A refusal is
// a *fault.Error in the words and with the code of the action's service.
func (s *Service) Authorize(ctx context.Context, p principal.Principal, action, resource string, conditions map[string][]string) error {
	if p.Kind == principal.Root {
		return nil
	}
	id, err := s.identity(ctx, p)
	if err != nil {
		return fmt.Errorf("authorizing %s: %w", p.ARN, err)
	}
	r := policy.Request{Action: action, Resource: resource, Context: s.requestContext(p, id, conditions)}
	for _, l := range id.layers {
		d := policy.Evaluate(l.policies, r)
		if d.Allowed() {
			continue
		}
		return denied(p, action, resource, l.kind, d)
	}
	return nil
}

// layer is policies of one kind; a request must be allowed by every layer.
type layer struct {
	kind     string
	policies []policy.Named
}

type identity struct {
	layers []layer
	tags   map[string]string
	name   string
}

const (
	layerIdentity = "identity-based policy"
	layerBoundary = "permissions boundary"
	layerSession  = "session policy"
)

// identity gathers the policies that speak about a principal. One whose role
// or user is gone has none, and so may do nothing.
func (s *Service) identity(ctx context.Context, p principal.Principal) (identity, error) {
	var id identity
	var g grants
	switch p.Kind {
	case principal.User:
		u, err := s.users.Get(ctx, policyKey(p.ARN.Resource))
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return id, err
		}
		if u.ID == p.UserID {
			g, id.tags, id.name = u.grants, u.Tags, u.Name
		}
	case principal.AssumedRole:
		r, err := s.roleByARN(ctx, p.Role)
		if err != nil && !errors.Is(err, credential.ErrNoRole) {
			return id, err
		}
		if roleID, _, _ := strings.Cut(p.UserID, ":"); r.ID == roleID {
			g, id.tags = r.grants, r.Tags
		}
	}
	own, err := s.documents(ctx, g)
	if err != nil {
		return id, err
	}
	id.layers = []layer{{kind: layerIdentity, policies: own}}
	if g.Boundary != "" {
		l, err := s.namedDocuments(ctx, []string{g.Boundary})
		if err != nil {
			return id, err
		}
		id.layers = append(id.layers, layer{kind: layerBoundary, policies: l})
	}
	return id, s.addSession(ctx, p, &id)
}

// addSession adds the layer of a session's own policies, and its tags.
func (s *Service) addSession(ctx context.Context, p principal.Principal, id *identity) error {
	r, err := s.sessions.Get(ctx, p.AccessKeyID)
	if errors.Is(err, store.ErrNotFound) {
		return nil
	} else if err != nil {
		return err
	}
	v := r.Session
	if len(v.Tags) > 0 {
		id.tags = maps.Clone(id.tags)
		if id.tags == nil {
			id.tags = map[string]string{}
		}
		maps.Copy(id.tags, v.Tags)
	}
	if v.Policy == "" && len(v.PolicyARNs) == 0 {
		return nil
	}
	l, err := s.namedDocuments(ctx, v.PolicyARNs)
	if err != nil {
		return err
	}
	if v.Policy != "" {
		d, err := policy.Parse(policy.Identity, v.Policy)
		if err != nil {
			return fmt.Errorf("parsing the session policy of %s: %w", p.AccessKeyID, err)
		}
		l = append(l, policy.Named{Name: "session policy", Document: d})
	}
	id.layers = append(id.layers, layer{kind: layerSession, policies: l})
	return nil
}

// documents are an identity's attached and inline policies.
func (s *Service) documents(ctx context.Context, g grants) ([]policy.Named, error) {
	out, err := s.namedDocuments(ctx, g.Attached)
	if err != nil {
		return nil, err
	}
	for _, name := range g.inlineNames() {
		d, err := policy.Parse(policy.Identity, g.Inline[name])
		if err != nil {
			return nil, fmt.Errorf("parsing inline policy %s: %w", name, err)
		}
		out = append(out, policy.Named{Name: name, Document: d})
	}
	return out, nil
}

// namedDocuments are managed policies by ARN; one that is gone allows nothing.
func (s *Service) namedDocuments(ctx context.Context, arns []string) ([]policy.Named, error) {
	var out []policy.Named
	for _, a := range arns {
		if m, ok := s.managed[a]; ok {
			out = append(out, policy.Named{Name: a, Document: m.parsed})
			continue
		}
		p, err := s.policies.Get(ctx, policyKey(a))
		if errors.Is(err, store.ErrNotFound) || err == nil && p.ARN.String() != a {
			continue
		} else if err != nil {
			return nil, err
		}
		d, err := policy.Parse(policy.Identity, p.Document)
		if err != nil {
			return nil, fmt.Errorf("parsing policy %s: %w", a, err)
		}
		out = append(out, policy.Named{Name: a, Document: d})
	}
	return out, nil
}

// requestContext adds the global keys about the principal and the time. They
// replace what the request may claim under the same names.
func (s *Service) requestContext(p principal.Principal, id identity, conditions map[string][]string) policy.Context {
	now := s.clock.Now().UTC()
	known := map[string]string{
		"aws:PrincipalArn":     p.Issuer().String(),
		"aws:PrincipalAccount": p.Account,
		"aws:PrincipalType":    string(p.Kind),
		"aws:userid":           p.UserID,
		"aws:CurrentTime":      now.Format(time.RFC3339),
		"aws:EpochTime":        strconv.FormatInt(now.Unix(), 10),
	}
	if p.Kind == principal.User {
		known["aws:username"] = id.name
	}
	for k, v := range id.tags {
		known["aws:PrincipalTag/"+k] = v
	}
	out := policy.Context{}
	for k, v := range conditions {
		if !strings.HasPrefix(strings.ToLower(k), "aws:principal") {
			out[strings.ToLower(k)] = slices.Clone(v)
		}
	}
	for k, v := range known {
		out[strings.ToLower(k)] = []string{v}
	}
	return out
}

// denied words a refusal as the service of the action does.
func denied(p principal.Principal, action, resource, kind string, d policy.Decision) *fault.Error {
	why := fmt.Sprintf("because no %s allows the %s action", kind, action)
	if d.Outcome == policy.ExplicitDeny {
		article := "a"
		if kind == layerIdentity {
			article = "an"
		}
		why = fmt.Sprintf("with an explicit deny in %s %s", article, kind)
	}
	text := fmt.Sprintf("User: %s is not authorized to perform: %s on resource: %s %s", p.ARN, action, resource, why)
	cause := errors.New(d.String())
	switch service, _, _ := strings.Cut(action, ":"); service {
	case "eks":
		return fault.New(statusForbidden, "AccessDeniedException", "%s", text).Because(cause)
	case "ec2":
		return fault.New(statusForbidden, "UnauthorizedOperation", "You are not authorized to perform this operation. %s", text).Because(cause)
	default:
		return accessDenied("%s", text).Because(cause)
	}
}

// KeyAccount is the account that an access key belongs to;
// credential.ErrUnknownKey when there is no such key.
func (s *Service) KeyAccount(ctx context.Context, accessKeyID string) (string, error) {
	_, _, _, err := s.Lookup(ctx, accessKeyID)
	if errors.Is(err, credential.ErrExpired) || err == nil {
		return s.scope.Account, nil
	}
	return "", err
}
