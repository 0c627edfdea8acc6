// Package policy reads IAM policy documents and evaluates them. It is pure: no
// context, clock, log or network; the same documents and request always give
// the same decision, with the statement that made it. It does not know which
// policies an identity has, nor any record. Domain services may import it.
package policy

// Kind is the place a document is written for; the places differ in which
// elements they demand and forbid.
type Kind int

const (
	// Identity is a managed, inline, boundary or session policy: it names
	// resources and no principal.
	Identity Kind = iota
	// Trust is a role's AssumeRolePolicyDocument: it names principals and no
	// resource.
	Trust
)

// Effect is what a statement does to a request that it matches.
type Effect string

const (
	Allow Effect = "Allow"
	Deny  Effect = "Deny"
)

// Document is a parsed policy.
type Document struct {
	// Version is 2012-10-17, or 2008-10-17 (the default), which knows no
	// policy variables.
	Version    string
	ID         string
	Statements []Statement
}

// Statement is one rule. Of each pair (Actions, NotActions and so on) at most
// one is set.
type Statement struct {
	Sid           string
	Effect        Effect
	Principals    *Principals
	NotPrincipals *Principals
	Actions       []string
	NotActions    []string
	Resources     []string
	NotResources  []string
	Conditions    []Condition
}

// Principals is a Principal element. Anyone is the plain "*".
type Principals struct {
	Anyone        bool
	AWS           []string
	Service       []string
	Federated     []string
	CanonicalUser []string
}

// Condition is one operator applied to one context key.
type Condition struct {
	Operator Operator
	Key      string
	Values   []string
}

// Context is the request's context: values by key, keys without regard to case.
type Context map[string][]string

// Caller is who makes a request, by every name a Principal element may use. An
// identity policy is evaluated without one.
type Caller struct {
	// AWS holds the ARNs and unique ids the caller answers to: a session's
	// ARN, its role's ARN and the role's id.
	AWS []string
	// Account is the caller's account, for principals that name an account.
	Account string
	// Service holds the service principals of a service that calls.
	Service []string
	// Federated is the provider of a federated caller.
	Federated string
}

// Request is what is to be decided.
type Request struct {
	// Action is service:Operation.
	Action string
	// Resource is an ARN; "" where the policy itself is attached to the
	// resource, as a trust policy is.
	Resource string
	Caller   Caller
	Context  Context
}
