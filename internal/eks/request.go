package eks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"berth.dev/berth/internal/store"
)

// call is a create request: its token and all that it asks for.
type call struct {
	// key of the request's record; "" without a token.
	key         string
	fingerprint string
}

// newCall makes the call of an operation's input, which comes without its token.
func newCall(operation, token string, input any) (call, error) {
	if token == "" {
		return call{}, nil
	}
	b, err := json.Marshal(input)
	if err != nil {
		return call{}, fmt.Errorf("encoding the input of %s: %w", operation, err)
	}
	return call{key: operation + "/" + digest([]byte(token)), fingerprint: digest(b)}, nil
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// replayed looks within a transaction for an earlier call with the same token;
// one that asked for something else is refused.
func (s *Service) replayed(tx *store.Tx, c call, on subject) (request, bool, error) {
	if c.key == "" {
		return request{}, false, nil
	}
	r, err := s.requests.GetIn(tx, c.key)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return request{}, false, nil
	case err != nil:
		return request{}, false, err
	case r.Fingerprint != c.fingerprint:
		return request{}, false, on.badParameter("The clientRequestToken was already used by a request with other parameters.")
	}
	return r, true, nil
}

// remember records a call within the transaction that carries it out.
func (s *Service) remember(tx *store.Tx, c call, on subject) error {
	if c.key == "" {
		return nil
	}
	return s.requests.PutIn(tx, c.key, request{Fingerprint: c.fingerprint, Cluster: on.cluster, Profile: on.profile})
}

// forget drops the record of the call that made something that is gone.
func (s *Service) forget(tx *store.Tx, key string) {
	if key != "" {
		s.requests.DeleteIn(tx, key)
	}
}
