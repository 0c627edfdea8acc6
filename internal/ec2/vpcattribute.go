package ec2

import (
	"context"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// BooleanValue is an attribute that is on or off.
type BooleanValue struct {
	Value bool
}

// ModifyVpcAttributeInput sets one attribute of a VPC.
type ModifyVpcAttributeInput struct {
	EnableDnsHostnames               *BooleanValue
	EnableDnsSupport                 *BooleanValue
	EnableNetworkAddressUsageMetrics *BooleanValue
	VpcId                            string
}

// ModifyVpcAttribute sets exactly one attribute of a VPC.
func (s *Service) ModifyVpcAttribute(ctx context.Context, in *ModifyVpcAttributeInput) (*ReturnOutput, error) {
	if err := requireVPC(in.VpcId); err != nil {
		return nil, err
	}
	given := 0
	for _, v := range []*BooleanValue{in.EnableDnsHostnames, in.EnableDnsSupport, in.EnableNetworkAddressUsageMetrics} {
		if v != nil {
			given++
		}
	}
	switch {
	case given == 0:
		return nil, fault.New(400, "MissingParameter", "The request must contain one of the parameters enableDnsHostnames, enableDnsSupport, enableNetworkAddressUsageMetrics")
	case given > 1:
		return nil, fault.New(400, "InvalidParameterCombination", "Fields for multiple attribute types specified")
	}
	return done(s.change(ctx, in.VpcId, false, func(_ *store.Tx, n *network) error {
		set(&n.VPC.DNSHostnames, in.EnableDnsHostnames)
		set(&n.VPC.DNSSupport, in.EnableDnsSupport)
		set(&n.VPC.NetworkAddressUsageMetric, in.EnableNetworkAddressUsageMetrics)
		return nil
	}))
}

func set(to *bool, from *BooleanValue) {
	if from != nil {
		*to = from.Value
	}
}

// DescribeVpcAttributeInput asks for one attribute of a VPC.
type DescribeVpcAttributeInput struct {
	Attribute string
	DryRun    bool
	VpcId     string
}

// DescribeVpcAttributeOutput holds the attribute that was asked for.
type DescribeVpcAttributeOutput struct {
	VpcId                            string
	EnableDnsHostnames               *BooleanValue
	EnableDnsSupport                 *BooleanValue
	EnableNetworkAddressUsageMetrics *BooleanValue
}

// DescribeVpcAttribute reads one attribute of a VPC.
func (s *Service) DescribeVpcAttribute(ctx context.Context, in *DescribeVpcAttributeInput) (*DescribeVpcAttributeOutput, error) {
	if err := required("vpcId", in.VpcId, "attribute", in.Attribute); err != nil {
		return nil, err
	}
	v, err := s.VPC(ctx, in.VpcId)
	if err != nil {
		return nil, err
	}
	out := &DescribeVpcAttributeOutput{VpcId: in.VpcId}
	switch in.Attribute {
	case "enableDnsHostnames":
		out.EnableDnsHostnames = &BooleanValue{v.DNSHostnames}
	case "enableDnsSupport":
		out.EnableDnsSupport = &BooleanValue{v.DNSSupport}
	case "enableNetworkAddressUsageMetrics":
		out.EnableNetworkAddressUsageMetrics = &BooleanValue{v.NetworkAddressUsageMetric}
	default:
		return nil, invalidValue("Value (%s) for parameter attribute is invalid. Unknown attribute.", in.Attribute)
	}
	if err := refuseDryRun(in.DryRun); err != nil {
		return nil, err
	}
	return out, nil
}
