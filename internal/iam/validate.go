package iam

import (
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"berth.dev/berth/internal/fault"
)

var (
	namePattern   = regexp.MustCompile(`^[\w+=,.@-]+$`)
	pathPattern   = regexp.MustCompile(`^(/|/[\x21-\x7e]+/)$`)
	prefixPattern = regexp.MustCompile(`^/[\x21-\x7e]*$`)
	tagPattern    = regexp.MustCompile(`^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$`)
)

// check gathers the constraints that an input breaks, so that the caller reads
// them all at once as IAM words them.
type check struct {
	broken []string
	// said is a refusal with a sentence of its own.
	said *fault.Error
}

func (c *check) constraint(member string, value any, rule string) {
	v := "null"
	if value != nil {
		v = fmt.Sprintf("'%v'", value)
	}
	c.broken = append(c.broken, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member must %s", v, member, rule))
}

func (c *check) say(format string, args ...any) {
	if c.said == nil {
		c.said = invalid(format, args...)
	}
}

func (c *check) err() error {
	switch {
	case len(c.broken) == 1:
		return invalid("1 validation error detected: %s", c.broken[0])
	case len(c.broken) > 1:
		return invalid("%d validation errors detected: %s", len(c.broken), strings.Join(c.broken, "; "))
	case c.said != nil:
		return c.said
	default:
		return nil
	}
}

// name checks a required name of at most limit characters and returns it.
func (c *check) name(member string, v *string, limit int) string {
	if v == nil {
		c.constraint(member, nil, "not be null")
		return ""
	}
	c.length(member, *v, 1, limit)
	if *v != "" && !namePattern.MatchString(*v) {
		c.say("The specified value for %s is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-", member)
	}
	return *v
}

func (c *check) length(member, v string, least, most int) {
	switch n := utf8.RuneCountInString(v); {
	case n < least:
		c.constraint(member, v, fmt.Sprintf("have length greater than or equal to %d", least))
	case n > most:
		c.constraint(member, v, fmt.Sprintf("have length less than or equal to %d", most))
	}
}

// path checks an optional path and returns it, / by default.
func (c *check) path(v *string) string {
	if v == nil {
		return "/"
	}
	c.length("path", *v, 1, 512)
	if *v != "" && !pathPattern.MatchString(*v) {
		c.say("The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.")
	}
	return *v
}

func (c *check) pathPrefix(v *string) string {
	if v == nil {
		return "/"
	}
	if !prefixPattern.MatchString(*v) {
		c.say("The specified value for pathPrefix is invalid. It must begin with / and contain only alphanumeric characters and/or / characters.")
	}
	return *v
}

// policyARN checks a required policy ARN and returns it; whether the policy
// exists is another question.
func (c *check) policyARN(member string, v *string) string {
	if v == nil {
		c.constraint(member, nil, "not be null")
		return ""
	}
	c.length(member, *v, 20, 2048)
	return *v
}

func (c *check) document(member string, v *string) string {
	if v == nil {
		c.constraint(member, nil, "not be null")
		return ""
	}
	c.length(member, *v, 1, 131072)
	return *v
}

func (c *check) description(v *string) {
	if v != nil {
		c.length("description", *v, 0, 1000)
	}
}

func (c *check) maxSession(v *int32) int32 {
	if v == nil {
		return 3600
	}
	switch {
	case *v < 3600:
		c.constraint("maxSessionDuration", *v, "have value greater than or equal to 3600")
	case *v > 43200:
		c.constraint("maxSessionDuration", *v, "have value less than or equal to 43200")
	}
	return *v
}

// tags checks tags and returns them by key; nil for none.
func (c *check) tags(tags []types.Tag) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	out := make(map[string]string, len(tags))
	folded := make(map[string]bool, len(tags))
	for i, t := range tags {
		at := fmt.Sprintf("tags.%d.member", i+1)
		k, v := deref(t.Key), deref(t.Value)
		if t.Key == nil {
			c.constraint(at+".key", nil, "not be null")
		} else {
			c.tagKey(at+".key", k)
		}
		c.length(at+".value", v, 0, 256)
		if !tagPattern.MatchString(v) {
			c.constraint(at+".value", v, `satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]*`)
		}
		if folded[strings.ToLower(k)] {
			c.said = fault.New(statusBadRequest, "InvalidInput",
				"Duplicate tag keys found. Please note that Tag keys are case insensitive.")
		}
		folded[strings.ToLower(k)] = true
		out[k] = v
	}
	return out
}

func (c *check) tagKey(member, k string) {
	c.length(member, k, 1, 128)
	if !tagPattern.MatchString(k) {
		c.constraint(member, k, `satisfy regular expression pattern: [\p{L}\p{Z}\p{N}_.:/=+\-@]+`)
	}
	if strings.HasPrefix(strings.ToLower(k), "aws:") {
		c.say("Tag keys beginning with aws: are reserved for system use.")
	}
}

func deref[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
