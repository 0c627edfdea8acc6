package sts

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"berth.dev/berth/internal/fault"
)

func invalid(format string, args ...any) *fault.Error {
	return fault.New(400, "ValidationError", format, args...)
}

// check gathers the constraints that an input breaks, as STS words them.
type check struct{ broken []string }

func (c *check) constraint(member string, value any, rule string) {
	v := "null"
	if value != nil {
		v = fmt.Sprintf("'%v'", value)
	}
	c.broken = append(c.broken, fmt.Sprintf("Value %s at '%s' failed to satisfy constraint: Member must %s", v, member, rule))
}

func (c *check) err() error {
	switch len(c.broken) {
	case 0:
		return nil
	case 1:
		return invalid("1 validation error detected: %s", c.broken[0])
	default:
		return invalid("%d validation errors detected: %s", len(c.broken), strings.Join(c.broken, "; "))
	}
}

// text checks a required member's length and returns it.
func (c *check) text(member string, v *string, least, most int) string {
	if v == nil {
		c.constraint(member, nil, "not be null")
		return ""
	}
	switch n := utf8.RuneCountInString(*v); {
	case n < least:
		c.constraint(member, *v, fmt.Sprintf("have length greater than or equal to %d", least))
	case n > most:
		c.constraint(member, *v, fmt.Sprintf("have length less than or equal to %d", most))
	}
	return *v
}

func (c *check) session(member, v string) {
	if !sessionPattern.MatchString(v) {
		c.constraint(member, v, `satisfy regular expression pattern: [\w+=,.@-]*`)
	}
}

func (c *check) duration(seconds int32, most time.Duration) time.Duration {
	d := time.Duration(seconds) * time.Second
	switch {
	case d < minDuration:
		c.constraint("durationSeconds", seconds, fmt.Sprintf("have value greater than or equal to %d", int(minDuration.Seconds())))
	case d > most:
		c.constraint("durationSeconds", seconds, fmt.Sprintf("have value less than or equal to %d", int(most.Seconds())))
	}
	return d
}

func (c *check) tags(tags []types.Tag) map[string]string {
	if len(tags) > 50 {
		c.constraint("tags", len(tags), "have length less than or equal to 50")
	}
	out := map[string]string{}
	for i, t := range tags {
		k := c.text(fmt.Sprintf("tags.%d.member.key", i+1), t.Key, 1, 128)
		out[k] = c.text(fmt.Sprintf("tags.%d.member.value", i+1), t.Value, 0, 256)
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
