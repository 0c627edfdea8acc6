package ec2

import (
	"context"
	"slices"
	"strconv"
)

// DescribeAccountAttributesInput asks for attributes of the account.
type DescribeAccountAttributesInput struct {
	AttributeNames []string `ec2:"AttributeName"`
	DryRun         bool
}

// DescribeAccountAttributesOutput lists attributes of the account.
type DescribeAccountAttributesOutput struct {
	AccountAttributes []AccountAttribute `ec2:"accountAttributeSet"`
}

// AccountAttribute is an attribute of the account.
type AccountAttribute struct {
	AttributeName   string
	AttributeValues []AccountAttributeValue `ec2:"attributeValueSet"`
}

// AccountAttributeValue is one value of an attribute.
type AccountAttributeValue struct {
	AttributeValue string
}

// DescribeAccountAttributes says what the account may do: there are no
// instances and no default VPC, and addresses as many as the pool has.
func (s *Service) DescribeAccountAttributes(_ context.Context, in *DescribeAccountAttributesInput) (*DescribeAccountAttributesOutput, error) {
	if err := refuseDryRun(in.DryRun); err != nil {
		return nil, err
	}
	addresses := strconv.Itoa(len(elasticBlocks) * hostsPerBlock)
	all := []AccountAttribute{}
	names := []string{}
	for _, a := range [][2]string{
		{"supported-platforms", "VPC"},
		{"default-vpc", "none"},
		{"max-instances", "0"},
		{"vpc-max-security-groups-per-interface", "5"},
		{"max-elastic-ips", addresses},
		{"vpc-max-elastic-ips", addresses},
	} {
		names = append(names, a[0])
		if len(in.AttributeNames) == 0 || slices.Contains(in.AttributeNames, a[0]) {
			all = append(all, AccountAttribute{AttributeName: a[0], AttributeValues: []AccountAttributeValue{{a[1]}}})
		}
	}
	for _, n := range in.AttributeNames {
		if !slices.Contains(names, n) {
			return nil, invalidValue("Value (%s) for parameter attributeName is invalid.", n)
		}
	}
	return &DescribeAccountAttributesOutput{AccountAttributes: all}, nil
}
