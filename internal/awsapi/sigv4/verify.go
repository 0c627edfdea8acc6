package sigv4

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"berth.dev/berth/internal/principal"
)

// DefaultSkew is how far a request's time may be from now.
const DefaultSkew = 5 * time.Minute

const unsignedPayload = "UNSIGNED-PAYLOAD"

// Verifier checks requests against the keys of one installation.
type Verifier struct {
	Keys Keys
	// Now is the clock; required.
	Now func() time.Time
	// Skew is DefaultSkew when zero.
	Skew time.Duration
}

// Verify returns the key's principal and the verified scope. body is the whole
// body of r. The error is an *Error, or a wrapped failure of Keys.
func (v Verifier) Verify(ctx context.Context, r *http.Request, body []byte) (principal.Principal, Scope, error) {
	sig, err := parse(r.Header, r.URL.RawQuery)
	if err != nil {
		return principal.Principal{}, Scope{}, err
	}
	if err := checkTime(sig, v.Now().UTC(), v.skew()); err != nil {
		return principal.Principal{}, Scope{}, err
	}
	payload, err := payloadHash(r.Header, body)
	if err != nil {
		return principal.Principal{}, Scope{}, err
	}
	host := r.Host
	if host == "" {
		host = r.URL.Host
	}
	m := message{
		method: r.Method, path: r.URL.EscapedPath(), rawQuery: r.URL.RawQuery,
		host: host, header: r.Header, length: r.ContentLength, payload: payload,
	}
	p, err := m.verify(ctx, sig, v.Keys, v.Now())
	return p, sig.scope, err
}

func (v Verifier) skew() time.Duration {
	if v.Skew == 0 {
		return DefaultSkew
	}
	return v.Skew
}

// VerifyParams is a presigned request that somebody else would have sent: the
// token of a Kubernetes client is one to STS.
type VerifyParams struct {
	// Method is GET when empty.
	Method string
	URL    *url.URL
	// Headers are those the request would carry besides Host, which is the
	// URL's; each of them must be signed.
	Headers http.Header
	// Service is what the credential must be scoped to, for example sts.
	Service string
	Now     time.Time
	// Lifetime, when positive, stands in for X-Amz-Expires: STS honours a token
	// for 15 minutes whatever the URL says.
	Lifetime time.Duration
	// Skew is DefaultSkew when zero.
	Skew time.Duration
	Keys Keys
}

// VerifyPresigned returns whose request a presigned URL is, for any host. It
// does not judge the URL's host, path or action; that is the caller's task.
func VerifyPresigned(ctx context.Context, p VerifyParams) (principal.Principal, error) {
	var none principal.Principal
	if p.URL == nil || p.URL.Host == "" || p.URL.Opaque != "" || p.URL.User != nil {
		return none, refuse(Incomplete, "The presigned URL must be absolute.")
	}
	params, err := parseQuery(p.URL.RawQuery)
	if err != nil {
		return none, err
	}
	sig, err := parsePresigned(params)
	if err != nil {
		return none, err
	}
	if sig.scope.Service != p.Service {
		return none, refuse(Mismatch, "Credential should be scoped to correct service: '%s'.", p.Service)
	}
	if p.Lifetime > 0 {
		sig.lifetime = p.Lifetime
	}
	skew := p.Skew
	if skew == 0 {
		skew = DefaultSkew
	}
	if err := checkTime(sig, p.Now.UTC(), skew); err != nil {
		return none, err
	}
	method := p.Method
	if method == "" {
		method = http.MethodGet
	}
	for name := range p.Headers {
		if !slices.Contains(sig.signedHeaders, strings.ToLower(name)) {
			return none, refuse(Mismatch, "'%s' must be a 'SignedHeader' in the AWS Authorization.", strings.ToLower(name))
		}
	}
	payload, err := payloadHash(p.Headers, nil)
	if err != nil {
		return none, err
	}
	m := message{
		method: method, path: p.URL.EscapedPath(), rawQuery: p.URL.RawQuery,
		host: p.URL.Host, header: p.Headers, length: -1, payload: payload,
	}
	return m.verify(ctx, sig, p.Keys, p.Now)
}

// checkTime words its refusals as AWS does, with the bound that was crossed.
func checkTime(sig signature, now time.Time, skew time.Duration) error {
	minutes := func(d time.Duration) string { return strconv.FormatFloat(d.Minutes(), 'f', -1, 64) + " min." }
	life := sig.lifetime
	if life == 0 {
		life = skew
	}
	if oldest := now.Add(-life); sig.time.Before(oldest) {
		return refuse(Expired, "Signature expired: %s is now earlier than %s (%s - %s)",
			sig.time.Format(timeFormat), oldest.Format(timeFormat), now.Format(timeFormat), minutes(life))
	}
	if newest := now.Add(skew); sig.time.After(newest) {
		return refuse(Expired, "Signature not yet current: %s is still later than %s (%s + %s)",
			sig.time.Format(timeFormat), newest.Format(timeFormat), now.Format(timeFormat), minutes(skew))
	}
	return nil
}

// payloadHash is what the canonical request ends with. A hash that the request
// states must be the body's.
func payloadHash(h http.Header, body []byte) (string, error) {
	stated, err := single(h, "X-Amz-Content-Sha256")
	if err != nil {
		return "", err
	}
	if stated == unsignedPayload {
		return stated, nil
	}
	sum := hash(body)
	if stated != "" && stated != sum {
		return "", refuse(Mismatch, textMismatch)
	}
	return sum, nil
}

// message is the part of a request that a signature covers.
type message struct {
	method, path, rawQuery, host string
	header                       http.Header
	length                       int64
	payload                      string
}

func (m message) verify(ctx context.Context, sig signature, keys Keys, now time.Time) (principal.Principal, error) {
	var none principal.Principal
	headers, err := m.signed(sig)
	if err != nil {
		return none, err
	}
	q, err := parseQuery(m.rawQuery)
	if err != nil {
		return none, err
	}
	key, err := keys.Lookup(ctx, sig.scope.AccessKeyID)
	if errors.Is(err, ErrUnknownKey) {
		return none, refuse(UnknownKey, textUnknownKey)
	}
	if errors.Is(err, ErrExpiredKey) {
		return none, refuse(TokenExpired, textTokenExpired)
	}
	if err != nil {
		return none, fmt.Errorf("looking up access key %s: %w", sig.scope.AccessKeyID, err)
	}
	if subtle.ConstantTimeCompare([]byte(sig.token), []byte(key.SessionToken)) != 1 {
		return none, refuse(UnknownKey, textUnknownKey)
	}
	want := sign(key.Secret, sig, canonicalRequest(m.method, m.path, q, headers, m.payload))
	if subtle.ConstantTimeCompare([]byte(want), []byte(sig.hex)) != 1 {
		return none, refuse(Mismatch, textMismatch)
	}
	if !key.Expires.IsZero() && !now.Before(key.Expires) {
		return none, refuse(TokenExpired, textTokenExpired)
	}
	return key.Principal, nil
}

// signed gathers the signed headers' canonical values, in the order that they
// were signed in.
func (m message) signed(sig signature) ([]param, error) {
	if !slices.Contains(sig.signedHeaders, "host") {
		return nil, refuse(Mismatch, "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for name := range m.header {
		lower := strings.ToLower(name)
		if strings.HasPrefix(lower, "x-amz-") && !slices.Contains(sig.signedHeaders, lower) {
			return nil, refuse(Mismatch, "'%s' must be a 'SignedHeader' in the AWS Authorization.", lower)
		}
	}
	headers := make([]param, 0, len(sig.signedHeaders))
	for _, name := range sig.signedHeaders {
		headers = append(headers, param{name, m.value(name)})
	}
	return headers, nil
}

func (m message) value(name string) string {
	if name == "host" {
		return squeeze(m.host)
	}
	values := m.header.Values(name)
	if len(values) == 0 && name == "content-length" && m.length >= 0 {
		return strconv.FormatInt(m.length, 10)
	}
	trimmed := make([]string, len(values))
	for i, v := range values {
		trimmed[i] = squeeze(v)
	}
	return strings.Join(trimmed, ",")
}

// squeeze trims a header value and makes each run of spaces one.
func squeeze(s string) string {
	s = strings.Trim(s, " \t")
	for strings.Contains(s, "  ") {
		s = strings.ReplaceAll(s, "  ", " ")
	}
	return s
}
