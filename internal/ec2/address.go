package ec2

import (
	"context"
	"errors"
	"net/netip"
	"slices"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// address is the record of an elastic address.
type address struct {
	ID       string            `json:"id"`
	PublicIP netip.Addr        `json:"publicIp"`
	Tags     map[string]string `json:"tags,omitempty"`
	// Association is empty while the address is free.
	Association string     `json:"association,omitempty"`
	InterfaceID string     `json:"interfaceId,omitempty"`
	PrivateIP   netip.Addr `json:"privateIp,omitzero"`
}

// elasticBlocks are where elastic addresses come from: the blocks that are set
// aside for documentation, so that none belongs to anybody. What leaves through
// a NAT gateway does so with the host's own address.
var elasticBlocks = []netip.Prefix{
	netip.MustParsePrefix("203.0.113.0/24"),
	netip.MustParsePrefix("198.51.100.0/24"),
	netip.MustParsePrefix("192.0.2.0/24"),
}

// hostsPerBlock leaves out a block's first and last address.
const hostsPerBlock = 254

func elasticAddress(i int) netip.Addr {
	return addressAt(elasticBlocks[i/hostsPerBlock], 1+i%hostsPerBlock)
}

// elasticIndex is the inverse of elasticAddress, -1 for a stranger.
func elasticIndex(a netip.Addr) int {
	b := slices.IndexFunc(elasticBlocks, func(b netip.Prefix) bool { return b.Contains(a) })
	if b < 0 {
		return -1
	}
	return b*hostsPerBlock + int(a.As4()[3]) - 1
}

// AllocateAddressInput asks for an elastic address.
type AllocateAddressInput struct {
	Domain             string
	DryRun             bool
	NetworkBorderGroup string
	TagSpecifications  []TagSpecification `ec2:"TagSpecification"`
}

// AllocateAddressOutput holds the new address.
type AllocateAddressOutput struct {
	PublicIp           string
	AllocationId       string
	PublicIpv4Pool     string
	Domain             string
	NetworkBorderGroup string
}

// AllocateAddress takes an elastic address out of the pool.
func (s *Service) AllocateAddress(ctx context.Context, in *AllocateAddressInput) (*AllocateAddressOutput, error) {
	switch in.Domain {
	case "", "vpc":
	case "standard":
		return nil, unsupported("EC2-Classic is not supported; the domain must be vpc.")
	default:
		return nil, invalidValue("Value (%s) for parameter domain is invalid.", in.Domain)
	}
	tags, err := tagsFor("elastic-ip", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	a := address{ID: s.ids.Resource(kindAddress.prefix), Tags: tags}
	defer s.locks.lock("addresses")()
	err = s.update(ctx, in.DryRun, func(tx *store.Tx) error {
		p, err := s.elasticPoolIn(tx)
		if err != nil {
			return err
		}
		i, err := p.takeNext(0, len(elasticBlocks)*hostsPerBlock)
		if errors.Is(err, errPoolEmpty) {
			return fault.New(400, "AddressLimitExceeded", "The maximum number of addresses has been reached.")
		}
		if err != nil {
			return err
		}
		a.PublicIP = elasticAddress(i)
		if err := s.elastic.PutIn(tx, "pool", p); err != nil {
			return err
		}
		return s.addresses.PutIn(tx, a.ID, a)
	})
	if err != nil {
		return nil, err
	}
	return &AllocateAddressOutput{
		PublicIp: a.PublicIP.String(), AllocationId: a.ID, PublicIpv4Pool: "amazon",
		Domain: "vpc", NetworkBorderGroup: s.scope.Region,
	}, nil
}

func (s *Service) elasticPoolIn(tx *store.Tx) (pool, error) {
	p, err := s.elastic.GetIn(tx, "pool")
	if errors.Is(err, store.ErrNotFound) {
		return pool{}, nil
	}
	return p, err
}

func (s *Service) addressIn(tx *store.Tx, id string) (address, error) {
	a, err := s.addresses.GetIn(tx, id)
	if errors.Is(err, store.ErrNotFound) {
		return a, kindAddress.notFound(id)
	}
	return a, err
}

// ReleaseAddressInput names an elastic address.
type ReleaseAddressInput struct {
	AllocationId       string
	DryRun             bool
	NetworkBorderGroup string
	PublicIp           string
}

// ReleaseAddress gives an elastic address back that nothing uses.
func (s *Service) ReleaseAddress(ctx context.Context, in *ReleaseAddressInput) (*ReturnOutput, error) {
	if in.AllocationId == "" && in.PublicIp != "" {
		return nil, invalidValue("You must specify an allocation id when releasing a VPC elastic IP address")
	}
	if err := required("allocationId", in.AllocationId); err != nil {
		return nil, err
	}
	if err := kindAddress.check(in.AllocationId); err != nil {
		return nil, err
	}
	defer s.locks.lock("addresses")()
	return done(s.update(ctx, in.DryRun, func(tx *store.Tx) error {
		a, err := s.addressIn(tx, in.AllocationId)
		if err != nil {
			return err
		}
		if a.Association != "" {
			return fault.New(400, "InvalidIPAddress.InUse", "Address %s is in use.", a.PublicIP)
		}
		p, err := s.elasticPoolIn(tx)
		if err != nil {
			return err
		}
		if i := elasticIndex(a.PublicIP); i >= 0 {
			p.clear(i)
		}
		s.addresses.DeleteIn(tx, a.ID)
		return s.elastic.PutIn(tx, "pool", p)
	}))
}

// DescribeAddressesInput asks for elastic addresses.
type DescribeAddressesInput struct {
	AllocationIds []string `ec2:"AllocationId"`
	DryRun        bool
	Filters       []Filter `ec2:"Filter"`
	PublicIps     []string `ec2:"PublicIp"`
}

// DescribeAddressesOutput lists elastic addresses.
type DescribeAddressesOutput struct {
	Addresses []Address `ec2:"addressesSet"`
}

// Address is an elastic address in a response.
type Address struct {
	PublicIp                string
	AllocationId            string
	Domain                  string
	AssociationId           string `ec2:"AssociationId,omitempty"`
	NetworkInterfaceId      string `ec2:"NetworkInterfaceId,omitempty"`
	NetworkInterfaceOwnerId string `ec2:"NetworkInterfaceOwnerId,omitempty"`
	PrivateIpAddress        string `ec2:"PrivateIpAddress,omitempty"`
	PublicIpv4Pool          string
	NetworkBorderGroup      string
	Tags                    []Tag `ec2:"Tag/tagSet"`
}

var addressFilters = attributes[Address]{
	"allocation-id":              func(a Address) []string { return one(a.AllocationId) },
	"association-id":             func(a Address) []string { return one(a.AssociationId) },
	"domain":                     func(a Address) []string { return one(a.Domain) },
	"instance-id":                func(Address) []string { return nil },
	"network-border-group":       func(a Address) []string { return one(a.NetworkBorderGroup) },
	"network-interface-id":       func(a Address) []string { return one(a.NetworkInterfaceId) },
	"network-interface-owner-id": func(a Address) []string { return one(a.NetworkInterfaceOwnerId) },
	"private-ip-address":         func(a Address) []string { return one(a.PrivateIpAddress) },
	"public-ip":                  func(a Address) []string { return one(a.PublicIp) },
}

// DescribeAddresses lists elastic addresses.
func (s *Service) DescribeAddresses(ctx context.Context, in *DescribeAddressesInput) (*DescribeAddressesOutput, error) {
	records, err := s.addresses.List(ctx, "")
	if err != nil {
		return nil, err
	}
	all := []Address{}
	for _, r := range records {
		all = append(all, s.addressItem(r.Value))
	}
	for _, ip := range in.PublicIps {
		if !slices.ContainsFunc(all, func(a Address) bool { return a.PublicIp == ip }) {
			return nil, fault.New(400, "InvalidAddress.NotFound", "Address '%s' not found.", ip)
		}
	}
	if len(in.PublicIps) > 0 {
		all = slices.DeleteFunc(all, func(a Address) bool { return !slices.Contains(in.PublicIps, a.PublicIp) })
	}
	q := query{dryRun: in.DryRun, ids: in.AllocationIds, filters: in.Filters}
	all, _, err = describe(all, q, kindAddress, func(a Address) string { return a.AllocationId }, addressFilters, func(a Address) []Tag { return a.Tags })
	if err != nil {
		return nil, err
	}
	return &DescribeAddressesOutput{Addresses: all}, nil
}

func (s *Service) addressItem(a address) Address {
	item := Address{
		PublicIp: a.PublicIP.String(), AllocationId: a.ID, Domain: "vpc", PublicIpv4Pool: "amazon",
		NetworkBorderGroup: s.scope.Region, Tags: tagSet(a.Tags),
	}
	if a.Association != "" {
		item.AssociationId, item.NetworkInterfaceId = a.Association, a.InterfaceID
		item.NetworkInterfaceOwnerId, item.PrivateIpAddress = s.scope.Account, a.PrivateIP.String()
	}
	return item
}
