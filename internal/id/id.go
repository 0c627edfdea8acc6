// Package id makes the identifiers that AWS resources carry. A Source is
// injected wherever identifiers are made, so that tests see known ones. Every
// package may import it.
package id

import (
	"encoding/hex"
	"fmt"
	"io"
	"strings"
)

// Source makes identifiers out of random bytes, usually crypto/rand.Reader.
type Source struct {
	Random io.Reader
}

// Resource makes an EC2 identifier, prefix-17 hexadecimal digits: vpc-0a1b….
func (s Source) Resource(prefix string) string {
	return prefix + "-0" + s.Hex(16)
}

// Hex makes n lower-case hexadecimal digits.
func (s Source) Hex(n int) string {
	return hex.EncodeToString(s.bytes((n + 1) / 2))[:n]
}

// UpperHex makes n upper-case hexadecimal digits, as in a cluster's endpoint.
func (s Source) UpperHex(n int) string { return strings.ToUpper(s.Hex(n)) }

// UUID makes a random (version 4) UUID.
func (s Source) UUID() string {
	b := s.bytes(16)
	b[6] = b[6]&0x0f | 0x40
	b[8] = b[8]&0x3f | 0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// IAM makes an IAM unique identifier: a four-letter prefix (AROA role, AIDA
// user, AKIA access key, ASIA temporary access key, …) and 17 characters.
func (s Source) IAM(prefix string) string { return prefix + s.pick(17, upper) }

// Secret makes a secret of n characters out of the base64 alphabet.
func (s Source) Secret(n int) string { return s.pick(n, base64) }

// Name makes n lower-case letters and digits.
func (s Source) Name(n int) string { return s.pick(n, lower) }

const (
	upper  = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	lower  = "abcdefghijklmnopqrstuvwxyz234567"
	base64 = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
)

func (s Source) pick(n int, alphabet string) string {
	b := s.bytes(n)
	for i := range b {
		b[i] = alphabet[int(b[i])%len(alphabet)]
	}
	return string(b)
}

func (s Source) bytes(n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(s.Random, b); err != nil {
		panic("id: the source of randomness ended: " + err.Error())
	}
	return b
}
