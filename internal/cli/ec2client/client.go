package ec2client

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/smithy-go"
)

const apiVersion = "2016-11-15"

// maxAnswer is the largest answer that is read, in bytes.
const maxAnswer = 16 << 20

// Client calls EC2 at an endpoint.
type Client struct {
	Endpoint, Region string
	Credentials      aws.Credentials
	HTTP             *http.Client
	Now              func() time.Time
}

// Error is what EC2 answers to a call that it refuses; it is a smithy.APIError.
type Error struct {
	Status                     int
	Code, Message, Op, Request string
}

func (e *Error) Error() string { return e.Code + ": " + e.Message }

// ErrorCode implements smithy.APIError.
func (e *Error) ErrorCode() string { return e.Code }

// ErrorMessage implements smithy.APIError.
func (e *Error) ErrorMessage() string { return e.Message }

// ErrorFault implements smithy.APIError.
func (e *Error) ErrorFault() smithy.ErrorFault {
	if e.Status >= 500 {
		return smithy.FaultServer
	}
	return smithy.FaultClient
}

// params are the parameters of a call; setting an empty value leaves it out.
type params url.Values

func (p params) set(name, value string) params {
	if value != "" {
		p[name] = []string{value}
	}
	return p
}

// Filter keeps resources of which an attribute has one of the values.
type Filter struct {
	Name   string
	Values []string
}

// TagFilter keeps resources that carry a tag with a value.
func TagFilter(key, value string) Filter { return Filter{Name: "tag:" + key, Values: []string{value}} }

func (p params) filters(filters []Filter) params {
	for i, f := range filters {
		prefix := "Filter." + strconv.Itoa(i+1)
		p.set(prefix+".Name", f.Name)
		for j, v := range f.Values {
			p.set(prefix+".Value."+strconv.Itoa(j+1), v)
		}
	}
	return p
}

// Tag is a key and its value.
type Tag struct {
	Key   string `xml:"key"`
	Value string `xml:"value"`
}

func (p params) tags(resource string, tags []Tag) params {
	if len(tags) == 0 {
		return p
	}
	p.set("TagSpecification.1.ResourceType", resource)
	for i, t := range tags {
		prefix := "TagSpecification.1.Tag." + strconv.Itoa(i+1)
		p.set(prefix+".Key", t.Key)
		p[prefix+".Value"] = []string{t.Value}
	}
	return p
}

// call sends one signed request and decodes the answer into out, unless out is nil.
func (c *Client) call(ctx context.Context, op string, p params, out any) error {
	p.set("Action", op).set("Version", apiVersion)
	body := url.Values(p).Encode()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, c.Endpoint+"/", strings.NewReader(body))
	if err != nil {
		return fmt.Errorf("calling EC2 %s: %w", op, err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sum := sha256.Sum256([]byte(body))
	if err := v4.NewSigner().SignHTTP(ctx, c.Credentials, r, hex.EncodeToString(sum[:]), "ec2", c.Region, c.Now().UTC()); err != nil {
		return fmt.Errorf("signing EC2 %s: %w", op, err)
	}
	answer, err := c.HTTP.Do(r)
	if err != nil {
		return fmt.Errorf("calling EC2 %s: %w", op, err)
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if err != nil {
		return fmt.Errorf("reading the answer of EC2 %s: %w", op, err)
	}
	if answer.StatusCode >= 300 {
		return parseError(op, answer.StatusCode, b)
	}
	if out == nil {
		return nil
	}
	if err := xml.Unmarshal(b, out); err != nil {
		return fmt.Errorf("decoding the answer of EC2 %s: %w", op, err)
	}
	return nil
}

// parseError reads EC2's error document; anything else is an error without a
// known code.
func parseError(op string, status int, body []byte) error {
	var doc struct {
		XMLName xml.Name `xml:"Response"`
		Errors  []struct {
			Code, Message string
		} `xml:"Errors>Error"`
		RequestID string
	}
	e := &Error{Status: status, Op: op, Code: "UnknownError", Message: http.StatusText(status)}
	if err := xml.Unmarshal(body, &doc); err == nil && len(doc.Errors) > 0 && doc.Errors[0].Code != "" {
		e.Code, e.Message, e.Request = doc.Errors[0].Code, doc.Errors[0].Message, doc.RequestID
	}
	return e
}
