package ec2

import (
	"context"
	"net/netip"
	"time"

	"berth.dev/berth/internal/fault"
)

// CreateNetworkInterfaceInput asks for a network interface.
type CreateNetworkInterfaceInput struct {
	ClientToken       string
	Description       string
	DryRun            bool
	Groups            []string `ec2:"SecurityGroupId"`
	InterfaceType     string
	PrivateIpAddress  netip.Addr
	SubnetId          string
	TagSpecifications []TagSpecification `ec2:"TagSpecification"`
}

// CreateNetworkInterfaceOutput holds the new interface.
type CreateNetworkInterfaceOutput struct {
	ClientToken      string `ec2:"ClientToken,omitempty"`
	NetworkInterface NetworkInterface
}

// NetworkInterface is a network interface in a response.
type NetworkInterface struct {
	NetworkInterfaceId string
	SubnetId           string
	VpcId              string
	AvailabilityZone   string
	Description        string
	OwnerId            string
	RequesterId        string `ec2:"RequesterId,omitempty"`
	RequesterManaged   bool
	Status             string
	MacAddress         string
	PrivateIpAddress   string
	PrivateDnsName     string `ec2:"PrivateDnsName,omitempty"`
	SourceDestCheck    bool
	Groups             []GroupIdentifier `ec2:"groupSet"`
	Attachment         *NetworkInterfaceAttachment
	Association        *NetworkInterfaceAssociation
	Tags               []Tag                       `ec2:"Tag/tagSet"`
	PrivateIpAddresses []NetworkInterfacePrivateIp `ec2:"privateIpAddressesSet"`
	InterfaceType      string
}

// GroupIdentifier is a group that an interface carries.
type GroupIdentifier struct {
	GroupId   string
	GroupName string
}

// NetworkInterfaceAttachment is the use of an interface.
type NetworkInterfaceAttachment struct {
	AttachmentId        string
	InstanceOwnerId     string
	DeviceIndex         int
	Status              string
	AttachTime          time.Time
	DeleteOnTermination bool
}

// NetworkInterfaceAssociation is the elastic address of an interface.
type NetworkInterfaceAssociation struct {
	PublicIp  string
	IpOwnerId string
}

// NetworkInterfacePrivateIp is an address of an interface.
type NetworkInterfacePrivateIp struct {
	PrivateIpAddress string
	PrivateDnsName   string `ec2:"PrivateDnsName,omitempty"`
	Primary          bool
	Association      *NetworkInterfaceAssociation
}

// CreateNetworkInterface makes an interface with an address of a subnet.
func (s *Service) CreateNetworkInterface(ctx context.Context, in *CreateNetworkInterfaceInput) (*CreateNetworkInterfaceOutput, error) {
	if err := required("subnetId", in.SubnetId); err != nil {
		return nil, err
	}
	if in.InterfaceType != "" && in.InterfaceType != "interface" {
		return nil, unsupported("Network interfaces of the type %s are not supported.", in.InterfaceType)
	}
	tags, err := tagsFor("network-interface", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	request := InterfaceRequest{
		SubnetID: in.SubnetId, Description: in.Description, SecurityGroups: in.Groups,
		Tags: tags, ClientToken: in.ClientToken, IP: in.PrivateIpAddress,
	}
	i, err := s.allocate(ctx, request, in.DryRun)
	if err != nil {
		return nil, err
	}
	v, err := s.view(ctx, i.VPCID)
	if err != nil {
		return nil, err
	}
	return &CreateNetworkInterfaceOutput{ClientToken: in.ClientToken, NetworkInterface: s.interfaceItem(v, i)}, nil
}

// DeleteNetworkInterfaceInput names an interface.
type DeleteNetworkInterfaceInput struct {
	DryRun             bool
	NetworkInterfaceId string
}

// DeleteNetworkInterface removes an interface that nothing uses and that no
// service manages.
func (s *Service) DeleteNetworkInterface(ctx context.Context, in *DeleteNetworkInterfaceInput) (*ReturnOutput, error) {
	if err := required("networkInterfaceId", in.NetworkInterfaceId); err != nil {
		return nil, err
	}
	return done(s.release(ctx, in.NetworkInterfaceId, in.DryRun, func(i Interface) error {
		switch {
		case i.Attachment != nil:
			return fault.New(400, "InvalidNetworkInterface.InUse", "The network interface '%s' is currently in use.", i.ID)
		case i.RequesterManaged:
			return fault.New(400, "OperationNotPermitted", "The network interface '%s' is managed by a service and cannot be deleted.", i.ID)
		}
		return nil
	}))
}

// DescribeNetworkInterfacesInput asks for network interfaces.
type DescribeNetworkInterfacesInput struct {
	DryRun              bool
	Filters             []Filter `ec2:"Filter"`
	MaxResults          *int32
	NetworkInterfaceIds []string `ec2:"NetworkInterfaceId"`
	NextToken           string
}

// DescribeNetworkInterfacesOutput lists network interfaces.
type DescribeNetworkInterfacesOutput struct {
	NetworkInterfaces []NetworkInterface `ec2:"networkInterfaceSet"`
	NextToken         string             `ec2:"NextToken,omitempty"`
}

var interfaceFilters = attributes[NetworkInterface]{
	"network-interface-id": func(i NetworkInterface) []string { return one(i.NetworkInterfaceId) },
	"subnet-id":            func(i NetworkInterface) []string { return one(i.SubnetId) },
	"vpc-id":               func(i NetworkInterface) []string { return one(i.VpcId) },
	"availability-zone":    func(i NetworkInterface) []string { return one(i.AvailabilityZone) },
	"description":          func(i NetworkInterface) []string { return one(i.Description) },
	"owner-id":             func(i NetworkInterface) []string { return one(i.OwnerId) },
	"requester-id":         func(i NetworkInterface) []string { return one(i.RequesterId) },
	"requester-managed":    func(i NetworkInterface) []string { return truth(i.RequesterManaged) },
	"status":               func(i NetworkInterface) []string { return one(i.Status) },
	"mac-address":          func(i NetworkInterface) []string { return one(i.MacAddress) },
	"interface-type":       func(i NetworkInterface) []string { return one(i.InterfaceType) },
	"private-ip-address":   func(i NetworkInterface) []string { return one(i.PrivateIpAddress) },
	"private-dns-name":     func(i NetworkInterface) []string { return one(i.PrivateDnsName) },
	"addresses.private-ip-address": func(i NetworkInterface) []string {
		return each(i.PrivateIpAddresses, func(p NetworkInterfacePrivateIp) string { return p.PrivateIpAddress })
	},
	"group-id": func(i NetworkInterface) []string {
		return each(i.Groups, func(g GroupIdentifier) string { return g.GroupId })
	},
	"group-name": func(i NetworkInterface) []string {
		return each(i.Groups, func(g GroupIdentifier) string { return g.GroupName })
	},
	"attachment.attachment-id": func(i NetworkInterface) []string {
		if i.Attachment == nil {
			return nil
		}
		return one(i.Attachment.AttachmentId)
	},
	"attachment.instance-owner-id": func(i NetworkInterface) []string {
		if i.Attachment == nil {
			return nil
		}
		return one(i.Attachment.InstanceOwnerId)
	},
	"attachment.instance-id": func(NetworkInterface) []string { return nil },
	"attachment.status": func(i NetworkInterface) []string {
		if i.Attachment == nil {
			return nil
		}
		return one(i.Attachment.Status)
	},
}

// DescribeNetworkInterfaces lists network interfaces.
func (s *Service) DescribeNetworkInterfaces(ctx context.Context, in *DescribeNetworkInterfacesInput) (*DescribeNetworkInterfacesOutput, error) {
	views, err := s.views(ctx)
	if err != nil {
		return nil, err
	}
	all := []NetworkInterface{}
	for _, v := range views {
		records, err := s.records.List(ctx, interfacePrefix(v.VPC.ID))
		if err != nil {
			return nil, err
		}
		for _, r := range records {
			if r.Value.Interface != nil {
				all = append(all, s.interfaceItem(v, *r.Value.Interface))
			}
		}
	}
	q := query{in.DryRun, in.NetworkInterfaceIds, in.Filters, in.MaxResults, in.NextToken}
	page, next, err := describe(all, q, kindInterface, func(i NetworkInterface) string { return i.NetworkInterfaceId },
		interfaceFilters, func(i NetworkInterface) []Tag { return i.Tags })
	if err != nil {
		return nil, err
	}
	return &DescribeNetworkInterfacesOutput{NetworkInterfaces: page, NextToken: next}, nil
}

func (s *Service) interfaceItem(v view, i Interface) NetworkInterface {
	item := NetworkInterface{
		NetworkInterfaceId: i.ID, SubnetId: i.SubnetID, VpcId: i.VPCID, AvailabilityZone: i.Zone,
		Description: i.Description, OwnerId: s.scope.Account, RequesterManaged: i.RequesterManaged,
		Status: "available", MacAddress: i.MAC, PrivateIpAddress: i.IP.String(),
		SourceDestCheck: i.Type != natInterfaceType, Groups: []GroupIdentifier{},
		Tags: tagSet(i.Tags), InterfaceType: i.Type,
	}
	if v.network != nil {
		if v.VPC.DNSHostnames {
			item.PrivateDnsName = PrivateDNSName(s.scope.Region, i.IP)
		}
		for _, id := range i.SecurityGroups {
			if g, err := v.group(id); err == nil {
				item.Groups = append(item.Groups, GroupIdentifier{GroupId: id, GroupName: g.Name})
			}
		}
	}
	if a := i.Attachment; a != nil {
		item.Status = "in-use"
		item.Attachment = &NetworkInterfaceAttachment{
			AttachmentId: a.ID, InstanceOwnerId: a.Owner, DeviceIndex: 1, Status: "attached", AttachTime: a.AttachedAt,
		}
	}
	if i.RequesterManaged {
		item.RequesterId = "amazon-aws"
	}
	if i.Public.IsValid() {
		item.Association = &NetworkInterfaceAssociation{PublicIp: i.Public.String(), IpOwnerId: s.scope.Account}
	}
	item.PrivateIpAddresses = []NetworkInterfacePrivateIp{{
		PrivateIpAddress: item.PrivateIpAddress, PrivateDnsName: item.PrivateDnsName, Primary: true, Association: item.Association,
	}}
	return item
}
