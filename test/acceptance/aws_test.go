package acceptance

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
)

const account = "123456789012"

// root is the key of a new Berth.
var root = aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}

// config is the SDK's for one of the Berth's keys.
func (b *berth) config(key aws.Credentials) aws.Config {
	return aws.Config{
		Region: region, BaseEndpoint: &b.endpoint, RetryMaxAttempts: 1,
		Credentials: credentials.StaticCredentialsProvider{Value: key},
	}
}

func (b *berth) eks() *eks.Client { return eks.NewFromConfig(b.config(root)) }
func (b *berth) iam() *iam.Client { return iam.NewFromConfig(b.config(root)) }
func (b *berth) sts() *sts.Client { return sts.NewFromConfig(b.config(root)) }

// request is an AWS call as it goes over the wire.
type request struct {
	service, method, path, kind, body string
	key                               aws.Credentials
	at                                time.Time
	// unsigned leaves the signature out.
	unsigned bool
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

const (
	form = "application/x-www-form-urlencoded; charset=utf-8"
	js   = "application/json"
)

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}

// send signs a request and sends it.
func (b *berth) send(t testing.TB, r request) answer {
	t.Helper()
	if r.key.AccessKeyID == "" {
		r.key = root
	}
	if r.at.IsZero() {
		r.at = time.Now()
	}
	out, err := http.NewRequest(r.method, b.endpoint+r.path, strings.NewReader(r.body))
	if err != nil {
		t.Fatal(err)
	}
	if r.kind != "" {
		out.Header.Set("Content-Type", r.kind)
	}
	if !r.unsigned {
		if err := v4.NewSigner().SignHTTP(context.Background(), r.key, out, sum(r.body), r.service, region, r.at); err != nil {
			t.Fatal(err)
		}
	}
	resp, err := http.DefaultClient.Do(out)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, resp.Header, string(body)}
}

// element is a part of an XML answer.
type element struct {
	XMLName xml.Name
	Value   string    `xml:",chardata"`
	Parts   []element `xml:",any"`
}

// text is the value of the first part with a name, at any depth; "" without one.
func (e element) text(name string) string {
	for _, p := range e.all(name) {
		return strings.TrimSpace(p.Value)
	}
	return ""
}

// all are the parts with a name, at any depth.
func (e element) all(name string) (out []element) {
	for _, p := range e.Parts {
		if p.XMLName.Local == name {
			out = append(out, p)
		}
		out = append(out, p.all(name)...)
	}
	return out
}

// ec2 calls EC2 with parameters in pairs of name and value; the call must succeed.
func (b *berth) ec2(t testing.TB, action string, params ...string) element {
	t.Helper()
	values := url.Values{"Action": {action}, "Version": {"2016-11-15"}}
	for i := 0; i+1 < len(params); i += 2 {
		values.Set(params[i], params[i+1])
	}
	a := b.send(t, request{service: "ec2", method: http.MethodPost, path: "/", kind: form, body: values.Encode()})
	if a.status != http.StatusOK {
		t.Fatalf("EC2 %s %v = %d %s", action, params, a.status, a.body)
	}
	var e element
	if err := xml.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatal(err)
	}
	return e
}
