package iam

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"berth.dev/berth/internal/store"
)

// PutRolePermissionsBoundary sets the policy that bounds what a role may do.
func (s *Service) PutRolePermissionsBoundary(ctx context.Context, in *iam.PutRolePermissionsBoundaryInput) (*iam.PutRolePermissionsBoundaryOutput, error) {
	var c check
	name, boundary := c.name("roleName", in.RoleName, roleNameLimit), c.policyARN("permissionsBoundary", in.PermissionsBoundary)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeRole(ctx, name, func(tx *store.Tx, r *roleRecord) error {
		return s.setBoundary(tx, &r.grants, r.ARN, &boundary)
	})
	if err != nil {
		return nil, err
	}
	return &iam.PutRolePermissionsBoundaryOutput{}, nil
}

// DeleteRolePermissionsBoundary removes a role's boundary.
func (s *Service) DeleteRolePermissionsBoundary(ctx context.Context, in *iam.DeleteRolePermissionsBoundaryInput) (*iam.DeleteRolePermissionsBoundaryOutput, error) {
	var c check
	name := c.name("roleName", in.RoleName, roleNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeRole(ctx, name, func(tx *store.Tx, r *roleRecord) error {
		if r.Boundary == "" {
			return noSuchEntity("Role %s does not have a permissions boundary.", r.Name)
		}
		return s.setBoundary(tx, &r.grants, r.ARN, nil)
	})
	if err != nil {
		return nil, err
	}
	return &iam.DeleteRolePermissionsBoundaryOutput{}, nil
}
