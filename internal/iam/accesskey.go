package iam

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/store"
)

const keyQuota = 2

// CreateAccessKey makes a key of a user, the calling one when none is named.
// Its output is the only place where the secret is ever shown.
func (s *Service) CreateAccessKey(ctx context.Context, in *iam.CreateAccessKeyInput) (*iam.CreateAccessKeyOutput, error) {
	name, err := s.userName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	k := keyRecord{ID: s.ids.IAM("AKIA")[:20], Secret: credential.Secret(s.ids.Secret(40)), Active: true, Created: s.now()}
	err = s.changeUser(ctx, name, func(tx *store.Tx, u *userRecord) error {
		if len(u.Keys) >= keyQuota {
			return limitExceeded("Cannot exceed quota for AccessKeysPerUser: %d", keyQuota)
		}
		k.User = u.Name
		u.Keys = append(u.Keys, k.ID)
		return s.keys.CreateIn(tx, k.ID, k)
	})
	if err != nil {
		return nil, err
	}
	secret := k.Secret.Reveal()
	s.log.InfoContext(ctx, "access key created", "user", k.User, "key", k.ID)
	return &iam.CreateAccessKeyOutput{AccessKey: &types.AccessKey{
		AccessKeyId: &k.ID, SecretAccessKey: &secret, Status: k.status(), UserName: &k.User, CreateDate: &k.Created,
	}}, nil
}

// ListAccessKeys lists a user's keys in order of creation.
func (s *Service) ListAccessKeys(ctx context.Context, in *iam.ListAccessKeysInput) (*iam.ListAccessKeysOutput, error) {
	var c check
	c.marker(in.Marker)
	c.pageSize(in.MaxItems)
	if err := c.err(); err != nil {
		return nil, err
	}
	name, err := s.userName(ctx, in.UserName)
	if err != nil {
		return nil, err
	}
	out := &iam.ListAccessKeysOutput{AccessKeyMetadata: []types.AccessKeyMetadata{}}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		out.AccessKeyMetadata = out.AccessKeyMetadata[:0]
		u, err := s.userIn(tx, name)
		if err != nil {
			return err
		}
		for _, id := range u.Keys {
			k, err := s.keys.GetIn(tx, id)
			if err != nil {
				return err
			}
			out.AccessKeyMetadata = append(out.AccessKeyMetadata, types.AccessKeyMetadata{
				AccessKeyId: &k.ID, Status: k.status(), UserName: &k.User, CreateDate: &k.Created,
			})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// UpdateAccessKey makes a key active or inactive.
func (s *Service) UpdateAccessKey(ctx context.Context, in *iam.UpdateAccessKeyInput) (*iam.UpdateAccessKeyOutput, error) {
	var c check
	id := c.keyID(in.AccessKeyId)
	if in.Status != types.StatusTypeActive && in.Status != types.StatusTypeInactive {
		c.constraint("status", in.Status, "satisfy enum value set: [Active, Inactive]")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeKey(ctx, in.UserName, id, func(tx *store.Tx, _ *userRecord, k keyRecord) error {
		k.Active = in.Status == types.StatusTypeActive
		return s.keys.PutIn(tx, id, k)
	})
	if err != nil {
		return nil, err
	}
	return &iam.UpdateAccessKeyOutput{}, nil
}

// DeleteAccessKey deletes a key.
func (s *Service) DeleteAccessKey(ctx context.Context, in *iam.DeleteAccessKeyInput) (*iam.DeleteAccessKeyOutput, error) {
	var c check
	id := c.keyID(in.AccessKeyId)
	if err := c.err(); err != nil {
		return nil, err
	}
	err := s.changeKey(ctx, in.UserName, id, func(tx *store.Tx, u *userRecord, _ keyRecord) error {
		u.Keys = without(u.Keys, id)
		s.keys.DeleteIn(tx, id)
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "access key deleted", "key", id)
	return &iam.DeleteAccessKeyOutput{}, nil
}

// changeKey changes a key together with its owner; a key of another user is
// as unknown as one that does not exist.
func (s *Service) changeKey(ctx context.Context, user *string, id string, f func(*store.Tx, *userRecord, keyRecord) error) error {
	name, err := s.userName(ctx, user)
	if err != nil {
		return err
	}
	return s.changeUser(ctx, name, func(tx *store.Tx, u *userRecord) error {
		k, err := s.keys.GetIn(tx, id)
		if errors.Is(err, store.ErrNotFound) || err == nil && nameKey(k.User) != nameKey(u.Name) {
			return noSuchEntity("The Access Key with id %s cannot be found.", id)
		}
		if err != nil {
			return err
		}
		return f(tx, u, k)
	})
}

func (c *check) keyID(v *string) string {
	if v == nil {
		c.constraint("accessKeyId", nil, "not be null")
		return ""
	}
	c.length("accessKeyId", *v, 16, 128)
	return *v
}

func (k keyRecord) status() types.StatusType {
	if k.Active {
		return types.StatusTypeActive
	}
	return types.StatusTypeInactive
}
