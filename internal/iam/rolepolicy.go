package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"berth.dev/berth/internal/store"
)

const (
	policyNameLimit = 128
	roleInlineQuota = 10240
)

// AttachRolePolicy gives a role a managed policy.
func (s *Service) AttachRolePolicy(ctx context.Context, in *iam.AttachRolePolicyInput) (*iam.AttachRolePolicyOutput, error) {
	var c check
	name, policyARN := c.name("roleName", in.RoleName, roleNameLimit), c.policyARN("policyArn", in.PolicyArn)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeRole(ctx, name, func(tx *store.Tx, r *roleRecord) error {
		return s.attachIn(tx, &r.grants, r.ARN, policyARN, "PoliciesPerRole")
	})
	if err != nil {
		return nil, err
	}
	return &iam.AttachRolePolicyOutput{}, nil
}

// DetachRolePolicy takes a managed policy from a role.
func (s *Service) DetachRolePolicy(ctx context.Context, in *iam.DetachRolePolicyInput) (*iam.DetachRolePolicyOutput, error) {
	var c check
	name, policyARN := c.name("roleName", in.RoleName, roleNameLimit), c.policyARN("policyArn", in.PolicyArn)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeRole(ctx, name, func(tx *store.Tx, r *roleRecord) error {
		return s.detachIn(tx, &r.grants, r.ARN, policyARN)
	})
	if err != nil {
		return nil, err
	}
	return &iam.DetachRolePolicyOutput{}, nil
}

// ListAttachedRolePolicies lists a role's managed policies.
func (s *Service) ListAttachedRolePolicies(ctx context.Context, in *iam.ListAttachedRolePoliciesInput) (*iam.ListAttachedRolePoliciesOutput, error) {
	var c check
	prefix, after, size := c.pathPrefix(in.PathPrefix), c.marker(in.Marker), c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	r, err := s.namedRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	p := r.attachedPage(prefix, after, size)
	return &iam.ListAttachedRolePoliciesOutput{AttachedPolicies: p.items, IsTruncated: p.truncated, Marker: p.marker}, nil
}

// PutRolePolicy writes an inline policy of a role.
func (s *Service) PutRolePolicy(ctx context.Context, in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
	var c check
	name, policyName := c.name("roleName", in.RoleName, roleNameLimit), c.name("policyName", in.PolicyName, policyNameLimit)
	text, err := c.inlineDocument(in.PolicyDocument)
	if err != nil {
		return nil, err
	}
	err = s.changeRole(ctx, name, func(_ *store.Tx, r *roleRecord) error {
		return r.putInline(policyName, text, roleInlineQuota, "role", r.Name)
	})
	if err != nil {
		return nil, err
	}
	return &iam.PutRolePolicyOutput{}, nil
}

// GetRolePolicy reads an inline policy of a role.
func (s *Service) GetRolePolicy(ctx context.Context, in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
	var c check
	policyName := c.name("policyName", in.PolicyName, policyNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	r, err := s.namedRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	text, ok := r.Inline[policyName]
	if !ok {
		return nil, noSuchEntity("The role policy with name %s cannot be found.", policyName)
	}
	document := encodeDocument(text)
	return &iam.GetRolePolicyOutput{RoleName: &r.Name, PolicyName: &policyName, PolicyDocument: &document}, nil
}

// DeleteRolePolicy deletes an inline policy of a role.
func (s *Service) DeleteRolePolicy(ctx context.Context, in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
	var c check
	name, policyName := c.name("roleName", in.RoleName, roleNameLimit), c.name("policyName", in.PolicyName, policyNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeRole(ctx, name, func(_ *store.Tx, r *roleRecord) error {
		if _, ok := r.Inline[policyName]; !ok {
			return noSuchEntity("The role policy with name %s cannot be found.", policyName)
		}
		delete(r.Inline, policyName)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.DeleteRolePolicyOutput{}, nil
}

// ListRolePolicies lists the names of a role's inline policies.
func (s *Service) ListRolePolicies(ctx context.Context, in *iam.ListRolePoliciesInput) (*iam.ListRolePoliciesOutput, error) {
	var c check
	after, size := c.marker(in.Marker), c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	r, err := s.namedRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	p := r.inlinePage(after, size)
	return &iam.ListRolePoliciesOutput{PolicyNames: p.items, IsTruncated: p.truncated, Marker: p.marker}, nil
}

// TagRole adds tags to a role, or gives them new values.
func (s *Service) TagRole(ctx context.Context, in *iam.TagRoleInput) (*iam.TagRoleOutput, error) {
	var c check
	name, tags := c.name("roleName", in.RoleName, roleNameLimit), c.tags(in.Tags)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeRole(ctx, name, func(_ *store.Tx, r *roleRecord) (err error) {
		r.Tags, err = addTags(r.Tags, tags)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iam.TagRoleOutput{}, nil
}

// UntagRole removes tags from a role; absent ones are no error.
func (s *Service) UntagRole(ctx context.Context, in *iam.UntagRoleInput) (*iam.UntagRoleOutput, error) {
	var c check
	name := c.name("roleName", in.RoleName, roleNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeRole(ctx, name, func(_ *store.Tx, r *roleRecord) error {
		removeTags(r.Tags, in.TagKeys)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.UntagRoleOutput{}, nil
}

// ListRoleTags lists a role's tags in order of their keys.
func (s *Service) ListRoleTags(ctx context.Context, in *iam.ListRoleTagsInput) (*iam.ListRoleTagsOutput, error) {
	var c check
	after, size := c.marker(in.Marker), c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	r, err := s.namedRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	p := paginate(tagView(r.Tags), func(t types.Tag) string { return *t.Key }, after, size)
	return &iam.ListRoleTagsOutput{Tags: p.items, IsTruncated: p.truncated, Marker: p.marker}, nil
}
