package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"berth.dev/berth/internal/store"
)

const userInlineQuota = 2048

// AttachUserPolicy gives a user a managed policy.
func (s *Service) AttachUserPolicy(ctx context.Context, in *iam.AttachUserPolicyInput) (*iam.AttachUserPolicyOutput, error) {
	var c check
	name, policyARN := c.name("userName", in.UserName, userNameLimit), c.policyARN("policyArn", in.PolicyArn)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeUser(ctx, name, func(tx *store.Tx, u *userRecord) error {
		return s.attachIn(tx, &u.grants, u.ARN, policyARN, "PoliciesPerUser")
	})
	if err != nil {
		return nil, err
	}
	return &iam.AttachUserPolicyOutput{}, nil
}

// DetachUserPolicy takes a managed policy from a user.
func (s *Service) DetachUserPolicy(ctx context.Context, in *iam.DetachUserPolicyInput) (*iam.DetachUserPolicyOutput, error) {
	var c check
	name, policyARN := c.name("userName", in.UserName, userNameLimit), c.policyARN("policyArn", in.PolicyArn)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeUser(ctx, name, func(tx *store.Tx, u *userRecord) error {
		return s.detachIn(tx, &u.grants, u.ARN, policyARN)
	})
	if err != nil {
		return nil, err
	}
	return &iam.DetachUserPolicyOutput{}, nil
}

// ListAttachedUserPolicies lists a user's managed policies.
func (s *Service) ListAttachedUserPolicies(ctx context.Context, in *iam.ListAttachedUserPoliciesInput) (*iam.ListAttachedUserPoliciesOutput, error) {
	var c check
	prefix, after, size := c.pathPrefix(in.PathPrefix), c.marker(in.Marker), c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	u, err := s.namedUser(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	p := u.attachedPage(prefix, after, size)
	return &iam.ListAttachedUserPoliciesOutput{AttachedPolicies: p.items, IsTruncated: p.truncated, Marker: p.marker}, nil
}

// PutUserPolicy writes an inline policy of a user.
func (s *Service) PutUserPolicy(ctx context.Context, in *iam.PutUserPolicyInput) (*iam.PutUserPolicyOutput, error) {
	var c check
	name, policyName := c.name("userName", in.UserName, userNameLimit), c.name("policyName", in.PolicyName, policyNameLimit)
	text, err := c.inlineDocument(in.PolicyDocument)
	if err != nil {
		return nil, err
	}
	err = s.changeUser(ctx, name, func(_ *store.Tx, u *userRecord) error {
		return u.putInline(policyName, text, userInlineQuota, "user", u.Name)
	})
	if err != nil {
		return nil, err
	}
	return &iam.PutUserPolicyOutput{}, nil
}

// GetUserPolicy reads an inline policy of a user.
func (s *Service) GetUserPolicy(ctx context.Context, in *iam.GetUserPolicyInput) (*iam.GetUserPolicyOutput, error) {
	var c check
	policyName := c.name("policyName", in.PolicyName, policyNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	u, err := s.namedUser(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	text, ok := u.Inline[policyName]
	if !ok {
		return nil, noSuchEntity("The user policy with name %s cannot be found.", policyName)
	}
	document := encodeDocument(text)
	return &iam.GetUserPolicyOutput{UserName: &u.Name, PolicyName: &policyName, PolicyDocument: &document}, nil
}

// DeleteUserPolicy deletes an inline policy of a user.
func (s *Service) DeleteUserPolicy(ctx context.Context, in *iam.DeleteUserPolicyInput) (*iam.DeleteUserPolicyOutput, error) {
	var c check
	name, policyName := c.name("userName", in.UserName, userNameLimit), c.name("policyName", in.PolicyName, policyNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeUser(ctx, name, func(_ *store.Tx, u *userRecord) error {
		if _, ok := u.Inline[policyName]; !ok {
			return noSuchEntity("The user policy with name %s cannot be found.", policyName)
		}
		delete(u.Inline, policyName)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.DeleteUserPolicyOutput{}, nil
}

// ListUserPolicies lists the names of a user's inline policies.
func (s *Service) ListUserPolicies(ctx context.Context, in *iam.ListUserPoliciesInput) (*iam.ListUserPoliciesOutput, error) {
	var c check
	after, size := c.marker(in.Marker), c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	u, err := s.namedUser(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	p := u.inlinePage(after, size)
	return &iam.ListUserPoliciesOutput{PolicyNames: p.items, IsTruncated: p.truncated, Marker: p.marker}, nil
}

// TagUser adds tags to a user, or gives them new values.
func (s *Service) TagUser(ctx context.Context, in *iam.TagUserInput) (*iam.TagUserOutput, error) {
	var c check
	name, tags := c.name("userName", in.UserName, userNameLimit), c.tags(in.Tags)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeUser(ctx, name, func(_ *store.Tx, u *userRecord) (err error) {
		u.Tags, err = addTags(u.Tags, tags)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iam.TagUserOutput{}, nil
}

// UntagUser removes tags from a user; absent ones are no error.
func (s *Service) UntagUser(ctx context.Context, in *iam.UntagUserInput) (*iam.UntagUserOutput, error) {
	var c check
	name := c.name("userName", in.UserName, userNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeUser(ctx, name, func(_ *store.Tx, u *userRecord) error {
		removeTags(u.Tags, in.TagKeys)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.UntagUserOutput{}, nil
}

// ListUserTags lists a user's tags in order of their keys.
func (s *Service) ListUserTags(ctx context.Context, in *iam.ListUserTagsInput) (*iam.ListUserTagsOutput, error) {
	var c check
	after, size := c.marker(in.Marker), c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	u, err := s.namedUser(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	p := paginate(tagView(u.Tags), func(t types.Tag) string { return *t.Key }, after, size)
	return &iam.ListUserTagsOutput{Tags: p.items, IsTruncated: p.truncated, Marker: p.marker}, nil
}
