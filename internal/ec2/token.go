package ec2

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// token is what a request with a client token made.
type token struct {
	ID string `json:"id"`
	// Request is a digest of the request's other members.
	Request string `json:"request"`
}

func tokenKey(operation, clientToken string) string {
	sum := sha256.Sum256([]byte(clientToken))
	return operation + "/" + hex.EncodeToString(sum[:])
}

// replay returns what an earlier request with the same token made, "" when
// there was none, and a refusal when that request was another one.
func (s *Service) replay(tx *store.Tx, operation, clientToken string, request any) (string, error) {
	if clientToken == "" {
		return "", nil
	}
	t, err := s.tokens.GetIn(tx, tokenKey(operation, clientToken))
	if errors.Is(err, store.ErrNotFound) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	digest, err := digestOf(request)
	if err != nil {
		return "", err
	}
	if t.Request != digest {
		return "", fault.New(400, "IdempotentParameterMismatch",
			"The client token '%s' was already used with different parameters.", clientToken)
	}
	return t.ID, nil
}

// remember keeps what a request with a token made.
func (s *Service) remember(tx *store.Tx, operation, clientToken, id string, request any) error {
	if clientToken == "" {
		return nil
	}
	digest, err := digestOf(request)
	if err != nil {
		return err
	}
	return s.tokens.PutIn(tx, tokenKey(operation, clientToken), token{ID: id, Request: digest})
}

func (s *Service) dropToken(tx *store.Tx, operation, clientToken string) {
	if clientToken != "" {
		s.tokens.DeleteIn(tx, tokenKey(operation, clientToken))
	}
}

func digestOf(request any) (string, error) {
	b, err := json.Marshal(request)
	if err != nil {
		return "", fmt.Errorf("digesting a request: %w", err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:]), nil
}
