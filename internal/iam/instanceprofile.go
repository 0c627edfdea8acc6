package iam

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/store"
)

const profileNameLimit = 128

// profileRecord is an instance profile: the wrapping in which EC2 takes a role.
type profileRecord struct {
	Name    string            `json:"name"`
	Path    string            `json:"path"`
	ID      string            `json:"id"`
	ARN     arn.ARN           `json:"arn"`
	Created time.Time         `json:"created"`
	Tags    map[string]string `json:"tags,omitempty"`
	// Role is the name of the one role it may hold. The role's record names
	// the profile, so that neither goes without the other.
	Role string `json:"role,omitempty"`
}

// CreateInstanceProfile makes an instance profile without a role.
func (s *Service) CreateInstanceProfile(ctx context.Context, in *iam.CreateInstanceProfileInput) (*iam.CreateInstanceProfileOutput, error) {
	var c check
	p := profileRecord{
		Name: c.name("instanceProfileName", in.InstanceProfileName, profileNameLimit),
		Path: c.path(in.Path), Tags: c.tags(in.Tags),
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := checkTagCount(p.Tags); err != nil {
		return nil, err
	}
	p.ID, p.Created = s.ids.IAM("AIPA"), s.now()
	p.ARN = s.scope.Global("iam", "instance-profile"+p.Path+p.Name)
	err := s.profiles.Create(ctx, nameKey(p.Name), p)
	if errors.Is(err, store.ErrExists) {
		return nil, alreadyExists("Instance Profile %s already exists.", p.Name)
	} else if err != nil {
		return nil, err
	}
	view := p.view(nil)
	return &iam.CreateInstanceProfileOutput{InstanceProfile: &view}, nil
}

// GetInstanceProfile reads an instance profile with its role.
func (s *Service) GetInstanceProfile(ctx context.Context, in *iam.GetInstanceProfileInput) (*iam.GetInstanceProfileOutput, error) {
	var c check
	name := c.name("instanceProfileName", in.InstanceProfileName, profileNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	var view types.InstanceProfile
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		p, err := s.profileIn(tx, name)
		if err != nil {
			return err
		}
		view, err = s.profileView(tx, p)
		return err
	})
	if err != nil {
		return nil, err
	}
	return &iam.GetInstanceProfileOutput{InstanceProfile: &view}, nil
}

// DeleteInstanceProfile deletes an instance profile that holds no role.
func (s *Service) DeleteInstanceProfile(ctx context.Context, in *iam.DeleteInstanceProfileInput) (*iam.DeleteInstanceProfileOutput, error) {
	var c check
	name := c.name("instanceProfileName", in.InstanceProfileName, profileNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		p, err := s.profileIn(tx, name)
		if err != nil {
			return err
		}
		if p.Role != "" {
			return deleteConflict("Cannot delete entity, must remove roles from instance profile first.")
		}
		s.profiles.DeleteIn(tx, nameKey(name))
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.DeleteInstanceProfileOutput{}, nil
}

// AddRoleToInstanceProfile puts a role into a profile, which holds one at most.
func (s *Service) AddRoleToInstanceProfile(ctx context.Context, in *iam.AddRoleToInstanceProfileInput) (*iam.AddRoleToInstanceProfileOutput, error) {
	err := s.changeProfile(ctx, in.InstanceProfileName, in.RoleName, func(p *profileRecord, r *roleRecord) error {
		if p.Role != "" {
			return limitExceeded("Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
		}
		p.Role = r.Name
		r.Profiles = append(r.Profiles, p.Name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.AddRoleToInstanceProfileOutput{}, nil
}

// RemoveRoleFromInstanceProfile takes the role out of a profile.
func (s *Service) RemoveRoleFromInstanceProfile(ctx context.Context, in *iam.RemoveRoleFromInstanceProfileInput) (*iam.RemoveRoleFromInstanceProfileOutput, error) {
	err := s.changeProfile(ctx, in.InstanceProfileName, in.RoleName, func(p *profileRecord, r *roleRecord) error {
		if nameKey(p.Role) != nameKey(r.Name) {
			return noRole(r.Name)
		}
		p.Role, r.Profiles = "", without(r.Profiles, p.Name)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &iam.RemoveRoleFromInstanceProfileOutput{}, nil
}

// ListInstanceProfiles lists instance profiles under a path.
func (s *Service) ListInstanceProfiles(ctx context.Context, in *iam.ListInstanceProfilesInput) (*iam.ListInstanceProfilesOutput, error) {
	var c check
	prefix, after, size := c.pathPrefix(in.PathPrefix), c.marker(in.Marker), c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	entries, err := s.profiles.List(ctx, "")
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e store.Entry[profileRecord]) bool { return !strings.HasPrefix(e.Value.Path, prefix) })
	p := paginate(entries, func(e store.Entry[profileRecord]) string { return e.Key }, after, size)
	out := &iam.ListInstanceProfilesOutput{IsTruncated: p.truncated, Marker: p.marker}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		out.InstanceProfiles = []types.InstanceProfile{}
		for _, e := range p.items {
			view, err := s.profileView(tx, e.Value)
			if err != nil {
				return err
			}
			view.Tags = nil
			out.InstanceProfiles = append(out.InstanceProfiles, view)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ListInstanceProfilesForRole lists the instance profiles that hold a role.
func (s *Service) ListInstanceProfilesForRole(ctx context.Context, in *iam.ListInstanceProfilesForRoleInput) (*iam.ListInstanceProfilesForRoleOutput, error) {
	var c check
	after, size := c.marker(in.Marker), c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	r, err := s.namedRole(ctx, in.RoleName)
	if err != nil {
		return nil, err
	}
	names := paginate(slices.Sorted(slices.Values(r.Profiles)), func(n string) string { return n }, after, size)
	out := &iam.ListInstanceProfilesForRoleOutput{InstanceProfiles: []types.InstanceProfile{}, IsTruncated: names.truncated, Marker: names.marker}
	for _, name := range names.items {
		p, err := s.profiles.Get(ctx, nameKey(name))
		if errors.Is(err, store.ErrNotFound) {
			continue
		} else if err != nil {
			return nil, err
		}
		view := p.view(&r)
		view.Tags = nil
		out.InstanceProfiles = append(out.InstanceProfiles, view)
	}
	return out, nil
}

// changeProfile changes a profile together with a role.
func (s *Service) changeProfile(ctx context.Context, profile, role *string, f func(*profileRecord, *roleRecord) error) error {
	var c check
	name := c.name("instanceProfileName", profile, profileNameLimit)
	roleName := c.name("roleName", role, roleNameLimit)
	if err := c.err(); err != nil {
		return err
	}
	return s.changeRole(ctx, roleName, func(tx *store.Tx, r *roleRecord) error {
		p, err := s.profileIn(tx, name)
		if err != nil {
			return err
		}
		if err := f(&p, r); err != nil {
			return err
		}
		return s.profiles.PutIn(tx, nameKey(name), p)
	})
}

func (s *Service) profileIn(tx *store.Tx, name string) (profileRecord, error) {
	p, err := s.profiles.GetIn(tx, nameKey(name))
	if errors.Is(err, store.ErrNotFound) {
		return p, noSuchEntity("Instance Profile %s cannot be found.", name)
	}
	return p, err
}

func (s *Service) profileView(tx *store.Tx, p profileRecord) (types.InstanceProfile, error) {
	if p.Role == "" {
		return p.view(nil), nil
	}
	r, err := s.roles.GetIn(tx, nameKey(p.Role))
	if errors.Is(err, store.ErrNotFound) {
		return p.view(nil), nil
	}
	return p.view(&r), err
}

func (p profileRecord) view(r *roleRecord) types.InstanceProfile {
	text := p.ARN.String()
	v := types.InstanceProfile{
		Arn: &text, InstanceProfileName: &p.Name, InstanceProfileId: &p.ID, Path: &p.Path,
		CreateDate: &p.Created, Roles: []types.Role{}, Tags: tagView(p.Tags),
	}
	if r != nil {
		role := r.view()
		role.Tags, role.PermissionsBoundary = nil, nil
		v.Roles = append(v.Roles, *role)
	}
	return v
}
