package ec2client

import (
	"context"
	"encoding/xml"
)

// NATGateway is a NAT gateway.
type NATGateway struct {
	ID             string `xml:"natGatewayId"`
	State          string `xml:"state"`
	FailureCode    string `xml:"failureCode"`
	FailureMessage string `xml:"failureMessage"`
	Tags           []Tag  `xml:"tagSet>item"`
}

// CreateNATGateway makes a public NAT gateway; the same token makes it once.
func (c *Client) CreateNATGateway(ctx context.Context, subnetID, allocationID, token string, tags []Tag) (NATGateway, error) {
	var out struct {
		Gateway NATGateway `xml:"natGateway"`
	}
	p := params{}.set("SubnetId", subnetID).set("AllocationId", allocationID).set("ClientToken", token).tags("natgateway", tags)
	err := c.call(ctx, "CreateNatGateway", p, &out)
	return out.Gateway, err
}

// NATGateways lists NAT gateways.
func (c *Client) NATGateways(ctx context.Context, filters ...Filter) ([]NATGateway, error) {
	return list[NATGateway](ctx, c, "DescribeNatGateways", params{}.filters(filters))
}

// DeleteNATGateway asks for the end of a NAT gateway.
func (c *Client) DeleteNATGateway(ctx context.Context, id string) error {
	return c.call(ctx, "DeleteNatGateway", params{}.set("NatGatewayId", id), nil)
}

// Route is a route of a route table.
type Route struct {
	Destination  string `xml:"destinationCidrBlock"`
	GatewayID    string `xml:"gatewayId"`
	NATGatewayID string `xml:"natGatewayId"`
}

// Association joins a route table and a subnet.
type Association struct {
	ID       string `xml:"routeTableAssociationId"`
	SubnetID string `xml:"subnetId"`
	Main     bool   `xml:"main"`
}

// RouteTable is a route table.
type RouteTable struct {
	ID           string        `xml:"routeTableId"`
	Routes       []Route       `xml:"routeSet>item"`
	Associations []Association `xml:"associationSet>item"`
	Tags         []Tag         `xml:"tagSet>item"`
}

// CreateRouteTable makes a route table.
func (c *Client) CreateRouteTable(ctx context.Context, vpcID string, tags []Tag) (RouteTable, error) {
	var out struct {
		Table RouteTable `xml:"routeTable"`
	}
	err := c.call(ctx, "CreateRouteTable", params{}.set("VpcId", vpcID).tags("route-table", tags), &out)
	return out.Table, err
}

// RouteTables lists route tables.
func (c *Client) RouteTables(ctx context.Context, filters ...Filter) ([]RouteTable, error) {
	return list[RouteTable](ctx, c, "DescribeRouteTables", params{}.filters(filters))
}

// CreateRoute adds a route.
func (c *Client) CreateRoute(ctx context.Context, tableID string, r Route) error {
	p := params{}.set("RouteTableId", tableID).set("DestinationCidrBlock", r.Destination).
		set("GatewayId", r.GatewayID).set("NatGatewayId", r.NATGatewayID)
	return c.call(ctx, "CreateRoute", p, nil)
}

// ReplaceRoute changes where a route leads.
func (c *Client) ReplaceRoute(ctx context.Context, tableID string, r Route) error {
	p := params{}.set("RouteTableId", tableID).set("DestinationCidrBlock", r.Destination).
		set("GatewayId", r.GatewayID).set("NatGatewayId", r.NATGatewayID)
	return c.call(ctx, "ReplaceRoute", p, nil)
}

// AssociateRouteTable makes a subnet use a route table.
func (c *Client) AssociateRouteTable(ctx context.Context, tableID, subnetID string) error {
	return c.call(ctx, "AssociateRouteTable", params{}.set("RouteTableId", tableID).set("SubnetId", subnetID), nil)
}

// DisassociateRouteTable ends an association.
func (c *Client) DisassociateRouteTable(ctx context.Context, associationID string) error {
	return c.call(ctx, "DisassociateRouteTable", params{}.set("AssociationId", associationID), nil)
}

// DeleteRouteTable removes a route table.
func (c *Client) DeleteRouteTable(ctx context.Context, id string) error {
	return c.call(ctx, "DeleteRouteTable", params{}.set("RouteTableId", id), nil)
}

// page is an answer that lists: one set of items, and perhaps where to go on.
type page[T any] struct {
	Items []T
	Next  string
}

// UnmarshalXML takes the items of the one member of the answer that is a set.
func (p *page[T]) UnmarshalXML(d *xml.Decoder, _ xml.StartElement) error {
	for {
		token, err := d.Token()
		if err != nil {
			return err
		}
		switch t := token.(type) {
		case xml.EndElement:
			return nil
		case xml.StartElement:
			if err := p.member(d, t); err != nil {
				return err
			}
		}
	}
}

func (p *page[T]) member(d *xml.Decoder, t xml.StartElement) error {
	switch t.Name.Local {
	case "requestId":
		return d.Skip()
	case "nextToken", "NextToken":
		return d.DecodeElement(&p.Next, &t)
	}
	var set struct {
		Items []T `xml:"item"`
	}
	err := d.DecodeElement(&set, &t)
	p.Items = append(p.Items, set.Items...)
	return err
}

// list follows the pages of an operation that describes.
func list[T any](ctx context.Context, c *Client, op string, p params) ([]T, error) {
	var items []T
	for {
		var out page[T]
		if err := c.call(ctx, op, p, &out); err != nil {
			return nil, err
		}
		items = append(items, out.Items...)
		if out.Next == "" {
			return items, nil
		}
		p.set("NextToken", out.Next)
	}
}
