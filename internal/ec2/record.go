package ec2

import (
	"slices"
	"strings"
	"time"
)

// record is one record under a VPC: exactly one member is set.
type record struct {
	Network   *network   `json:"network,omitempty"`
	Pool      *pool      `json:"pool,omitempty"`
	Interface *Interface `json:"interface,omitempty"`
}

// network is the document of a VPC: everything in it but its interfaces and
// the pools of its subnets. Lists are in order of creation.
type network struct {
	// Generation counts the writes of the document.
	Generation      int64           `json:"generation"`
	VPC             VPC             `json:"vpc"`
	InternetGateway string          `json:"internetGateway,omitempty"`
	Subnets         []Subnet        `json:"subnets,omitempty"`
	RouteTables     []RouteTable    `json:"routeTables,omitempty"`
	NATGateways     []NATGateway    `json:"natGateways,omitempty"`
	SecurityGroups  []SecurityGroup `json:"securityGroups,omitempty"`
}

func documentKey(vpcID string) string               { return vpcID + "/net/vpc" }
func poolPrefix(vpcID string) string                { return vpcID + "/net/pool/" }
func poolKey(vpcID, subnetID string) string         { return poolPrefix(vpcID) + subnetID }
func interfacePrefix(vpcID string) string           { return vpcID + "/eni/" }
func interfaceKey(vpcID, interfaceID string) string { return interfacePrefix(vpcID) + interfaceID }

// vpcOfKey is the VPC of a record's key.
func vpcOfKey(key string) string {
	vpcID, _, _ := strings.Cut(key, "/")
	return vpcID
}

func isPoolKey(key string) bool { return strings.Contains(key, "/net/pool/") }

// visibleAfterEnd is how long AWS goes on showing a NAT gateway that has ended.
const visibleAfterEnd = time.Hour

// prune drops the NAT gateways that have ended long ago and returns them.
func (n *network) prune(now time.Time) (gone []NATGateway) {
	n.NATGateways = slices.DeleteFunc(n.NATGateways, func(g NATGateway) bool {
		if !g.forgotten(now) {
			return false
		}
		gone = append(gone, g)
		return true
	})
	return gone
}

func (n *network) subnet(id string) (*Subnet, error) {
	return find(n.Subnets, id, kindSubnet, func(s *Subnet) string { return s.ID })
}

func (n *network) routeTable(id string) (*RouteTable, error) {
	return find(n.RouteTables, id, kindRouteTable, func(t *RouteTable) string { return t.ID })
}

func (n *network) natGateway(id string) (*NATGateway, error) {
	return find(n.NATGateways, id, kindNATGateway, func(g *NATGateway) string { return g.ID })
}

func (n *network) group(id string) (*SecurityGroup, error) {
	return find(n.SecurityGroups, id, kindGroup, func(g *SecurityGroup) string { return g.ID })
}

func find[T any](in []T, id string, k kind, idOf func(*T) string) (*T, error) {
	for i := range in {
		if idOf(&in[i]) == id {
			return &in[i], nil
		}
	}
	return nil, k.notFound(id)
}
