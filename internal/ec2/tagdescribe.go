package ec2

import "context"

// DescribeTagsInput asks for tags.
type DescribeTagsInput struct {
	DryRun     bool
	Filters    []Filter `ec2:"Filter"`
	MaxResults *int32
	NextToken  string
}

// DescribeTagsOutput lists tags.
type DescribeTagsOutput struct {
	Tags      []TagDescription `ec2:"tagSet"`
	NextToken string           `ec2:"NextToken,omitempty"`
}

// TagDescription is a tag and the resource that it is on.
type TagDescription struct {
	ResourceId   string
	ResourceType string
	Key          string
	Value        string
}

var tagFilters = attributes[TagDescription]{
	"key":           func(t TagDescription) []string { return one(t.Key) },
	"value":         func(t TagDescription) []string { return []string{t.Value} },
	"resource-id":   func(t TagDescription) []string { return one(t.ResourceId) },
	"resource-type": func(t TagDescription) []string { return one(t.ResourceType) },
}

// DescribeTags lists tags.
func (s *Service) DescribeTags(ctx context.Context, in *DescribeTagsInput) (*DescribeTagsOutput, error) {
	all, err := s.allTags(ctx)
	if err != nil {
		return nil, err
	}
	q := query{dryRun: in.DryRun, filters: in.Filters, maxResults: in.MaxResults, nextToken: in.NextToken}
	page, next, err := describe(all, q, kind{}, func(t TagDescription) string { return t.ResourceId + " " + t.Key },
		tagFilters, func(t TagDescription) []Tag { return []Tag{{t.Key, t.Value}} })
	if err != nil {
		return nil, err
	}
	return &DescribeTagsOutput{Tags: page, NextToken: next}, nil
}

func (s *Service) allTags(ctx context.Context) ([]TagDescription, error) {
	all := []TagDescription{}
	add := func(resourceType, id string, tags map[string]string) {
		for _, t := range tagSet(tags) {
			all = append(all, TagDescription{ResourceId: id, ResourceType: resourceType, Key: t.Key, Value: t.Value})
		}
	}
	gateways, err := s.gateways.List(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, g := range gateways {
		add("internet-gateway", g.Value.ID, g.Value.Tags)
	}
	addresses, err := s.addresses.List(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, a := range addresses {
		add("elastic-ip", a.Value.ID, a.Value.Tags)
	}
	records, err := s.records.List(ctx, "")
	if err != nil {
		return nil, err
	}
	for _, r := range records {
		switch {
		case r.Value.Interface != nil:
			add("network-interface", r.Value.Interface.ID, r.Value.Interface.Tags)
		case r.Value.Network != nil:
			r.Value.Network.eachTagged(func(resourceType, id string, tags *map[string]string) { add(resourceType, id, *tags) })
		}
	}
	return all, nil
}
