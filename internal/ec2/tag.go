package ec2

import (
	"maps"
	"slices"
	"strings"

	"berth.dev/berth/internal/fault"
)

// Tag is a key and its value.
type Tag struct {
	Key   string
	Value string
}

// TagSpecification is the tags that a create puts on what it makes.
type TagSpecification struct {
	ResourceType string
	Tags         []Tag `ec2:"Tag"`
}

// maxTags is the documented number of tags on one resource.
const maxTags = 50

// tagsFor are the tags of a new resource of a type.
func tagsFor(resourceType string, specs []TagSpecification) (map[string]string, error) {
	tags := map[string]string{}
	for _, spec := range specs {
		if spec.ResourceType == "" {
			return nil, missingParameter("ResourceType")
		}
		if spec.ResourceType != resourceType {
			return nil, invalidValue("'%s' is not a valid taggable resource type for this operation.", spec.ResourceType)
		}
		for _, t := range spec.Tags {
			if _, twice := tags[t.Key]; twice {
				return nil, invalidValue("Duplicate tag key '%s' specified.", t.Key)
			}
			if err := checkTag(t); err != nil {
				return nil, err
			}
			tags[t.Key] = t.Value
		}
	}
	return tags, checkTagCount(tags)
}

func checkTag(t Tag) error {
	switch {
	case t.Key == "":
		return invalidValue("Tag key cannot be null or empty.")
	case strings.HasPrefix(strings.ToLower(t.Key), "aws:"):
		return invalidValue("Tag keys starting with 'aws:' are reserved for internal use")
	case len([]rune(t.Key)) > 128:
		return invalidValue("Tag key exceeds the maximum length of 128 characters")
	case len([]rune(t.Value)) > 256:
		return invalidValue("Tag value exceeds the maximum length of 256 characters")
	}
	return nil
}

func checkTagCount(tags map[string]string) error {
	own := 0
	for k := range tags {
		if !strings.HasPrefix(k, "aws:") {
			own++
		}
	}
	if own > maxTags {
		return fault.New(400, "TagLimitExceeded", "More than %d tags specified", maxTags)
	}
	return nil
}

func tagSet(tags map[string]string) []Tag {
	set := make([]Tag, 0, len(tags))
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		set = append(set, Tag{Key: k, Value: tags[k]})
	}
	return set
}
