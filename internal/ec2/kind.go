package ec2

import (
	"regexp"
	"strings"

	"berth.dev/berth/internal/fault"
)

// kind is a kind of resource: the prefix of its identifiers and the refusals
// of one that is not there or not an identifier. AWS's codes follow no single
// spelling, so each is written out.
type kind struct {
	prefix    string
	missing   string // code of an identifier that names nothing
	malformed string // code of a text that is no such identifier
	text      string // message of missing, with the identifier for %s
}

var (
	kindVPC         = kind{"vpc", "InvalidVpcID.NotFound", "InvalidVpcID.Malformed", "The vpc ID '%s' does not exist"}
	kindSubnet      = kind{"subnet", "InvalidSubnetID.NotFound", "InvalidSubnetID.Malformed", "The subnet ID '%s' does not exist"}
	kindGateway     = kind{"igw", "InvalidInternetGatewayID.NotFound", "InvalidInternetGatewayId.Malformed", "The internetGateway ID '%s' does not exist"}
	kindAddress     = kind{"eipalloc", "InvalidAllocationID.NotFound", "InvalidAllocationID.Malformed", "The allocation ID '%s' does not exist"}
	kindNATGateway  = kind{"nat", "NatGatewayNotFound", "NatGatewayMalformed", "The Nat Gateway %s was not found"}
	kindNATTarget   = kind{"nat", "InvalidNatGatewayID.NotFound", "InvalidNatGatewayID.Malformed", "The natGateway ID '%s' does not exist"}
	kindRouteTable  = kind{"rtb", "InvalidRouteTableID.NotFound", "InvalidRouteTableId.Malformed", "The routeTable ID '%s' does not exist"}
	kindAssociation = kind{"rtbassoc", "InvalidAssociationID.NotFound", "InvalidAssociationID.Malformed", "The association ID '%s' does not exist"}
	kindGroup       = kind{"sg", "InvalidGroup.NotFound", "InvalidGroupId.Malformed", "The security group '%s' does not exist"}
	kindRule        = kind{"sgr", "InvalidSecurityGroupRuleId.NotFound", "InvalidSecurityGroupRuleId.Malformed", "The security group rule ID '%s' does not exist"}
	kindInterface   = kind{"eni", "InvalidNetworkInterfaceID.NotFound", "InvalidNetworkInterfaceId.Malformed", "The networkInterface ID '%s' does not exist"}
	kindDHCPOptions = kind{"dopt", "InvalidDhcpOptionID.NotFound", "InvalidDhcpOptionsId.Malformed", "The dhcpOption ID '%s' does not exist"}
)

var identifier = regexp.MustCompile(`^[a-z]+-([0-9a-f]{8}|[0-9a-f]{17})$`)

// check refuses a text that cannot be an identifier of the kind.
func (k kind) check(id string) error {
	if strings.HasPrefix(id, k.prefix+"-") && identifier.MatchString(id) {
		return nil
	}
	return fault.New(400, k.malformed, `Invalid id: "%s" (expecting "%s-...")`, id, k.prefix)
}

func (k kind) notFound(id string) *fault.Error { return fault.New(400, k.missing, k.text, id) }
