// Package arn holds Amazon Resource Names as a type, so that no caller glues
// strings into one. It knows the grammar and the shapes that Berth makes; it
// does not know whether a resource exists. Every package may import it.
package arn

import (
	"encoding"
	"fmt"
	"strings"
)

// ARN is a parsed Amazon Resource Name:
// arn:partition:service:region:account:resource.
type ARN struct {
	Partition string
	Service   string
	Region    string
	Account   string
	// Resource is all that follows the account, for example role/name,
	// cluster/demo or fargateprofile/demo/fp/uuid.
	Resource string
}

var (
	_ encoding.TextMarshaler   = ARN{}
	_ encoding.TextUnmarshaler = (*ARN)(nil)
)

// Parse reads an ARN. The error names the text; callers that face an API turn
// it into that API's own refusal.
func Parse(s string) (ARN, error) {
	parts := strings.SplitN(s, ":", 6)
	if len(parts) != 6 || parts[0] != "arn" || parts[1] == "" || parts[2] == "" || parts[5] == "" {
		return ARN{}, fmt.Errorf("parsing ARN %q: want arn:partition:service:region:account:resource", s)
	}
	return ARN{Partition: parts[1], Service: parts[2], Region: parts[3], Account: parts[4], Resource: parts[5]}, nil
}

// String renders the ARN; the zero ARN renders as the empty string.
func (a ARN) String() string {
	if a == (ARN{}) {
		return ""
	}
	return strings.Join([]string{"arn", a.Partition, a.Service, a.Region, a.Account, a.Resource}, ":")
}

// MarshalText implements encoding.TextMarshaler.
func (a ARN) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler; the empty text is the zero ARN.
func (a *ARN) UnmarshalText(b []byte) (err error) {
	if len(b) == 0 {
		*a = ARN{}
		return nil
	}
	*a, err = Parse(string(b))
	return err
}

// ResourceType is the part of Resource before the first slash or colon.
func (a ARN) ResourceType() string {
	if i := strings.IndexAny(a.Resource, "/:"); i >= 0 {
		return a.Resource[:i]
	}
	return a.Resource
}

// ResourceID is the part of Resource after the first slash or colon, or "".
func (a ARN) ResourceID() string {
	if i := strings.IndexAny(a.Resource, "/:"); i >= 0 {
		return a.Resource[i+1:]
	}
	return ""
}

// Scope is where resources are made: one partition, region and account.
type Scope struct {
	Partition string
	Region    string
	Account   string
}

// Global makes the ARN of a resource of a service without regions, such as IAM.
func (s Scope) Global(service, resource string) ARN {
	return ARN{Partition: s.Partition, Service: service, Account: s.Account, Resource: resource}
}

// Regional makes the ARN of a resource of a service with regions.
func (s Scope) Regional(service, resource string) ARN {
	return ARN{Partition: s.Partition, Service: service, Region: s.Region, Account: s.Account, Resource: resource}
}

// PartitionOf is the partition that a region belongs to.
func PartitionOf(region string) string {
	switch {
	case strings.HasPrefix(region, "cn-"):
		return "aws-cn"
	case strings.HasPrefix(region, "us-gov-"):
		return "aws-us-gov"
	default:
		return "aws"
	}
}
