package eks

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/eks"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

const maxTags = 50

// TagResource adds tags to a cluster, Fargate profile or access entry, or
// changes their values.
func (s *Service) TagResource(ctx context.Context, in *eks.TagResourceInput) (*eks.TagResourceOutput, error) {
	_, err := s.editTags(ctx, str(in.ResourceArn), func(tags map[string]string) { maps.Copy(tags, in.Tags) })
	if err != nil {
		return nil, err
	}
	return &eks.TagResourceOutput{}, nil
}

// UntagResource removes tags; one that is not there is not missed.
func (s *Service) UntagResource(ctx context.Context, in *eks.UntagResourceInput) (*eks.UntagResourceOutput, error) {
	_, err := s.editTags(ctx, str(in.ResourceArn), func(tags map[string]string) {
		for _, k := range in.TagKeys {
			delete(tags, k)
		}
	})
	if err != nil {
		return nil, err
	}
	return &eks.UntagResourceOutput{}, nil
}

// ListTagsForResource shows the tags of a resource.
func (s *Service) ListTagsForResource(ctx context.Context, in *eks.ListTagsForResourceInput) (*eks.ListTagsForResourceOutput, error) {
	tags, err := s.editTags(ctx, str(in.ResourceArn), nil)
	if err != nil {
		return nil, err
	}
	return &eks.ListTagsForResourceOutput{Tags: tags}, nil
}

// editTags applies an edit, nil for none, to a resource's tags and returns them.
func (s *Service) editTags(ctx context.Context, resource string, edit func(map[string]string)) (tags map[string]string, err error) {
	a, err := arn.Parse(resource)
	if err != nil || a.Service != "eks" {
		return nil, fault.New(400, "BadRequestException", "Invalid resource ARN: %s", resource)
	}
	err = s.store.Update(ctx, func(tx *store.Tx) error {
		old, put, err := s.tagged(tx, a)
		if err != nil {
			return err
		}
		tags = map[string]string{}
		maps.Copy(tags, old)
		if edit == nil {
			return nil
		}
		edit(tags)
		if wrong := checkTags(tags); wrong != "" {
			return fault.New(400, "BadRequestException", "%s", wrong)
		}
		return put(tags)
	})
	return tags, err
}

// tagged finds the tags of the resource that has the ARN, and how to write them.
func (s *Service) tagged(tx *store.Tx, a arn.ARN) (tags map[string]string, put func(map[string]string) error, err error) {
	gone := fault.New(404, "NotFoundException", "The resource with ARN %s could not be found", a)
	kind, rest := a.ResourceType(), strings.Split(a.ResourceID(), "/")
	c, err := s.clusters.GetIn(tx, rest[0])
	if err != nil {
		return nil, nil, absent(err, gone)
	}
	switch {
	case kind == "cluster" && c.ARN == a:
		return c.Tags, func(tags map[string]string) error {
			c.Tags = tags
			return s.clusters.PutIn(tx, c.Name, c)
		}, nil
	case kind == "fargateprofile" && len(rest) == 3:
		set, err := s.profilesIn(tx, c.Name)
		if p, ok := set.Profiles[rest[1]]; err != nil || ok && p.ARN == a {
			return p.Tags, func(tags map[string]string) error {
				p.Tags = tags
				set.Profiles[p.Name] = p
				return s.profiles.PutIn(tx, c.Name, set)
			}, err
		}
	case kind == "access-entry":
		set, err := s.entriesIn(tx, c.Name)
		if err != nil {
			return nil, nil, err
		}
		for principal, e := range set.Entries {
			if e.ARN == a {
				return e.Tags, func(tags map[string]string) error {
					e.Tags = tags
					set.Entries[principal] = e
					return s.entries.PutIn(tx, c.Name, set)
				}, nil
			}
		}
	}
	return nil, nil, gone
}

// checkTags says what is wrong with the tags of one resource, "" if nothing.
func checkTags(tags map[string]string) string {
	if len(tags) > maxTags {
		return fmt.Sprintf("A resource can have at most %d tags", maxTags)
	}
	for k, v := range tags {
		switch {
		case k == "" || utf8.RuneCountInString(k) > 128:
			return fmt.Sprintf("Tag keys must be 1 to 128 characters long: %q", k)
		case strings.HasPrefix(strings.ToLower(k), "aws:"):
			return fmt.Sprintf("Tag keys must not start with aws: %s", k)
		case utf8.RuneCountInString(v) > 256:
			return fmt.Sprintf("Tag values must be at most 256 characters long: key %s", k)
		}
	}
	return ""
}
