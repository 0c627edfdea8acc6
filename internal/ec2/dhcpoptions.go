package ec2

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// dhcpOptionsID names the one set of options of a region, which every VPC has;
// it is derived, so that no record is needed.
func (s *Service) dhcpOptionsID() string {
	sum := sha256.Sum256([]byte(s.scope.Account + "/" + s.scope.Region))
	return kindDHCPOptions.prefix + "-0" + hex.EncodeToString(sum[:8])
}

// DescribeDhcpOptionsInput asks for sets of DHCP options.
type DescribeDhcpOptionsInput struct {
	DhcpOptionsIds []string `ec2:"DhcpOptionsId"`
	DryRun         bool
	Filters        []Filter `ec2:"Filter"`
	MaxResults     *int32
	NextToken      string
}

// DescribeDhcpOptionsOutput lists sets of DHCP options.
type DescribeDhcpOptionsOutput struct {
	DhcpOptions []DhcpOptions `ec2:"dhcpOptionsSet"`
	NextToken   string        `ec2:"NextToken,omitempty"`
}

// DhcpOptions is a set of DHCP options in a response.
type DhcpOptions struct {
	DhcpOptionsId        string
	OwnerId              string
	DhcpConfigurationSet []DhcpConfiguration
	Tags                 []Tag `ec2:"Tag/tagSet"`
}

// DhcpConfiguration is one option.
type DhcpConfiguration struct {
	Key    string
	Values []DhcpValue `ec2:"valueSet"`
}

// DhcpValue is a value of an option.
type DhcpValue struct {
	Value string
}

var dhcpFilters = attributes[DhcpOptions]{
	"dhcp-options-id": func(d DhcpOptions) []string { return one(d.DhcpOptionsId) },
	"owner-id":        func(d DhcpOptions) []string { return one(d.OwnerId) },
	"key": func(d DhcpOptions) []string {
		return each(d.DhcpConfigurationSet, func(c DhcpConfiguration) string { return c.Key })
	},
}

// DescribeDhcpOptions lists the region's one set: Amazon's resolver and domain.
func (s *Service) DescribeDhcpOptions(_ context.Context, in *DescribeDhcpOptionsInput) (*DescribeDhcpOptionsOutput, error) {
	domain := s.scope.Region + ".compute.internal"
	if s.scope.Region == "us-east-1" {
		domain = "ec2.internal"
	}
	all := []DhcpOptions{{
		DhcpOptionsId: s.dhcpOptionsID(), OwnerId: s.scope.Account, Tags: []Tag{},
		DhcpConfigurationSet: []DhcpConfiguration{
			{Key: "domain-name", Values: []DhcpValue{{domain}}},
			{Key: "domain-name-servers", Values: []DhcpValue{{"AmazonProvidedDNS"}}},
		},
	}}
	q := query{in.DryRun, in.DhcpOptionsIds, in.Filters, in.MaxResults, in.NextToken}
	page, next, err := describe(all, q, kindDHCPOptions, func(d DhcpOptions) string { return d.DhcpOptionsId }, dhcpFilters, func(d DhcpOptions) []Tag { return d.Tags })
	if err != nil {
		return nil, err
	}
	return &DescribeDhcpOptionsOutput{DhcpOptions: page, NextToken: next}, nil
}
