package ec2

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// NATState is where a NAT gateway stands; the package comment draws the moves.
type NATState string

const (
	NATPending   NATState = "pending"
	NATAvailable NATState = "available"
	NATFailed    NATState = "failed"
	NATDeleting  NATState = "deleting"
	NATDeleted   NATState = "deleted"
)

// NATGateway is the record of a NAT gateway.
type NATGateway struct {
	ID             string            `json:"id"`
	SubnetID       string            `json:"subnetId"`
	State          NATState          `json:"state"`
	FailureCode    string            `json:"failureCode,omitempty"`
	FailureMessage string            `json:"failureMessage,omitempty"`
	CreatedAt      time.Time         `json:"createdAt"`
	EndedAt        time.Time         `json:"endedAt,omitzero"`
	AllocationID   string            `json:"allocationId"`
	AssociationID  string            `json:"associationId"`
	PublicIP       netip.Addr        `json:"publicIp"`
	InterfaceID    string            `json:"interfaceId"`
	PrivateIP      netip.Addr        `json:"privateIp"`
	Tags           map[string]string `json:"tags,omitempty"`
	ClientToken    string            `json:"clientToken,omitempty"`
}

// ended says whether the gateway holds no address and no interface any more.
func (g NATGateway) ended() bool { return g.State == NATDeleted || g.State == NATFailed }

// forgotten says whether the gateway ended so long ago that AWS shows it no more.
func (g NATGateway) forgotten(now time.Time) bool {
	return g.ended() && now.Sub(g.EndedAt) >= visibleAfterEnd
}

const natInterfaceType = "nat_gateway"

// CreateNatGatewayInput asks for a public NAT gateway.
type CreateNatGatewayInput struct {
	AllocationId      string
	ClientToken       string
	ConnectivityType  string
	DryRun            bool
	PrivateIpAddress  netip.Addr
	SubnetId          string
	TagSpecifications []TagSpecification `ec2:"TagSpecification"`
}

// CreateNatGatewayOutput holds the new gateway.
type CreateNatGatewayOutput struct {
	ClientToken string `ec2:"ClientToken,omitempty"`
	NatGateway  NatGateway
}

// CreateNatGateway makes a NAT gateway with an interface in a subnet and the
// elastic address that is given. It is pending until Reconcile has seen it work.
func (s *Service) CreateNatGateway(ctx context.Context, in *CreateNatGatewayInput) (*CreateNatGatewayOutput, error) {
	tags, err := checkCreateNAT(in)
	if err != nil {
		return nil, err
	}
	fresh := NATGateway{
		ID: s.ids.Resource(kindNATGateway.prefix), SubnetID: in.SubnetId, State: NATPending, CreatedAt: s.now(),
		AllocationID: in.AllocationId, AssociationID: s.ids.Resource("eipassoc"), Tags: tags, ClientToken: in.ClientToken,
	}
	var made NATGateway
	var vpcID string
	eni := s.newInterface("", InterfaceRequest{
		SubnetID: in.SubnetId, Type: natInterfaceType, RequesterManaged: true,
		Description: "Interface for NAT Gateway " + fresh.ID,
	})
	eni.Attachment = &Attachment{ID: s.ids.Resource("ela-attach"), Owner: "amazon-aws", AttachedAt: s.now()}
	defer s.locks.lock("addresses")()
	err = s.changePart(ctx, kindSubnet, in.SubnetId, in.DryRun, func(tx *store.Tx, n *network) error {
		made, vpcID = fresh, n.VPC.ID
		old, err := s.replay(tx, "CreateNatGateway", in.ClientToken, in)
		if err != nil {
			return err
		}
		if g, err := n.natGateway(old); err == nil {
			made = *g
			return nil
		}
		if err := s.buildNAT(tx, n, &made, eni, in.PrivateIpAddress); err != nil {
			return err
		}
		return s.remember(tx, "CreateNatGateway", in.ClientToken, made.ID, in)
	})
	if err != nil {
		return nil, err
	}
	return &CreateNatGatewayOutput{ClientToken: in.ClientToken, NatGateway: natItem(vpcID, made)}, nil
}

func checkCreateNAT(in *CreateNatGatewayInput) (map[string]string, error) {
	switch in.ConnectivityType {
	case "", "public":
	case "private":
		return nil, unsupported("Private NAT gateways are not supported.")
	default:
		return nil, invalidValue("Value (%s) for parameter connectivityType is invalid.", in.ConnectivityType)
	}
	if err := required("subnetId", in.SubnetId, "allocationId", in.AllocationId); err != nil {
		return nil, err
	}
	if err := kindAddress.check(in.AllocationId); err != nil {
		return nil, err
	}
	return tagsFor("natgateway", in.TagSpecifications)
}

// buildNAT joins a gateway, its interface and its elastic address.
func (s *Service) buildNAT(tx *store.Tx, n *network, g *NATGateway, eni Interface, want netip.Addr) error {
	a, err := s.addressIn(tx, g.AllocationID)
	if err != nil {
		return err
	}
	if a.Association != "" {
		return fault.New(400, "Resource.AlreadyAssociated", "Elastic IP address [%s] is already associated", a.ID)
	}
	eni.VPCID, eni.Public = n.VPC.ID, a.PublicIP
	if eni, err = s.attachIn(tx, n, eni, want); err != nil {
		return err
	}
	a.Association, a.InterfaceID, a.PrivateIP = g.AssociationID, eni.ID, eni.IP
	g.PublicIP, g.InterfaceID, g.PrivateIP = a.PublicIP, eni.ID, eni.IP
	n.NATGateways = append(n.NATGateways, *g)
	if err := s.addresses.PutIn(tx, a.ID, a); err != nil {
		return err
	}
	return s.own(tx, n.VPC.ID, g.ID)
}

// DeleteNatGatewayInput names a NAT gateway.
type DeleteNatGatewayInput struct {
	DryRun       bool
	NatGatewayId string
}

// DeleteNatGatewayOutput names the gateway that is being deleted.
type DeleteNatGatewayOutput struct {
	NatGatewayId string
}

// DeleteNatGateway asks for the end of a NAT gateway; it is deleting until
// Reconcile has seen it gone. One that has ended is left as it is.
func (s *Service) DeleteNatGateway(ctx context.Context, in *DeleteNatGatewayInput) (*DeleteNatGatewayOutput, error) {
	if err := required("natGatewayId", in.NatGatewayId); err != nil {
		return nil, err
	}
	err := s.changePart(ctx, kindNATGateway, in.NatGatewayId, in.DryRun, func(_ *store.Tx, n *network) error {
		g, err := n.natGateway(in.NatGatewayId)
		if err != nil {
			return err
		}
		if !g.ended() {
			g.State = NATDeleting
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &DeleteNatGatewayOutput{NatGatewayId: in.NatGatewayId}, nil
}

// Reconcile observes the NAT gateways of a VPC: it asks the Realizer for the
// network that the records describe and writes the states that follow from its
// answer. It fits a work queue that follows VPCsChanged, and returns how long
// to wait before a gateway that has ended can be forgotten.
func (s *Service) Reconcile(ctx context.Context, vpcID string) (again time.Duration, err error) {
	v, err := s.view(ctx, vpcID)
	if err != nil || v.network == nil {
		return 0, err
	}
	moving := map[string]NATState{}
	for _, g := range v.NATGateways {
		if g.State == NATPending || g.State == NATDeleting {
			moving[g.ID] = g.State
		}
		if g.ended() {
			if again = max(time.Second, g.EndedAt.Add(visibleAfterEnd).Sub(s.now())); g.forgotten(s.now()) {
				moving[g.ID] = g.State
			}
		}
	}
	if len(moving) == 0 {
		return again, nil
	}
	if err := s.realizer.Realized(ctx, vpcID, v.Generation); err != nil {
		return 0, err
	}
	now := s.now()
	defer s.locks.lock("addresses")()
	err = s.change(ctx, vpcID, false, func(tx *store.Tx, n *network) error {
		for i := range n.NATGateways {
			if g := &n.NATGateways[i]; moving[g.ID] == g.State {
				if err := s.advance(tx, n, g, now); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if fault.Code(err) == kindVPC.missing {
		return 0, nil
	}
	return again, err
}

// advance moves a gateway whose present state has been applied.
func (s *Service) advance(tx *store.Tx, n *network, g *NATGateway, now time.Time) error {
	switch {
	case g.State == NATPending && n.InternetGateway == "":
		g.State, g.EndedAt = NATFailed, now
		g.FailureCode = "Gateway.NotAttached"
		g.FailureMessage = "Network " + n.VPC.ID + " has no Internet gateway attached"
	case g.State == NATPending:
		g.State = NATAvailable
		return nil
	case g.State == NATDeleting:
		g.State, g.EndedAt = NATDeleted, now
	default:
		return nil
	}
	return s.dismantle(tx, *g)
}

// dismantle frees what a gateway held.
func (s *Service) dismantle(tx *store.Tx, g NATGateway) error {
	vpcID, err := s.owners.GetIn(tx, g.InterfaceID)
	if err != nil {
		return err
	}
	eni, err := s.interfaceIn(tx, vpcID, g.InterfaceID)
	if err != nil {
		return err
	}
	if err := s.releaseIn(tx, eni); err != nil {
		return err
	}
	a, err := s.addressIn(tx, g.AllocationID)
	if err != nil {
		return err
	}
	a.Association, a.InterfaceID, a.PrivateIP = "", "", netip.Addr{}
	return s.addresses.PutIn(tx, a.ID, a)
}

// natFor is the gateway that a route may lead to.
func (n *network) natFor(id string) error {
	if !slices.ContainsFunc(n.NATGateways, func(g NATGateway) bool { return g.ID == id && !g.ended() && g.State != NATDeleting }) {
		return kindNATTarget.notFound(id)
	}
	return nil
}
