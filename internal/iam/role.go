package iam

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"berth.dev/berth/internal/iam/policy"
	"berth.dev/berth/internal/store"
)

const (
	roleNameLimit = 64
	trustQuota    = 2048
)

// CreateRole makes a role. Two roles whose names differ in case alone are one.
func (s *Service) CreateRole(ctx context.Context, in *iam.CreateRoleInput) (*iam.CreateRoleOutput, error) {
	var c check
	r := roleRecord{
		Name:        c.name("roleName", in.RoleName, roleNameLimit),
		Path:        c.path(in.Path),
		Trust:       c.document("assumeRolePolicyDocument", in.AssumeRolePolicyDocument),
		Description: in.Description,
		MaxSession:  c.maxSession(in.MaxSessionDuration),
		Tags:        c.tags(in.Tags),
	}
	c.description(in.Description)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := checkTagCount(r.Tags); err != nil {
		return nil, err
	}
	trust, err := parsePolicy(policy.Trust, r.Trust)
	if err != nil {
		return nil, err
	}
	if size(r.Trust) > trustQuota {
		return nil, limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", trustQuota)
	}
	r.ID, r.Created = s.ids.IAM("AROA"), s.now()
	r.ARN = s.scope.Global("iam", "role"+r.Path+r.Name)
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		r := r
		if s.roles.HasIn(tx, nameKey(r.Name)) {
			return alreadyExists("Role with name %s already exists.", r.Name)
		}
		if err := s.checkPrincipals(tx, trust); err != nil {
			return err
		}
		if err := s.setBoundary(tx, &r.grants, r.ARN, in.PermissionsBoundary); err != nil {
			return err
		}
		return s.roles.PutIn(tx, nameKey(r.Name), r)
	})
	if err != nil {
		return nil, err
	}
	r.Boundary = deref(in.PermissionsBoundary)
	s.log.InfoContext(ctx, "role created", "role", r.ARN.String())
	return &iam.CreateRoleOutput{Role: r.view()}, nil
}

// GetRole reads a role.
func (s *Service) GetRole(ctx context.Context, in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
	r, err := s.namedRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	view := r.view()
	view.RoleLastUsed = &types.RoleLastUsed{}
	return &iam.GetRoleOutput{Role: view}, nil
}

// ListRoles lists roles under a path; as in IAM, without tags and boundary.
func (s *Service) ListRoles(ctx context.Context, in *iam.ListRolesInput) (*iam.ListRolesOutput, error) {
	var c check
	prefix, after, size := c.pathPrefix(in.PathPrefix), c.marker(in.Marker), c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	entries, err := s.roles.List(ctx, "")
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e store.Entry[roleRecord]) bool { return !strings.HasPrefix(e.Value.Path, prefix) })
	p := paginate(entries, func(e store.Entry[roleRecord]) string { return e.Key }, after, size)
	out := &iam.ListRolesOutput{Roles: []types.Role{}, IsTruncated: p.truncated, Marker: p.marker}
	for _, e := range p.items {
		view := e.Value.view()
		view.Tags, view.PermissionsBoundary = nil, nil
		out.Roles = append(out.Roles, *view)
	}
	return out, nil
}

// DeleteRole deletes a role that has no policies left and is in no
// instance profile.
func (s *Service) DeleteRole(ctx context.Context, in *iam.DeleteRoleInput) (*iam.DeleteRoleOutput, error) {
	var c check
	name := c.name("roleName", in.RoleName, roleNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		r, err := s.modifiableRoleIn(tx, name)
		if err != nil {
			return err
		}
		if len(r.Profiles) > 0 {
			return deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
		}
		if err := r.grants.deletable(); err != nil {
			return err
		}
		if err := s.setBoundary(tx, &r.grants, r.ARN, nil); err != nil {
			return err
		}
		s.roles.DeleteIn(tx, nameKey(name))
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "role deleted", "role", name)
	return &iam.DeleteRoleOutput{}, nil
}

// UpdateAssumeRolePolicy replaces a role's trust policy.
func (s *Service) UpdateAssumeRolePolicy(ctx context.Context, in *iam.UpdateAssumeRolePolicyInput) (*iam.UpdateAssumeRolePolicyOutput, error) {
	var c check
	name := c.name("roleName", in.RoleName, roleNameLimit)
	text := c.document("policyDocument", in.PolicyDocument)
	if err := c.err(); err != nil {
		return nil, err
	}
	trust, err := parsePolicy(policy.Trust, text)
	if err != nil {
		return nil, err
	}
	if size(text) > trustQuota {
		return nil, limitExceeded("Cannot exceed quota for ACLSizePerRole: %d", trustQuota)
	}
	err = s.changeRole(ctx, name, func(tx *store.Tx, r *roleRecord) error {
		r.Trust = text
		return s.checkPrincipals(tx, trust)
	})
	if err != nil {
		return nil, err
	}
	return &iam.UpdateAssumeRolePolicyOutput{}, nil
}

// UpdateRole changes a role's description and longest session.
func (s *Service) UpdateRole(ctx context.Context, in *iam.UpdateRoleInput) (*iam.UpdateRoleOutput, error) {
	var c check
	name := c.name("roleName", in.RoleName, roleNameLimit)
	longest := c.maxSession(in.MaxSessionDuration)
	c.description(in.Description)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeRole(ctx, name, func(_ *store.Tx, r *roleRecord) error {
		if in.Description != nil {
			r.Description = in.Description
		}
		if in.MaxSessionDuration != nil {
			r.MaxSession = longest
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.UpdateRoleOutput{}, nil
}

// namedRole reads the role that a required member names.
func (s *Service) namedRole(ctx context.Context, member *string) (roleRecord, error) {
	var c check
	name := c.name("roleName", member, roleNameLimit)
	if err := c.err(); err != nil {
		return roleRecord{}, err
	}
	r, err := s.roles.Get(ctx, nameKey(name))
	if errors.Is(err, store.ErrNotFound) {
		return r, noRole(name)
	}
	return r, err
}

// modifiableRoleIn reads a role that its owner may change: not one that
// belongs to a service.
func (s *Service) modifiableRoleIn(tx *store.Tx, name string) (roleRecord, error) {
	r, err := s.roles.GetIn(tx, nameKey(name))
	switch {
	case errors.Is(err, store.ErrNotFound):
		return r, noRole(name)
	case err == nil && r.Service != "":
		return r, unmodifiable("Cannot perform the operation on the protected role '%s' - this role is only modifiable by AWS", r.Name)
	}
	return r, err
}

func (s *Service) changeRole(ctx context.Context, name string, f func(*store.Tx, *roleRecord) error) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		r, err := s.modifiableRoleIn(tx, name)
		if err != nil {
			return err
		}
		if err := f(tx, &r); err != nil {
			return err
		}
		return s.roles.PutIn(tx, nameKey(name), r)
	})
}

func (r roleRecord) view() *types.Role {
	text := r.ARN.String()
	trust := encodeDocument(r.Trust)
	return &types.Role{
		Arn: &text, RoleName: &r.Name, RoleId: &r.ID, Path: &r.Path, CreateDate: &r.Created,
		AssumeRolePolicyDocument: &trust, Description: r.Description, MaxSessionDuration: &r.MaxSession,
		PermissionsBoundary: boundaryView(r.Boundary), Tags: tagView(r.Tags),
	}
}

// encodeDocument is the RFC 3986 encoding in which IAM returns documents.
func encodeDocument(text string) string {
	return strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// size counts a document as IAM's quotas do: without white space.
func size(document string) int {
	n := 0
	for _, r := range document {
		if !strings.ContainsRune(" \t\r\n", r) {
			n++
		}
	}
	return n
}
