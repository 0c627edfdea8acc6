package sigv4

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

const (
	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
	// maxLifetime is the longest X-Amz-Expires that AWS accepts.
	maxLifetime = 7 * 24 * time.Hour
	// defaultLifetime is how long a presigned URL without X-Amz-Expires lives,
	// as the SDK's presigned GetCallerIdentity is.
	defaultLifetime = 15 * time.Minute
)

// Scope is the credential scope that a request claims; until the signature is
// verified it is good for routing only.
type Scope struct {
	AccessKeyID string
	Date        string
	Region      string
	Service     string
}

func (s Scope) String() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// signature is a parsed Authorization header or presigned query.
type signature struct {
	scope         Scope
	signedHeaders []string
	hex           string
	time          time.Time
	// lifetime is zero for a header signature.
	lifetime time.Duration
	token    string
}

// Sniff reads the scope that r claims, without verifying anything.
func Sniff(r *http.Request) (Scope, error) {
	sig, err := parse(r.Header, r.URL.RawQuery)
	if err != nil {
		return Scope{}, err
	}
	return sig.scope, nil
}

func parse(h http.Header, rawQuery string) (signature, error) {
	params, err := parseQuery(rawQuery)
	if err != nil {
		return signature{}, err
	}
	presigned := params.has("X-Amz-Signature") || params.has("X-Amz-Credential") || params.has("X-Amz-Algorithm")
	values := h.Values("Authorization")
	switch {
	case len(values) == 0 && !presigned:
		return signature{}, refuse(Missing, textMissing)
	case len(values) > 1 || len(values) == 1 && presigned:
		return signature{}, refuse(Incomplete, "Request carries more than one signature.")
	case presigned:
		return parsePresigned(params)
	default:
		return parseAuthorization(values[0], h)
	}
}

func parseAuthorization(value string, h http.Header) (signature, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(value), " ")
	if name != algorithm {
		return signature{}, refuse(Incomplete, "Unsupported AWS 'algorithm': '%s'.", printable(name))
	}
	fields := map[string]string{}
	for part := range strings.SplitSeq(rest, ",") {
		k, v, ok := strings.Cut(strings.TrimSpace(part), "=")
		if _, twice := fields[k]; !ok || twice {
			return signature{}, refuse(Incomplete, "'%s' not a valid key=value pair (missing equal-sign) in Authorization header.", printable(k))
		}
		fields[k] = v
	}
	for _, want := range []string{"Credential", "Signature", "SignedHeaders"} {
		if fields[want] == "" {
			return signature{}, refuse(Incomplete, "Authorization header requires '%s' parameter.", want)
		}
	}
	when, err := headerTime(h)
	if err != nil {
		return signature{}, err
	}
	token, err := single(h, "X-Amz-Security-Token")
	if err != nil {
		return signature{}, err
	}
	return assemble(fields["Credential"], fields["SignedHeaders"], fields["Signature"], when, token)
}

func headerTime(h http.Header) (time.Time, error) {
	text, err := single(h, "X-Amz-Date")
	if err != nil {
		return time.Time{}, err
	}
	if text != "" {
		return parseTime(text)
	}
	text, err = single(h, "Date")
	if err != nil {
		return time.Time{}, err
	}
	if text == "" {
		return time.Time{}, refuse(Incomplete, "Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	when, perr := http.ParseTime(text)
	if perr != nil {
		return parseTime(text)
	}
	return when.UTC(), nil
}

func single(h http.Header, name string) (string, error) {
	values := h.Values(name)
	if len(values) > 1 {
		return "", refuse(Incomplete, "Request carries more than one '%s' header.", name)
	}
	if len(values) == 0 {
		return "", nil
	}
	return values[0], nil
}

func parseTime(text string) (time.Time, error) {
	when, err := time.Parse(timeFormat, text)
	if err != nil {
		return time.Time{}, refuse(Incomplete, "Date must be in ISO-8601 'basic format'. Got '%s'. See http://en.wikipedia.org/wiki/ISO_8601", printable(text))
	}
	return when, nil
}

func parsePresigned(params query) (signature, error) {
	for _, want := range []string{"X-Amz-Algorithm", "X-Amz-Credential", "X-Amz-Date", "X-Amz-SignedHeaders", "X-Amz-Signature"} {
		switch len(params.all(want)) {
		case 1:
		case 0:
			return signature{}, refuse(Incomplete, "AWS query-string parameters must include '%s'.", want)
		default:
			return signature{}, refuse(Incomplete, "AWS query-string parameters must include '%s' once.", want)
		}
	}
	if got := params.get("X-Amz-Algorithm"); got != algorithm {
		return signature{}, refuse(Incomplete, "Unsupported AWS 'algorithm': '%s'.", printable(got))
	}
	for _, optional := range []string{"X-Amz-Security-Token", "X-Amz-Expires"} {
		if len(params.all(optional)) > 1 {
			return signature{}, refuse(Incomplete, "AWS query-string parameters must include '%s' once.", optional)
		}
	}
	when, err := parseTime(params.get("X-Amz-Date"))
	if err != nil {
		return signature{}, err
	}
	lifetime := defaultLifetime
	if params.has("X-Amz-Expires") {
		seconds, err := strconv.Atoi(params.get("X-Amz-Expires"))
		if err != nil || seconds < 1 || seconds > int(maxLifetime/time.Second) {
			return signature{}, refuse(Incomplete, "X-Amz-Expires must be a number of seconds between 1 and %d.", int(maxLifetime/time.Second))
		}
		lifetime = time.Duration(seconds) * time.Second
	}
	sig, err := assemble(params.get("X-Amz-Credential"), params.get("X-Amz-SignedHeaders"), params.get("X-Amz-Signature"), when, params.get("X-Amz-Security-Token"))
	sig.lifetime = lifetime
	return sig, err
}

func assemble(credential, signedHeaders, hex string, when time.Time, token string) (signature, error) {
	parts := strings.Split(credential, "/")
	if len(parts) != 5 || slices.Contains(parts, "") {
		return signature{}, refuse(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got '%s'", printable(credential))
	}
	if parts[4] != terminator {
		return signature{}, refuse(Mismatch, "Credential should be scoped with a valid terminator: '%s', not '%s'.", terminator, printable(parts[4]))
	}
	sig := signature{
		scope:         Scope{AccessKeyID: parts[0], Date: parts[1], Region: parts[2], Service: parts[3]},
		signedHeaders: strings.Split(signedHeaders, ";"),
		hex:           hex,
		time:          when,
		token:         token,
	}
	if date := when.Format(dateFormat); date != sig.scope.Date {
		return signature{}, refuse(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '%s' != '%s', from '%s'.",
			printable(sig.scope.Date), date, when.Format(timeFormat))
	}
	return sig, nil
}

// printable keeps foreign text in a refusal short and free of controls.
func printable(s string) string {
	if len(s) > 200 {
		s = s[:200]
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == '\uFFFD' {
			return '?'
		}
		return r
	}, s)
}
