// Package credential is the vocabulary of keys and of the sessions that
// temporary keys stand for. It issues, keeps and verifies nothing. The
// identity services (iam, sts) and the composition root import it.
package credential

import (
	"errors"
	"log/slog"
	"time"

	"berth.dev/berth/internal/arn"
)

var (
	// ErrUnknownKey says that an access key does not exist, is inactive, or
	// belongs to an identity that is gone.
	ErrUnknownKey = errors.New("access key is not valid")
	// ErrExpired says that a temporary key has passed its expiration.
	ErrExpired = errors.New("access key has expired")
	// ErrNoRole says that there is no such role.
	ErrNoRole = errors.New("no such role")
)

// Secret is a secret access key or a session token. Logging and formatting
// show REDACTED; its JSON is the value, for records and replies.
type Secret string

const redacted = "REDACTED"

func (Secret) String() string       { return redacted }
func (Secret) GoString() string     { return redacted }
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// Reveal is the value itself.
func (s Secret) Reveal() string { return string(s) }

// Role is what others need to know of a role.
type Role struct {
	ARN  arn.ARN
	Name string
	// Path is / or begins and ends with a slash.
	Path string
	// ID is AROA…; a role made again under the same name has another.
	ID string
	// Trust is the assume-role policy document, as plain JSON.
	Trust string
	// MaxSession is the longest session the role allows.
	MaxSession time.Duration
	// ServiceLinked says that the role belongs to a service.
	ServiceLinked bool
}

// Session is what a temporary key stands for: a role session, or a user or the
// root user when Role is zero.
type Session struct {
	Role        arn.ARN
	RoleID      string
	SessionName string
	// Owner is the user or root behind a session without a role.
	Owner   arn.ARN
	OwnerID string

	Duration time.Duration
	// Policy and PolicyARNs narrow what the identity's policies allow.
	Policy         string
	PolicyARNs     []string
	Tags           map[string]string
	SourceIdentity string
}

// Temporary is an issued temporary key.
type Temporary struct {
	AccessKeyID string
	Secret      Secret
	Token       Secret
	Expiration  time.Time
}
