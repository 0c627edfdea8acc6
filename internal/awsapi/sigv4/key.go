package sigv4

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"berth.dev/berth/internal/principal"
)

// Secret is a secret access key or a session token; it prints REDACTED.
type Secret string

const redacted = "REDACTED"

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte(redacted)) }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText keeps the secret out of encoders; a store uses string(secret).
func (Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// Key is what an access key id stands for.
type Key struct {
	Secret Secret
	// SessionToken is empty for long-term keys; a request signed with a
	// temporary key must carry exactly this token.
	SessionToken Secret
	// Expires is when a temporary key ends; zero for long-term keys.
	Expires time.Time
	// Principal is the caller that the key belongs to.
	Principal principal.Principal
}

// Keys finds access keys.
type Keys interface {
	// Lookup returns an error that is ErrUnknownKey when no active key has the
	// id, and one that is ErrExpiredKey when a temporary key's life is over and
	// its secret may be gone; every other error is a failure of the source, not
	// of the caller.
	Lookup(ctx context.Context, accessKeyID string) (Key, error)
}

var (
	// ErrUnknownKey is what Keys.Lookup answers for an id without an active key.
	ErrUnknownKey = errors.New("unknown access key")
	// ErrExpiredKey is what Keys.Lookup answers for a temporary key that ended.
	ErrExpiredKey = errors.New("expired access key")
)
