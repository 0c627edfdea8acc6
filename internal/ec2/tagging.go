package ec2

import (
	"context"
	"errors"
	"maps"
	"strings"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// CreateTagsInput puts tags on resources.
type CreateTagsInput struct {
	DryRun    bool
	Resources []string `ec2:"ResourceId"`
	Tags      []Tag    `ec2:"Tag"`
}

// CreateTags sets tags on all the resources, or on none.
func (s *Service) CreateTags(ctx context.Context, in *CreateTagsInput) (*ReturnOutput, error) {
	if len(in.Tags) == 0 {
		return nil, missingParameter("tagSet")
	}
	for _, t := range in.Tags {
		if err := checkTag(t); err != nil {
			return nil, err
		}
	}
	return done(s.retag(ctx, in.Resources, in.DryRun, func(tags map[string]string) error {
		for _, t := range in.Tags {
			tags[t.Key] = t.Value
		}
		return checkTagCount(tags)
	}))
}

// DeleteTagsInput takes tags off resources.
type DeleteTagsInput struct {
	DryRun    bool
	Resources []string      `ec2:"ResourceId"`
	Tags      []TagToDelete `ec2:"Tag"`
}

// TagToDelete is a key and, when given, the one value with which it goes.
type TagToDelete struct {
	Key   string
	Value *string
}

// DeleteTags takes tags off resources: those that are named, or all of the
// user's own. A tag that is not there is not an error.
func (s *Service) DeleteTags(ctx context.Context, in *DeleteTagsInput) (*ReturnOutput, error) {
	for _, t := range in.Tags {
		if err := checkTag(Tag{Key: t.Key}); err != nil {
			return nil, err
		}
	}
	return done(s.retag(ctx, in.Resources, in.DryRun, func(tags map[string]string) error {
		if len(in.Tags) == 0 {
			maps.DeleteFunc(tags, func(k, _ string) bool { return !strings.HasPrefix(k, "aws:") })
		}
		for _, t := range in.Tags {
			if v, ok := tags[t.Key]; ok && (t.Value == nil || *t.Value == v) {
				delete(tags, t.Key)
			}
		}
		return nil
	}))
}

// retag edits the tags of resources in one transaction.
func (s *Service) retag(ctx context.Context, ids []string, dryRun bool, f func(map[string]string) error) error {
	if len(ids) == 0 {
		return missingParameter("resourceIdSet")
	}
	return s.update(ctx, dryRun, func(tx *store.Tx) error {
		for _, id := range ids {
			if err := s.retagIn(tx, id, f); err != nil {
				return err
			}
		}
		return nil
	})
}

func (s *Service) retagIn(tx *store.Tx, id string, f func(map[string]string) error) error {
	prefix, _, _ := strings.Cut(id, "-")
	k, ok := taggable[prefix]
	if !ok {
		return fault.New(400, "InvalidID", "The ID '%s' is not valid", id)
	}
	if err := k.check(id); err != nil {
		return err
	}
	switch k {
	case kindGateway:
		g, err := s.gatewayIn(tx, id)
		if err != nil {
			return err
		}
		return errors.Join(edit(&g.Tags, f), s.gateways.PutIn(tx, id, g))
	case kindAddress:
		a, err := s.addressIn(tx, id)
		if err != nil {
			return err
		}
		return errors.Join(edit(&a.Tags, f), s.addresses.PutIn(tx, id, a))
	}
	vpcID, err := s.owners.GetIn(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return k.notFound(id)
	}
	if err != nil {
		return err
	}
	if k == kindInterface {
		i, err := s.interfaceIn(tx, vpcID, id)
		if err != nil {
			return err
		}
		return errors.Join(edit(&i.Tags, f), s.records.PutIn(tx, interfaceKey(vpcID, id), record{Interface: &i}))
	}
	n, err := s.networkIn(tx, vpcID)
	if err != nil {
		return err
	}
	tags := n.tagsOf(id)
	if tags == nil {
		return k.notFound(id)
	}
	return errors.Join(edit(tags, f), s.putNetwork(tx, n))
}

func edit(tags *map[string]string, f func(map[string]string) error) error {
	if *tags == nil {
		*tags = map[string]string{}
	}
	return f(*tags)
}

// taggable are the kinds that carry tags, by the prefix of their identifiers.
var taggable = map[string]kind{
	"vpc": kindVPC, "subnet": kindSubnet, "igw": kindGateway, "eipalloc": kindAddress, "nat": kindNATGateway,
	"rtb": kindRouteTable, "sg": kindGroup, "sgr": kindRule, "eni": kindInterface,
}

// tagsOf are the tags of a part of the document, nil when there is no such part.
func (n *network) tagsOf(id string) (tags *map[string]string) {
	n.eachTagged(func(_, partID string, t *map[string]string) {
		if partID == id {
			tags = t
		}
	})
	return tags
}

// eachTagged calls f with every part of the document that carries tags.
func (n *network) eachTagged(f func(resourceType, id string, tags *map[string]string)) {
	f("vpc", n.VPC.ID, &n.VPC.Tags)
	for i := range n.Subnets {
		f("subnet", n.Subnets[i].ID, &n.Subnets[i].Tags)
	}
	for i := range n.RouteTables {
		f("route-table", n.RouteTables[i].ID, &n.RouteTables[i].Tags)
	}
	for i := range n.NATGateways {
		f("natgateway", n.NATGateways[i].ID, &n.NATGateways[i].Tags)
	}
	for i := range n.SecurityGroups {
		g := &n.SecurityGroups[i]
		f("security-group", g.ID, &g.Tags)
		for j := range g.Rules {
			f("security-group-rule", g.Rules[j].ID, &g.Rules[j].Tags)
		}
	}
}
