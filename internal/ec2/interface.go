package ec2

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// Interface is the record of a network interface (an ENI).
type Interface struct {
	ID       string     `json:"id"`
	VPCID    string     `json:"vpcId"`
	SubnetID string     `json:"subnetId"`
	Zone     string     `json:"zone"`
	IP       netip.Addr `json:"ip"`
	// MAC is in the form 0a:58:….
	MAC         string `json:"mac"`
	Description string `json:"description,omitempty"`
	// Type is interface, nat_gateway, or another of AWS's interface types.
	Type             string            `json:"type"`
	RequesterManaged bool              `json:"requesterManaged,omitempty"`
	SecurityGroups   []string          `json:"securityGroups,omitempty"`
	Tags             map[string]string `json:"tags,omitempty"`
	ClientToken      string            `json:"clientToken,omitempty"`
	CreatedAt        time.Time         `json:"createdAt"`
	// Attachment says what uses the interface; nil while nothing does.
	Attachment *Attachment `json:"attachment,omitempty"`
	// Public is the elastic address that is mapped to the interface.
	Public netip.Addr `json:"public,omitzero"`
}

// Attachment is the use of an interface.
type Attachment struct {
	ID string `json:"id"`
	// Owner is the account or service that the interface is attached for.
	Owner      string    `json:"owner"`
	AttachedAt time.Time `json:"attachedAt"`
}

// ErrNoFreeAddress is wrapped by the refusal of a subnet that is full.
var ErrNoFreeAddress = errors.New("the subnet has no free address")

// InterfaceRequest asks for a network interface.
type InterfaceRequest struct {
	SubnetID    string
	Description string
	// Type is "interface" when empty.
	Type             string
	RequesterManaged bool
	// SecurityGroups is the VPC's default group when empty.
	SecurityGroups []string
	Tags           map[string]string
	// ClientToken makes the request idempotent until the interface is released.
	ClientToken string
	// IP is the wanted address; the zero Addr takes the next free one.
	IP netip.Addr
}

const allocateInterface = "AllocateInterface"

// AllocateInterface takes a free address of a subnet and makes the interface
// that has it, in one transaction: no two interfaces ever share an address. A
// request with a token that was seen before answers the interface that the
// first one made. A full subnet is refused with
// InsufficientFreeAddressesInSubnet, which wraps ErrNoFreeAddress.
func (s *Service) AllocateInterface(ctx context.Context, in InterfaceRequest) (Interface, error) {
	return s.allocate(ctx, in, false)
}

func (s *Service) allocate(ctx context.Context, in InterfaceRequest, dryRun bool) (Interface, error) {
	vpcID, err := s.owner(ctx, kindSubnet, in.SubnetID)
	if err != nil {
		return Interface{}, err
	}
	fresh := s.newInterface(vpcID, in)
	var made Interface
	defer s.locks.lock(in.SubnetID)()
	err = s.update(ctx, dryRun, func(tx *store.Tx) error {
		made = fresh
		old, err := s.replay(tx, allocateInterface, in.ClientToken, in)
		if err != nil {
			return err
		}
		if old != "" {
			made, err = s.interfaceIn(tx, vpcID, old)
			return err
		}
		n, err := s.networkIn(tx, vpcID)
		if err != nil {
			return err
		}
		if made, err = s.attachIn(tx, n, fresh, in.IP); err != nil {
			return err
		}
		return s.remember(tx, allocateInterface, in.ClientToken, made.ID, in)
	})
	return made, err
}

func (s *Service) newInterface(vpcID string, in InterfaceRequest) Interface {
	i := Interface{
		ID: s.ids.Resource(kindInterface.prefix), VPCID: vpcID, SubnetID: in.SubnetID,
		Description: in.Description, Type: in.Type, RequesterManaged: in.RequesterManaged,
		SecurityGroups: in.SecurityGroups, Tags: in.Tags, ClientToken: in.ClientToken, CreatedAt: s.now(),
	}
	if i.Type == "" {
		i.Type = "interface"
	}
	return i
}

// attachIn gives a new interface its address and stores it.
func (s *Service) attachIn(tx *store.Tx, n *network, i Interface, want netip.Addr) (Interface, error) {
	sn, err := n.subnet(i.SubnetID)
	if err != nil {
		return i, err
	}
	if i.SecurityGroups, err = n.groupsFor(i); err != nil {
		return i, err
	}
	p, err := s.poolIn(tx, n.VPC.ID, sn.ID)
	if err != nil {
		return i, err
	}
	if i.IP, err = p.grant(*sn, want); err != nil {
		return i, err
	}
	i.Zone, i.MAC = sn.Zone.Name, macOf(i.ID, i.IP).String()
	p.useGroups(i.SecurityGroups)
	if err := s.records.PutIn(tx, poolKey(n.VPC.ID, sn.ID), record{Pool: p}); err != nil {
		return i, err
	}
	if err := s.records.PutIn(tx, interfaceKey(n.VPC.ID, i.ID), record{Interface: &i}); err != nil {
		return i, err
	}
	return i, s.own(tx, n.VPC.ID, i.ID)
}

// grant takes the wanted address of a subnet, or the next free one.
func (p *pool) grant(sn Subnet, want netip.Addr) (netip.Addr, error) {
	if !want.IsValid() {
		ip, err := p.take(sn.CIDR)
		if errors.Is(err, errPoolEmpty) {
			return ip, fault.New(400, "InsufficientFreeAddressesInSubnet",
				"There are not enough free addresses in subnet '%s' to satisfy the requested number of instances.", sn.ID).Because(ErrNoFreeAddress)
		}
		return ip, err
	}
	err := p.takeThis(sn.CIDR, want)
	switch {
	case errors.Is(err, errAddressTaken):
		return want, fault.New(400, "InvalidIPAddress.InUse", "Address %s is in use.", want)
	case errors.Is(err, errAddressOutside):
		return want, invalidValue("Address %s does not fall within the subnet's address range", want)
	}
	return want, err
}

// groupsFor are the groups of a new interface: those it asks for, or the
// default group. NAT gateways carry none.
func (n *network) groupsFor(i Interface) ([]string, error) {
	if i.Type == natInterfaceType {
		return nil, nil
	}
	if len(i.SecurityGroups) == 0 {
		for _, g := range n.SecurityGroups {
			if g.Name == defaultGroupName {
				return []string{g.ID}, nil
			}
		}
	}
	var ids []string
	for _, id := range i.SecurityGroups {
		g, err := n.group(id)
		if err != nil || g.Closing {
			return nil, kindGroup.notFound(id)
		}
		if !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids, nil
}

// macOf derives a hardware address: locally administered, unicast, and unique
// as far as the identifier's last digit and the address are.
func macOf(id string, ip netip.Addr) net.HardwareAddr {
	b := ip.As4()
	tail := id[len(id)-1]
	return net.HardwareAddr{0x0a, 0x58 ^ tail, b[0], b[1], b[2], b[3]}
}

func (s *Service) interfaceIn(tx *store.Tx, vpcID, id string) (Interface, error) {
	r, err := s.records.GetIn(tx, interfaceKey(vpcID, id))
	if errors.Is(err, store.ErrNotFound) {
		return Interface{}, kindInterface.notFound(id)
	}
	if err != nil {
		return Interface{}, err
	}
	if r.Interface == nil {
		return Interface{}, fmt.Errorf("reading the record of interface %s: it holds no interface", id)
	}
	return *r.Interface, nil
}

// ReleaseInterface removes an interface and frees its address, whoever manages
// it; one that is gone is not an error.
func (s *Service) ReleaseInterface(ctx context.Context, id string) error {
	err := s.release(ctx, id, false, func(Interface) error { return nil })
	if fault.Code(err) == kindInterface.missing {
		return nil
	}
	return err
}

func (s *Service) release(ctx context.Context, id string, dryRun bool, allow func(Interface) error) error {
	vpcID, err := s.owner(ctx, kindInterface, id)
	if err != nil {
		return err
	}
	r, err := s.records.Get(ctx, interfaceKey(vpcID, id))
	if errors.Is(err, store.ErrNotFound) {
		return kindInterface.notFound(id)
	}
	if err != nil {
		return err
	}
	defer s.locks.lock(r.Interface.SubnetID)()
	return s.update(ctx, dryRun, func(tx *store.Tx) error {
		i, err := s.interfaceIn(tx, vpcID, id)
		if err != nil {
			return err
		}
		if err := allow(i); err != nil {
			return err
		}
		return s.releaseIn(tx, i)
	})
}

// releaseIn removes an interface, gives its address back and forgets its token.
func (s *Service) releaseIn(tx *store.Tx, i Interface) error {
	n, err := s.networkIn(tx, i.VPCID)
	if err != nil {
		return err
	}
	sn, err := n.subnet(i.SubnetID)
	if err != nil {
		return err
	}
	p, err := s.poolIn(tx, i.VPCID, i.SubnetID)
	if err != nil {
		return err
	}
	p.giveBack(sn.CIDR, i.IP)
	p.dropGroups(i.SecurityGroups)
	s.records.DeleteIn(tx, interfaceKey(i.VPCID, i.ID))
	s.owners.DeleteIn(tx, i.ID)
	s.dropToken(tx, allocateInterface, i.ClientToken)
	return s.records.PutIn(tx, poolKey(i.VPCID, i.SubnetID), record{Pool: p})
}

// AttachInterface records that an interface is in use on behalf of an owner
// (an account, or a service such as amazon-aws); it is idempotent.
func (s *Service) AttachInterface(ctx context.Context, id, owner string) error {
	a := &Attachment{ID: s.ids.Resource("eni-attach"), Owner: owner, AttachedAt: s.now()}
	return s.changeInterface(ctx, id, func(i *Interface) {
		if i.Attachment == nil {
			i.Attachment = a
		}
	})
}

// DetachInterface records that an interface is no longer in use; it is idempotent.
func (s *Service) DetachInterface(ctx context.Context, id string) error {
	return s.changeInterface(ctx, id, func(i *Interface) { i.Attachment = nil })
}

func (s *Service) changeInterface(ctx context.Context, id string, f func(*Interface)) error {
	vpcID, err := s.owner(ctx, kindInterface, id)
	if err != nil {
		return err
	}
	return s.update(ctx, false, func(tx *store.Tx) error {
		i, err := s.interfaceIn(tx, vpcID, id)
		if err != nil {
			return err
		}
		f(&i)
		return s.records.PutIn(tx, interfaceKey(vpcID, id), record{Interface: &i})
	})
}

// Interface reads one interface.
func (s *Service) Interface(ctx context.Context, id string) (Interface, error) {
	vpcID, err := s.owner(ctx, kindInterface, id)
	if err != nil {
		return Interface{}, err
	}
	r, err := s.records.Get(ctx, interfaceKey(vpcID, id))
	if errors.Is(err, store.ErrNotFound) {
		return Interface{}, kindInterface.notFound(id)
	}
	if err != nil {
		return Interface{}, err
	}
	return *r.Interface, nil
}

// PrivateDNSName is the name of an address inside a region's VPCs.
func PrivateDNSName(region string, ip netip.Addr) string {
	domain := region + ".compute.internal"
	if region == "us-east-1" {
		domain = "ec2.internal"
	}
	return "ip-" + strings.ReplaceAll(ip.String(), ".", "-") + "." + domain
}
