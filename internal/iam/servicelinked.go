package iam

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// linked is what a service wants its role to be.
type linked struct{ role, policy, description string }

// linkedRoles are the services that have a service-linked role, by principal.
var linkedRoles = map[string]linked{
	"eks.amazonaws.com": {
		role: "AWSServiceRoleForAmazonEKS", policy: "AmazonEKSServiceRolePolicy",
		description: "Allows Amazon EKS to call AWS services on your behalf.",
	},
	"eks-fargate.amazonaws.com": {
		role: "AWSServiceRoleForAmazonEKSForFargate", policy: "AmazonEKSForFargateServiceRolePolicy",
		description: "This policy grants necessary permissions to Amazon EKS to run fargate tasks",
	},
	"eks-nodegroup.amazonaws.com": {
		role: "AWSServiceRoleForAmazonEKSNodegroup", policy: "AWSServiceRoleForAmazonEKSNodegroup",
		description: "This policy allows Amazon EKS to create and manage Nodegroups",
	},
}

// CreateServiceLinkedRole makes the role through which a service acts.
func (s *Service) CreateServiceLinkedRole(ctx context.Context, in *iam.CreateServiceLinkedRoleInput) (*iam.CreateServiceLinkedRoleOutput, error) {
	var c check
	if in.AWSServiceName == nil {
		c.constraint("aWSServiceName", nil, "not be null")
	}
	c.description(in.Description)
	if err := c.err(); err != nil {
		return nil, err
	}
	service := *in.AWSServiceName
	l, ok := linkedRoles[service]
	if !ok {
		return nil, invalidInput("Service role for %s is not supported.", service)
	}
	if in.CustomSuffix != nil {
		return nil, invalidInput("Custom suffix is not allowed for %s", service)
	}
	r, err := s.linkedRole(service, l)
	if err != nil {
		return nil, err
	}
	if in.Description != nil {
		r.Description = in.Description
	}
	err = s.roles.Create(ctx, nameKey(r.Name), r)
	if errors.Is(err, store.ErrExists) {
		return nil, invalidInput("Service role name %s has been taken in this account, please try a different suffix.", r.Name)
	} else if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "service-linked role created", "role", r.ARN.String())
	return &iam.CreateServiceLinkedRoleOutput{Role: r.view()}, nil
}

// EnsureServiceLinkedRole makes sure that a service, for example
// eks-fargate.amazonaws.com, has its role, and returns the role's ARN. Calling
// it again changes nothing.
func (s *Service) EnsureServiceLinkedRole(ctx context.Context, service string) (arn.ARN, error) {
	l, ok := linkedRoles[service]
	if !ok {
		return arn.ARN{}, fmt.Errorf("ensuring the service-linked role of %s: unknown service", service)
	}
	r, err := s.linkedRole(service, l)
	if err != nil {
		return arn.ARN{}, err
	}
	err = s.roles.Create(ctx, nameKey(r.Name), r)
	if err != nil && !errors.Is(err, store.ErrExists) {
		return arn.ARN{}, fmt.Errorf("ensuring the service-linked role of %s: %w", service, err)
	}
	return r.ARN, nil
}

func (s *Service) linkedRole(service string, l linked) (roleRecord, error) {
	trust, err := json.Marshal(map[string]any{
		"Version": "2012-10-17",
		"Statement": []any{map[string]any{
			"Effect": "Allow", "Principal": map[string]string{"Service": service}, "Action": "sts:AssumeRole",
		}},
	})
	if err != nil {
		return roleRecord{}, fmt.Errorf("writing the trust of %s: %w", l.role, err)
	}
	path := "/aws-service-role/" + service + "/"
	return roleRecord{
		Name: l.role, Path: path, ID: s.ids.IAM("AROA"), ARN: s.scope.Global("iam", "role"+path+l.role),
		Trust: string(trust), Description: &l.description, MaxSession: 3600, Created: s.now(), Service: service,
		grants: grants{Attached: []string{managedARN(s.scope.Partition, "/aws-service-role/", l.policy).String()}},
	}, nil
}

func invalidInput(format string, args ...any) *fault.Error {
	return fault.New(statusBadRequest, "InvalidInput", format, args...)
}
