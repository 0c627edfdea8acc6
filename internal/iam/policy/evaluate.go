package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Outcome is how a decision came about.
type Outcome int

const (
	// ImplicitDeny: no statement allows the request.
	ImplicitDeny Outcome = iota
	// Allowed: a statement allows it and none denies it.
	Allowed
	// ExplicitDeny: a statement denies it.
	ExplicitDeny
)

func (o Outcome) String() string {
	return [...]string{"implicitDeny", "allowed", "explicitDeny"}[o]
}

// Named is a document and the name it goes by in a decision.
type Named struct {
	Name     string
	Document Document
}

// Decision is the outcome and the statement behind it.
type Decision struct {
	Outcome Outcome
	// Policy is the name of the deciding document; "" for ImplicitDeny.
	Policy string
	// Statement is the index of the deciding statement, -1 for ImplicitDeny.
	Statement int
	// Sid is the deciding statement's, if it has one.
	Sid string
	// ByAccount says that a trust policy allows the caller's account as a
	// whole and not the caller: the caller's own policies must allow it too.
	ByAccount bool
}

// Allowed says whether the request may go on.
func (d Decision) Allowed() bool { return d.Outcome == Allowed }

func (d Decision) String() string {
	if d.Statement < 0 {
		return d.Outcome.String()
	}
	return fmt.Sprintf("%s by statement %d of %s", d.Outcome, d.Statement, d.Policy)
}

// Evaluate decides a request: an explicit deny wins, then any allow, else the
// request is denied.
func Evaluate(policies []Named, r Request) Decision {
	e := evaluation{request: r, context: make(map[string][]string, len(r.Context))}
	for k, v := range r.Context {
		e.context[strings.ToLower(k)] = v
	}
	out := Decision{Statement: -1}
	for _, n := range policies {
		for i, s := range n.Document.Statements {
			m := e.matches(n.Document, s)
			if m == noMatch {
				continue
			}
			d := Decision{Policy: n.Name, Statement: i, Sid: s.Sid}
			if s.Effect == Deny {
				d.Outcome = ExplicitDeny
				return d
			}
			d.Outcome, d.ByAccount = Allowed, m == accountMatch
			if out.Outcome == ImplicitDeny || out.ByAccount && !d.ByAccount {
				out = d
			}
		}
	}
	return out
}

// Trusts decides whether a role's trust policy lets a service, for example
// eks-fargate-pods.amazonaws.com, call sts:AssumeRole. The context usually
// holds aws:SourceArn and aws:SourceAccount, which say for whom it calls.
func Trusts(trust Document, service string, c Context) Decision {
	return Evaluate([]Named{{Name: "trust policy", Document: trust}}, Request{
		Action: "sts:AssumeRole", Caller: Caller{Service: []string{service}}, Context: c,
	})
}

type evaluation struct {
	request Request
	context map[string][]string
}

// match is how closely a statement names the caller.
type match int

const (
	noMatch match = iota
	accountMatch
	fullMatch
)

func (e evaluation) matches(d Document, s Statement) match {
	var vars lookup
	if d.Version == "2012-10-17" {
		vars = e.variable
	}
	if !e.action(s) || !e.resource(s, vars) {
		return noMatch
	}
	for _, c := range s.Conditions {
		values, present := e.context[strings.ToLower(c.Key)]
		if !c.holds(values, present, vars) {
			return noMatch
		}
	}
	return e.principal(s)
}

// variable is a context key as a policy variable; only keys with one value are.
func (e evaluation) variable(key string) (string, bool) {
	v := e.context[strings.ToLower(key)]
	if len(v) != 1 {
		return "", false
	}
	return v[0], true
}

func (e evaluation) action(s Statement) bool {
	hit := func(a string) bool { return glob(compile(a, nil).tokens, []rune(e.request.Action), true) }
	if s.NotActions != nil {
		return !slices.ContainsFunc(s.NotActions, hit)
	}
	return slices.ContainsFunc(s.Actions, hit)
}

func (e evaluation) resource(s Statement, vars lookup) bool {
	if s.Resources == nil && s.NotResources == nil {
		return true
	}
	hit := func(r string) bool {
		return r == "*" || matchARN(compile(r, vars), e.request.Resource)
	}
	if s.NotResources != nil {
		return !slices.ContainsFunc(s.NotResources, hit)
	}
	return slices.ContainsFunc(s.Resources, hit)
}

func (e evaluation) principal(s Statement) match {
	switch {
	case s.Principals != nil:
		return s.Principals.match(e.request.Caller)
	case s.NotPrincipals != nil:
		if s.NotPrincipals.match(e.request.Caller) != noMatch {
			return noMatch
		}
		return fullMatch
	default:
		return fullMatch
	}
}

// accountPrincipal is an account as a Principal names it.
var accountPrincipal = regexp.MustCompile(`^(?:([0-9]{12})|arn:[a-z-]+:iam::([0-9]{12}):root)$`)

func (p Principals) match(c Caller) match {
	if p.Anyone {
		return fullMatch
	}
	out := noMatch
	for _, a := range p.AWS {
		if a == "*" && c.Account != "" || slices.Contains(c.AWS, a) {
			return fullMatch
		}
		if m := accountPrincipal.FindStringSubmatch(a); m != nil && c.Account != "" && m[1]+m[2] == c.Account {
			out = accountMatch
		}
	}
	if slices.ContainsFunc(p.Service, func(s string) bool { return slices.Contains(c.Service, s) }) {
		return fullMatch
	}
	if c.Federated != "" && slices.Contains(p.Federated, c.Federated) {
		return fullMatch
	}
	return out
}
