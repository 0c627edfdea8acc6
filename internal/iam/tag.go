package iam

import (
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"
)

const tagQuota = 50

func checkTagCount(tags map[string]string) error {
	if len(tags) > tagQuota {
		return limitExceeded("The number of tags has reached the maximum limit.")
	}
	return nil
}

// addTags merges tags; a key that differs in case alone replaces the old one.
func addTags(old, add map[string]string) (map[string]string, error) {
	out := maps.Clone(old)
	if out == nil {
		out = map[string]string{}
	}
	removeTags(out, slices.Collect(maps.Keys(add)))
	maps.Copy(out, add)
	return out, checkTagCount(out)
}

func removeTags(tags map[string]string, keys []string) {
	for _, k := range keys {
		maps.DeleteFunc(tags, func(have, _ string) bool { return strings.EqualFold(have, k) })
	}
}

func tagView(tags map[string]string) []types.Tag {
	var out []types.Tag
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		v := tags[k]
		out = append(out, types.Tag{Key: &k, Value: &v})
	}
	return out
}
