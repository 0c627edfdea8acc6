package awsapi

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/awsapi/constraint"
	"berth.dev/berth/internal/awsapi/ec2query"
	"berth.dev/berth/internal/awsapi/model"
	"berth.dev/berth/internal/awsapi/query"
	"berth.dev/berth/internal/awsapi/restjson"
	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
	smithy "github.com/aws/smithy-go"
)

// Protocol is how a service writes requests, responses and refusals.
type Protocol int

const (
	RESTJSON Protocol = iota + 1
	Query
	EC2Query
)

// Service is one AWS API. EKS, IAM, STS and EC2 make those that are known;
// another query API needs a literal.
type Service struct {
	// SigningName is the service in the credential scope, and the prefix of
	// its actions in policies.
	SigningName string
	Protocol    Protocol
	// Version is the API version; query APIs only.
	Version string
	// Namespace is the XML namespace; Query only.
	Namespace string
	// Global services accept credentials scoped to any region.
	Global bool
	// Model is the service's operations; RESTJSON only.
	Model []*smithy.OperationSchema
	// Known are the model's operation names; query APIs only.
	Known []string
	// Constraints is a table for package constraint; it may be empty.
	Constraints string
	// Resource is what a call acts on when its operation does not say: an ARN,
	// or "" for "*".
	Resource   func(scope arn.Scope, labels map[string]string) string
	Operations []Operation
}

// EKS is the EKS API.
func EKS(ops ...Operation) Service {
	return Service{
		SigningName: "eks", Protocol: RESTJSON, Model: model.EKS(), Constraints: model.EKSConstraints,
		Resource: eksResource, Operations: ops,
	}
}

// IAM is the IAM API.
func IAM(ops ...Operation) Service {
	return Service{
		SigningName: "iam", Protocol: Query, Version: "2010-05-08", Namespace: "https://iam.amazonaws.com/doc/2010-05-08/", Global: true,
		Known: strings.Fields(model.IAMOperations), Constraints: model.IAMConstraints, Operations: ops,
	}
}

// STS is the STS API.
func STS(ops ...Operation) Service {
	return Service{
		SigningName: "sts", Protocol: Query, Version: "2011-06-15", Namespace: "https://sts.amazonaws.com/doc/2011-06-15/", Global: true,
		Known: strings.Fields(model.STSOperations), Constraints: model.STSConstraints, Operations: ops,
	}
}

// EC2 is the EC2 API, over structs that follow the convention of ec2query.
func EC2(ops ...Operation) Service {
	return Service{
		SigningName: "ec2", Protocol: EC2Query, Version: "2016-11-15",
		Known: strings.Fields(model.EC2Operations), Operations: ops,
	}
}

// eksResource is the cluster that the path names, or the ARN that it carries.
func eksResource(scope arn.Scope, labels map[string]string) string {
	if tagged := labels["resourceArn"]; tagged != "" {
		return tagged
	}
	for _, label := range []string{"clusterName", "name"} {
		if name := labels[label]; name != "" {
			return scope.Regional("eks", "cluster/"+name).String()
		}
	}
	return ""
}

// Coverage is the score of one service: the model's operations, sorted, and
// which of them are implemented.
func (s Service) Coverage() (all []string, implemented map[string]bool) {
	all = slices.Clone(s.Known)
	if s.Protocol == RESTJSON {
		all = restjson.Operations(s.Model)
	}
	implemented = map[string]bool{}
	for _, op := range s.Operations {
		implemented[op.Name] = true
		if !slices.Contains(all, op.Name) {
			all = append(all, op.Name)
		}
	}
	slices.Sort(all)
	return all, implemented
}

// codec is what a protocol does for one service.
type codec interface {
	Route(*wire.Request) (wire.Call, error)
	Decode(r *wire.Request, call wire.Call, in any) error
	Encode(call wire.Call, out any, requestID string) (wire.Response, error)
	EncodeError(e *fault.Error, requestID string) wire.Response
}

// endpoint is a service ready to answer.
type endpoint struct {
	Service
	codec      codec
	refusals   dialect
	operations map[string]Operation
	checkers   map[string]*constraint.Checker
}

func newEndpoint(s Service) (*endpoint, error) {
	e := &endpoint{Service: s, operations: map[string]Operation{}, checkers: map[string]*constraint.Checker{}}
	table, err := constraint.Parse(s.Constraints)
	if err != nil {
		return nil, err
	}
	bindings := make([]wire.Binding, 0, len(s.Operations))
	for _, op := range s.Operations {
		if _, twice := e.operations[op.Name]; twice || op.invoke == nil {
			return nil, fmt.Errorf("adding operation %q: it is empty or there already", op.Name)
		}
		if op.input.Kind() != reflect.Struct || op.output.Kind() != reflect.Struct {
			return nil, fmt.Errorf("adding operation %q: its shapes are no structs", op.Name)
		}
		e.operations[op.Name] = op
		e.checkers[op.Name] = table.Compile(op.input)
		bindings = append(bindings, op.binding())
	}
	switch s.Protocol {
	case RESTJSON:
		e.refusals = restDialect
		e.codec, err = restjson.New(s.Model, bindings)
	case Query:
		e.refusals = queryDialect
		e.codec, err = query.New(query.Config{Version: s.Version, Namespace: s.Namespace, Known: s.Known, Bindings: bindings})
	case EC2Query:
		e.refusals = ec2Dialect
		e.codec, err = ec2query.New(ec2query.Config{Version: s.Version, Known: s.Known, Bindings: bindings})
	default:
		err = errors.New("unknown protocol")
	}
	return e, err
}
