package ec2

import (
	"context"
	"slices"
	"strings"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fault"
)

// DescribeRegionsInput asks for regions.
type DescribeRegionsInput struct {
	AllRegions  bool
	DryRun      bool
	Filters     []Filter `ec2:"Filter"`
	RegionNames []string `ec2:"RegionName"`
}

// DescribeRegionsOutput lists regions.
type DescribeRegionsOutput struct {
	Regions []Region `ec2:"regionInfo"`
}

// Region is a region in a response.
type Region struct {
	RegionName     string
	RegionEndpoint string
	OptInStatus    string
}

// enabledRegions are the regions that an account has without opting in.
var enabledRegions = []string{
	"ap-northeast-1", "ap-northeast-2", "ap-northeast-3", "ap-south-1", "ap-southeast-1", "ap-southeast-2",
	"ca-central-1", "eu-central-1", "eu-north-1", "eu-west-1", "eu-west-2", "eu-west-3", "sa-east-1",
	"us-east-1", "us-east-2", "us-west-1", "us-west-2",
}

// optInRegions are shown only to who asks for all regions.
var optInRegions = []string{
	"af-south-1", "ap-east-1", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ca-west-1", "eu-central-2",
	"eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "me-south-1",
}

var regionFilters = attributes[Region]{
	"endpoint":      func(r Region) []string { return one(r.RegionEndpoint) },
	"region-name":   func(r Region) []string { return one(r.RegionName) },
	"opt-in-status": func(r Region) []string { return one(r.OptInStatus) },
}

// DescribeRegions lists AWS's regions, and the service's own should it be none
// of them. Resources exist in the service's own region alone.
func (s *Service) DescribeRegions(_ context.Context, in *DescribeRegionsInput) (*DescribeRegionsOutput, error) {
	if err := refuseDryRun(in.DryRun); err != nil {
		return nil, err
	}
	all := s.regions(in.AllRegions || len(in.RegionNames) > 0)
	for _, name := range in.RegionNames {
		if !slices.ContainsFunc(all, func(r Region) bool { return r.RegionName == name }) {
			return nil, fault.New(400, "InvalidParameterValue", "Invalid region name: [%s]", name)
		}
	}
	if len(in.RegionNames) > 0 {
		all = slices.DeleteFunc(all, func(r Region) bool { return !slices.Contains(in.RegionNames, r.RegionName) })
	}
	all, err := regionFilters.apply(all, in.Filters, nil)
	if err != nil {
		return nil, err
	}
	return &DescribeRegionsOutput{Regions: all}, nil
}

func (s *Service) regions(everyOne bool) []Region {
	suffix := ".amazonaws.com"
	if s.scope.Partition == "aws-cn" {
		suffix += ".cn"
	}
	var all []Region
	add := func(names []string, status string) {
		for _, n := range names {
			if n == s.scope.Region || arn.PartitionOf(n) == s.scope.Partition {
				all = append(all, Region{RegionName: n, RegionEndpoint: "ec2." + n + suffix, OptInStatus: status})
			}
		}
	}
	add(enabledRegions, "opt-in-not-required")
	if everyOne {
		add(slices.DeleteFunc(slices.Clone(optInRegions), func(n string) bool { return n == s.scope.Region }), "not-opted-in")
	}
	if !slices.Contains(enabledRegions, s.scope.Region) {
		add([]string{s.scope.Region}, "opted-in")
	}
	slices.SortFunc(all, func(a, b Region) int { return strings.Compare(a.RegionName, b.RegionName) })
	return all
}
