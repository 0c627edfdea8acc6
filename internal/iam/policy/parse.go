package policy

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// MaxSize is the longest text that Parse reads, in bytes: the limit of the
// APIs' policy document members.
const MaxSize = 131072

// Error says why a text is not a policy: AWS's own sentence, and the place.
type Error struct {
	// Path is the element at fault, for example Statement[1].Condition.
	Path string
	// Message is the sentence that IAM answers with.
	Message string
}

func (e *Error) Error() string {
	if e.Path == "" {
		return e.Message
	}
	return e.Path + ": " + e.Message
}

const (
	msgSyntax    = "Syntax errors in policy."
	msgJSON      = "This policy contains invalid Json"
	msgVendor    = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."
	msgActions   = "Policy statement must contain actions."
	msgResources = "Policy statement must contain resources."
	msgSidUnique = "Statement IDs (SID) in a single policy must be unique."
	msgSidChars  = "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*"
	msgVersion   = "Policy document must be version 2012-10-17 or greater."
	msgPrincipal = "Policy document should not specify a principal."
	msgSTSOnly   = "AssumeRole policy may only specify STS AssumeRole actions."
)

var (
	sidPattern    = regexp.MustCompile(`^[0-9A-Za-z]*$`)
	vendorPattern = regexp.MustCompile(`^[a-zA-Z0-9-]+$`)
	actionPattern = regexp.MustCompile(`^[a-zA-Z0-9*?]+$`)
	trustActions  = []string{
		"sts:assumerole", "sts:assumerolewithsaml", "sts:assumerolewithwebidentity",
		"sts:tagsession", "sts:setsourceidentity", "sts:setcontext", "sts:*",
	}
)

// Parse reads a document strictly: unknown and repeated elements, wrong types
// and what IAM refuses for the kind are errors, all of type *Error.
func Parse(kind Kind, text string) (Document, error) {
	if len(text) > MaxSize {
		return Document{}, &Error{Message: msgSyntax}
	}
	root, err := readJSON(text)
	if err != nil {
		return Document{}, &Error{Message: msgJSON}
	}
	o, ok := root.(object)
	if !ok {
		return Document{}, &Error{Message: msgSyntax}
	}
	p := parser{kind: kind}
	d := p.document(o)
	if p.err != nil {
		return Document{}, p.err
	}
	return d, nil
}

// parser keeps the first error; every step after one does nothing of effect.
type parser struct {
	kind Kind
	err  *Error
}

func (p *parser) fail(path, format string, args ...any) {
	if p.err == nil {
		p.err = &Error{Path: path, Message: fmt.Sprintf(format, args...)}
	}
}

func (p *parser) document(o object) Document {
	p.only("", o, "Version", "Id", "Statement")
	d := Document{Version: "2008-10-17"}
	if v, ok := o.get("Version"); ok {
		d.Version = p.text("Version", v)
		if d.Version != "2012-10-17" && d.Version != "2008-10-17" {
			p.fail("Version", msgSyntax)
		}
	}
	if p.kind == Identity && d.Version != "2012-10-17" {
		p.fail("Version", msgVersion)
	}
	if v, ok := o.get("Id"); ok {
		d.ID = p.text("Id", v)
	}
	v, ok := o.get("Statement")
	if !ok {
		p.fail("Statement", "Missing required field Statement")
		return d
	}
	list, isList := v.([]any)
	if !isList {
		list = []any{v}
	}
	sids := map[string]bool{}
	for i, item := range list {
		path := fmt.Sprintf("Statement[%d]", i)
		so, ok := item.(object)
		if !ok {
			p.fail(path, msgSyntax)
			return d
		}
		s := p.statement(path, so)
		if s.Sid != "" && sids[s.Sid] {
			p.fail(path+".Sid", msgSidUnique)
		}
		sids[s.Sid] = true
		d.Statements = append(d.Statements, s)
	}
	return d
}

func (p *parser) statement(path string, o object) Statement {
	p.only(path, o, "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
	var s Statement
	if v, ok := o.get("Sid"); ok {
		s.Sid = p.text(path+".Sid", v)
		if p.kind == Identity && !sidPattern.MatchString(s.Sid) {
			p.fail(path+".Sid", msgSidChars)
		}
	}
	p.effect(path, o, &s)
	p.principals(path, o, &s)
	p.actions(path, o, &s)
	p.resources(path, o, &s)
	if v, ok := o.get("Condition"); ok {
		s.Conditions = p.conditions(path+".Condition", v)
	}
	return s
}

func (p *parser) effect(path string, o object, s *Statement) {
	v, ok := o.get("Effect")
	if !ok {
		p.fail(path, "Missing required field Effect")
		return
	}
	s.Effect = Effect(p.text(path+".Effect", v))
	if s.Effect != Allow && s.Effect != Deny {
		p.fail(path+".Effect", "Invalid effect: %s", s.Effect)
	}
}

func (p *parser) actions(path string, o object, s *Statement) {
	s.Actions, s.NotActions = p.pair(path, o, "Action", "NotAction")
	all := slices.Concat(s.Actions, s.NotActions)
	if len(all) == 0 {
		if p.kind == Trust {
			p.fail(path, "Missing required field Action")
		}
		p.fail(path, msgActions)
	}
	for _, a := range all {
		vendor, name, found := strings.Cut(a, ":")
		switch {
		case p.kind == Trust && !slices.Contains(trustActions, strings.ToLower(a)):
			p.fail(path+".Action", msgSTSOnly)
		case a == "*" || a == "*:*":
		case !found:
			p.fail(path+".Action", msgVendor)
		case !vendorPattern.MatchString(vendor):
			p.fail(path+".Action", "Vendor %s is not valid", vendor)
		case !actionPattern.MatchString(name):
			p.fail(path+".Action", "Actions/Condition can contain only one colon.")
		}
	}
}

func (p *parser) resources(path string, o object, s *Statement) {
	s.Resources, s.NotResources = p.pair(path, o, "Resource", "NotResource")
	if p.kind == Trust {
		for _, name := range []string{"Resource", "NotResource"} {
			if _, ok := o.get(name); ok {
				p.fail(path, "Has prohibited field %s", name)
			}
		}
		return
	}
	all := slices.Concat(s.Resources, s.NotResources)
	if len(all) == 0 {
		p.fail(path, msgResources)
	}
	for _, r := range all {
		if r != "*" && (!strings.HasPrefix(r, "arn:") || len(split(compile(r, nil).tokens)) < 6) {
			p.fail(path+".Resource", "Resource %s must be in ARN format or \"*\".", r)
		}
	}
}

func (p *parser) principals(path string, o object, s *Statement) {
	v, has := o.get("Principal")
	nv, hasNot := o.get("NotPrincipal")
	if p.kind == Identity {
		if has || hasNot {
			p.fail(path, msgPrincipal)
		}
		return
	}
	switch {
	case has && hasNot:
		p.fail(path, msgSyntax)
	case has:
		s.Principals = p.principal(path+".Principal", v)
	case hasNot:
		s.NotPrincipals = p.principal(path+".NotPrincipal", nv)
	default:
		p.fail(path, "Missing required field Principal")
	}
}

func (p *parser) principal(path string, v any) *Principals {
	out := &Principals{}
	if s, ok := v.(string); ok {
		out.Anyone = s == "*"
		if !out.Anyone {
			p.fail(path, "Invalid principal in policy")
		}
		return out
	}
	o, ok := v.(object)
	if !ok || len(o) == 0 {
		p.fail(path, msgSyntax)
		return out
	}
	for _, m := range o {
		list := p.texts(path+"."+m.name, m.value)
		switch m.name {
		case "AWS":
			out.AWS = list
		case "Service":
			out.Service = list
		case "Federated":
			out.Federated = list
		case "CanonicalUser":
			out.CanonicalUser = list
		default:
			p.fail(path, msgSyntax)
		}
	}
	return out
}

func (p *parser) conditions(path string, v any) []Condition {
	o, ok := v.(object)
	if !ok {
		p.fail(path, msgSyntax)
		return nil
	}
	var out []Condition
	for _, m := range o {
		op, ok := parseOperator(m.name)
		if !ok {
			p.fail(path, "Invalid Condition type : %s", m.name)
			return nil
		}
		keys, ok := m.value.(object)
		if !ok {
			p.fail(path+"."+m.name, msgSyntax)
			return nil
		}
		for _, k := range keys {
			if !strings.Contains(k.name, ":") {
				p.fail(path+"."+m.name, msgVendor)
			}
			out = append(out, Condition{Operator: op, Key: k.name, Values: p.scalars(path+"."+m.name, k.value)})
		}
	}
	return out
}

// pair reads an element and its Not form, of which only one may be there.
func (p *parser) pair(path string, o object, name, not string) (is, isNot []string) {
	v, has := o.get(name)
	nv, hasNot := o.get(not)
	if has && hasNot {
		p.fail(path, msgSyntax)
	}
	if has {
		is = p.texts(path+"."+name, v)
	}
	if hasNot {
		isNot = p.texts(path+"."+not, nv)
	}
	return is, isNot
}

func (p *parser) only(path string, o object, names ...string) {
	for _, m := range o {
		if !slices.Contains(names, m.name) {
			p.fail(path, msgSyntax)
		}
	}
}

func (p *parser) text(path string, v any) string {
	s, ok := v.(string)
	if !ok {
		p.fail(path, msgSyntax)
	}
	return s
}

func (p *parser) texts(path string, v any) []string {
	list, ok := v.([]any)
	if !ok {
		return []string{p.text(path, v)}
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		out = append(out, p.text(path, item))
	}
	return out
}

// scalars reads condition values, where numbers and booleans may stand
// without quotes.
func (p *parser) scalars(path string, v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	out := make([]string, 0, len(list))
	for _, item := range list {
		switch item.(type) {
		case string, bool, number:
			out = append(out, fmt.Sprint(item))
		default:
			p.fail(path, msgSyntax)
		}
	}
	return out
}
