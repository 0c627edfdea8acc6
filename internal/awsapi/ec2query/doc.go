// Package ec2query is the wire format of the EC2 API (protocol ec2Query): it
// decodes form parameters into Go structs and encodes Go structs as XML, both
// by reflection. It routes nothing, authenticates nothing and imports no
// domain package; internal/awsapi alone imports it.
//
// # How a Go struct becomes parameters and XML
//
// Request and response shapes are plain structs; a field's wire name is its Go
// name unless a tag says otherwise:
//
//	ec2:"Name"            the wire name, in requests and in responses
//	ec2:"Name/other"      Name in requests, other in responses
//	ec2:"Name,required"   MissingParameter when a request does not carry it
//	ec2:"Name,omitempty"  a zero value is left out of the response
//	ec2:"-"               the field never crosses the wire
//
// The first letter follows the direction by itself: a request reads VpcId, a
// response writes vpcId, so that one struct can serve both.
//
//	type DescribeSubnetsInput struct {
//		DryRun     *bool
//		SubnetIds  []string `ec2:"SubnetId"` // SubnetId.1=subnet-0a…
//		Filters    []Filter `ec2:"Filter"`   // Filter.1.Name=vpc-id&Filter.1.Value.1=vpc-0b…
//		MaxResults *int32
//	}
//	type Filter struct {
//		Name   string
//		Values []string `ec2:"Value"`
//	}
//	type DescribeSubnetsOutput struct {
//		Subnets   []Subnet `ec2:"subnetSet"` // <subnetSet><item>…</item></subnetSet>
//		NextToken *string  // <nextToken>
//	}
//	type Subnet struct {
//		SubnetId  string         // <subnetId>
//		CidrBlock netip.Prefix   // <cidrBlock>, by MarshalText
//		Tags      []Tag          `ec2:"Tag/tagSet"`
//	}
//
// Lists of scalars or structs are flattened in requests (Name.1, Name.2.Key;
// numbers need not be contiguous, their order counts) and wrapped in responses
// (<name><item>…</item></name>). Nested structs are Name.Member in requests
// and nested elements in responses; embedded structs add their fields to the
// outer one.
//
// Field types: strings (named ones too, such as enums), bool, signed and
// unsigned integers, floats, []byte (base64), time.Time (ISO-8601, written in
// UTC with milliseconds and Z), anything with encoding.TextMarshaler and
// TextUnmarshaler (arn.ARN, netip.Addr), structs, slices of those, and
// pointers to those. A pointer is an optional member: nil when the request
// does not carry it, left out of a response when nil. An empty slice is written
// as <name/>; so is a nil one in the response struct itself, since AWS always
// answers a Describe with its list, while deeper down a nil slice is left out.
// Any other type is reported when the server is built, not when a request comes.
//
// A response struct without fields becomes <return>true</return>.
//
// # Refusals
//
// A value that does not parse is InvalidParameterValue (400), an absent
// required member MissingParameter (400); parameters that no field claims are
// ignored, as are Action and Version. A nil pointer and an absent parameter
// are the same thing; an empty parameter is present and empty.
package ec2query
