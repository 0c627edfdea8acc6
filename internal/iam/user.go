package iam

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"berth.dev/berth/internal/principal"
	"berth.dev/berth/internal/store"
)

const userNameLimit = 64

// CreateUser makes a user.
func (s *Service) CreateUser(ctx context.Context, in *iam.CreateUserInput) (*iam.CreateUserOutput, error) {
	var c check
	u := userRecord{
		Name: c.name("userName", in.UserName, userNameLimit),
		Path: c.path(in.Path),
		Tags: c.tags(in.Tags),
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := checkTagCount(u.Tags); err != nil {
		return nil, err
	}
	u.ID, u.Created = s.ids.IAM("AIDA"), s.now()
	u.ARN = s.scope.Global("iam", "user"+u.Path+u.Name)
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		u := u
		if s.users.HasIn(tx, nameKey(u.Name)) {
			return alreadyExists("User with name %s already exists.", u.Name)
		}
		if err := s.setBoundary(tx, &u.grants, u.ARN, in.PermissionsBoundary); err != nil {
			return err
		}
		return s.users.PutIn(tx, nameKey(u.Name), u)
	})
	if err != nil {
		return nil, err
	}
	u.Boundary = deref(in.PermissionsBoundary)
	s.log.InfoContext(ctx, "user created", "user", u.ARN.String())
	return &iam.CreateUserOutput{User: u.view()}, nil
}

// GetUser reads a user; without a name, the one who asks.
func (s *Service) GetUser(ctx context.Context, in *iam.GetUserInput) (*iam.GetUserOutput, error) {
	if p := caller(ctx); in.UserName == nil && p.Kind == principal.Root {
		text := p.ARN.String()
		created := s.now()
		return &iam.GetUserOutput{User: &types.User{Arn: &text, UserId: &p.Account, CreateDate: &created}}, nil
	}
	name, err := s.userName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	u, err := s.user(ctx, name)
	if err != nil {
		return nil, err
	}
	return &iam.GetUserOutput{User: u.view()}, nil
}

// ListUsers lists users under a path; as in IAM, without tags and boundary.
func (s *Service) ListUsers(ctx context.Context, in *iam.ListUsersInput) (*iam.ListUsersOutput, error) {
	var c check
	prefix, after, size := c.pathPrefix(in.PathPrefix), c.marker(in.Marker), c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	entries, err := s.users.List(ctx, "")
	if err != nil {
		return nil, err
	}
	entries = slices.DeleteFunc(entries, func(e store.Entry[userRecord]) bool { return !strings.HasPrefix(e.Value.Path, prefix) })
	p := paginate(entries, func(e store.Entry[userRecord]) string { return e.Key }, after, size)
	out := &iam.ListUsersOutput{Users: []types.User{}, IsTruncated: p.truncated, Marker: p.marker}
	for _, e := range p.items {
		view := e.Value.view()
		view.Tags, view.PermissionsBoundary = nil, nil
		out.Users = append(out.Users, *view)
	}
	return out, nil
}

// DeleteUser deletes a user that has no keys and no policies left.
func (s *Service) DeleteUser(ctx context.Context, in *iam.DeleteUserInput) (*iam.DeleteUserOutput, error) {
	var c check
	name := c.name("userName", in.UserName, userNameLimit)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		u, err := s.userIn(tx, name)
		if err != nil {
			return err
		}
		if len(u.Keys) > 0 {
			return deleteConflict("Cannot delete entity, must delete access keys first.")
		}
		if err := u.grants.deletable(); err != nil {
			return err
		}
		if err := s.setBoundary(tx, &u.grants, u.ARN, nil); err != nil {
			return err
		}
		s.users.DeleteIn(tx, nameKey(name))
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "user deleted", "user", name)
	return &iam.DeleteUserOutput{}, nil
}

// userName is the name in an optional member, else the calling user's own.
func (s *Service) userName(ctx context.Context, member *string) (string, error) {
	var c check
	if member != nil {
		name := c.name("userName", member, 128)
		return name, c.err()
	}
	p := caller(ctx)
	if p.Kind != principal.User {
		return "", invalid("Must specify userName when calling with non-User credentials")
	}
	id := p.ARN.ResourceID()
	return id[strings.LastIndexByte(id, '/')+1:], nil
}

func (s *Service) user(ctx context.Context, name string) (userRecord, error) {
	u, err := s.users.Get(ctx, nameKey(name))
	if errors.Is(err, store.ErrNotFound) {
		return u, noUser(name)
	}
	return u, err
}

func (s *Service) namedUser(ctx context.Context, member *string) (userRecord, error) {
	var c check
	name := c.name("userName", member, 128)
	if err := c.err(); err != nil {
		return userRecord{}, err
	}
	return s.user(ctx, name)
}

func (s *Service) userIn(tx *store.Tx, name string) (userRecord, error) {
	u, err := s.users.GetIn(tx, nameKey(name))
	if errors.Is(err, store.ErrNotFound) {
		return u, noUser(name)
	}
	return u, err
}

func (s *Service) changeUser(ctx context.Context, name string, f func(*store.Tx, *userRecord) error) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		u, err := s.userIn(tx, name)
		if err != nil {
			return err
		}
		if err := f(tx, &u); err != nil {
			return err
		}
		return s.users.PutIn(tx, nameKey(name), u)
	})
}

func (u userRecord) view() *types.User {
	text := u.ARN.String()
	return &types.User{
		Arn: &text, UserName: &u.Name, UserId: &u.ID, Path: &u.Path, CreateDate: &u.Created,
		PermissionsBoundary: boundaryView(u.Boundary), Tags: tagView(u.Tags),
	}
}
