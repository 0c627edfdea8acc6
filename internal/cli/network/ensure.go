package network

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/clusterconfig"
	"berth.dev/berth/internal/cli/ec2client"
)

const everywhere = "0.0.0.0/0"

// Network is what a cluster needs of its network.
type Network struct {
	VPC             string
	Public, Private []string
}

// Builder makes and removes networks.
type Builder struct {
	EC2      *ec2client.Client
	Terminal *cli.Terminal
	Log      *cli.Log
}

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// build is one run of Ensure.
type build struct {
	Builder
	Plan
	vpc, igw string
	zones    []zone
	// public and private are subnets by zone.
	public, private map[string]string
	nat             map[string]string
}

// Ensure makes what of a network is missing and returns once all of it works.
func (b Builder) Ensure(ctx context.Context, p Plan) (Network, error) {
	zones, err := layout(p.CIDR, p.Zones)
	if err != nil {
		return Network{}, err
	}
	r := &build{Builder: b, Plan: p, zones: zones, public: map[string]string{}, private: map[string]string{}, nat: map[string]string{}}
	for _, z := range zones {
		b.Log.Infof("subnets for %s - public:%s private:%s", z.name, z.public, z.private)
	}
	for _, step := range []func(context.Context) error{r.ensureVPC, r.ensureInternetGateway, r.ensureSubnets, r.ensureNAT, r.ensurePublicRoutes, r.ensurePrivateRoutes} {
		if err := step(ctx); err != nil {
			return Network{}, err
		}
	}
	n := Network{VPC: r.vpc}
	for _, z := range zones {
		n.Public, n.Private = append(n.Public, r.public[z.name]), append(n.Private, r.private[z.name])
	}
	return n, nil
}

func (r *build) ensureVPC(ctx context.Context) error {
	found, err := r.EC2.VPCs(ctx, r.find("VPC")...)
	if err != nil {
		return fmt.Errorf("looking for the VPC of cluster %q: %w", r.Cluster, err)
	}
	if len(found) > 0 {
		r.vpc = found[0].ID
		if found[0].CIDR != r.CIDR {
			return fmt.Errorf("the VPC %s of cluster %q has the block %s, not %s: delete the cluster first", r.vpc, r.Cluster, found[0].CIDR, r.CIDR)
		}
		r.Log.Infof("using VPC %q of an earlier run", r.vpc)
	} else {
		v, err := r.EC2.CreateVPC(ctx, r.CIDR, r.named("VPC"))
		if err != nil {
			return fmt.Errorf("creating the VPC of cluster %q: %w", r.Cluster, err)
		}
		r.vpc = v.ID
		r.Log.Infof("created VPC %q (%s)", r.vpc, r.CIDR)
	}
	for _, attribute := range []string{"EnableDnsSupport", "EnableDnsHostnames"} {
		if err := r.EC2.SetVPCAttribute(ctx, r.vpc, attribute, true); err != nil {
			return fmt.Errorf("setting %s of %s: %w", attribute, r.vpc, err)
		}
	}
	return nil
}

func (r *build) ensureInternetGateway(ctx context.Context) error {
	found, err := r.EC2.InternetGateways(ctx, r.find("InternetGateway")...)
	if err != nil {
		return fmt.Errorf("looking for the internet gateway of cluster %q: %w", r.Cluster, err)
	}
	var g ec2client.InternetGateway
	if len(found) > 0 {
		g = found[0]
	} else if g, err = r.EC2.CreateInternetGateway(ctx, r.named("InternetGateway")); err != nil {
		return fmt.Errorf("creating the internet gateway of cluster %q: %w", r.Cluster, err)
	}
	r.igw = g.ID
	if slices.Contains(g.VPCs, r.vpc) {
		return nil
	}
	if err := r.EC2.AttachInternetGateway(ctx, g.ID, r.vpc); err != nil {
		return fmt.Errorf("attaching %s to %s: %w", g.ID, r.vpc, err)
	}
	return nil
}

func (r *build) ensureSubnets(ctx context.Context) error {
	for _, z := range r.zones {
		id, err := r.ensureSubnet(ctx, "SubnetPublic"+z.suffix(), z.name, z.public, "kubernetes.io/role/elb")
		if err != nil {
			return err
		}
		if err := r.EC2.MapPublicIPs(ctx, id); err != nil {
			return fmt.Errorf("setting MapPublicIpOnLaunch of %s: %w", id, err)
		}
		r.public[z.name] = id
		if r.private[z.name], err = r.ensureSubnet(ctx, "SubnetPrivate"+z.suffix(), z.name, z.private, "kubernetes.io/role/internal-elb"); err != nil {
			return err
		}
	}
	r.Log.Infof("subnets ready - public:%v private:%v", slices.Sorted(maps.Values(r.public)), slices.Sorted(maps.Values(r.private)))
	return nil
}

func (r *build) ensureSubnet(ctx context.Context, name, zoneName, cidr, role string) (string, error) {
	found, err := r.EC2.Subnets(ctx, r.find(name)...)
	if err != nil {
		return "", fmt.Errorf("looking for subnet %s: %w", name, err)
	}
	if len(found) > 0 {
		return found[0].ID, nil
	}
	s, err := r.EC2.CreateSubnet(ctx, ec2client.Subnet{
		VPCID: r.vpc, CIDR: cidr, Zone: zoneName, Tags: r.named(name, ec2client.Tag{Key: role, Value: "1"}),
	})
	if err != nil {
		return "", fmt.Errorf("creating subnet %s (%s in %s): %w", name, cidr, zoneName, err)
	}
	return s.ID, nil
}

// ensureNAT makes the NAT gateways and waits until they are available.
func (r *build) ensureNAT(ctx context.Context) error {
	for _, z := range r.nats(r.zones) {
		suffix := ""
		if r.NAT == clusterconfig.NATHighlyAvailable {
			suffix = z.suffix()
		}
		id, err := r.ensureNATGateway(ctx, suffix, r.public[z.name])
		if err != nil {
			return err
		}
		r.nat[z.name] = id
	}
	for _, id := range slices.Sorted(maps.Values(r.nat)) {
		err := r.Terminal.Until(ctx, r.Log, fmt.Sprintf("NAT gateway %q to become available", id), func(ctx context.Context) (bool, error) {
			return r.natAvailable(ctx, id)
		})
		if err != nil {
			return err
		}
		r.Log.Infof("NAT gateway %q is available", id)
	}
	return nil
}

func (r *build) natAvailable(ctx context.Context, id string) (bool, error) {
	found, err := r.EC2.NATGateways(ctx, ec2client.Filter{Name: "nat-gateway-id", Values: []string{id}})
	if err != nil {
		return false, fmt.Errorf("describing NAT gateway %s: %w", id, err)
	}
	if len(found) == 0 {
		return false, fmt.Errorf("NAT gateway %s is gone", id)
	}
	switch g := found[0]; g.State {
	case "available":
		return true, nil
	case "pending":
		return false, nil
	default:
		return false, fmt.Errorf("NAT gateway %s is %s: %s %s", id, g.State, g.FailureCode, g.FailureMessage)
	}
}

func (r *build) ensureNATGateway(ctx context.Context, suffix, subnet string) (string, error) {
	filters := append(r.find("NATGateway"+suffix), ec2client.Filter{Name: "state", Values: []string{"pending", "available"}})
	found, err := r.EC2.NATGateways(ctx, filters...)
	if err != nil {
		return "", fmt.Errorf("looking for NAT gateway %s: %w", "NATGateway"+suffix, err)
	}
	if len(found) > 0 {
		return found[0].ID, nil
	}
	address, err := r.ensureAddress(ctx, "NATIP"+suffix)
	if err != nil {
		return "", err
	}
	g, err := r.EC2.CreateNATGateway(ctx, subnet, address, "", r.named("NATGateway"+suffix))
	if err != nil {
		return "", fmt.Errorf("creating NAT gateway in %s: %w", subnet, err)
	}
	return g.ID, nil
}

func (r *build) ensureAddress(ctx context.Context, name string) (string, error) {
	found, err := r.EC2.Addresses(ctx, r.find(name)...)
	if err != nil {
		return "", fmt.Errorf("looking for elastic address %s: %w", name, err)
	}
	if len(found) > 0 {
		return found[0].ID, nil
	}
	a, err := r.EC2.AllocateAddress(ctx, r.named(name))
	if err != nil {
		return "", fmt.Errorf("allocating elastic address %s: %w", name, err)
	}
	return a.ID, nil
}

func (r *build) ensurePublicRoutes(ctx context.Context) error {
	subnets := make([]string, 0, len(r.zones))
	for _, z := range r.zones {
		subnets = append(subnets, r.public[z.name])
	}
	return r.ensureTable(ctx, "PublicRouteTable", ec2client.Route{Destination: everywhere, GatewayID: r.igw}, subnets)
}

func (r *build) ensurePrivateRoutes(ctx context.Context) error {
	for _, z := range r.zones {
		nat := r.nat[z.name]
		if nat == "" {
			nat = r.nat[r.zones[0].name]
		}
		err := r.ensureTable(ctx, "PrivateRouteTable"+z.suffix(), ec2client.Route{Destination: everywhere, NATGatewayID: nat}, []string{r.private[z.name]})
		if err != nil {
			return err
		}
	}
	return nil
}

// ensureTable makes a route table with a default route, unless that leads
// nowhere, and joins it to subnets.
func (r *build) ensureTable(ctx context.Context, name string, route ec2client.Route, subnets []string) error {
	found, err := r.EC2.RouteTables(ctx, r.find(name)...)
	if err != nil {
		return fmt.Errorf("looking for route table %s: %w", name, err)
	}
	var t ec2client.RouteTable
	if len(found) > 0 {
		t = found[0]
	} else if t, err = r.EC2.CreateRouteTable(ctx, r.vpc, r.named(name)); err != nil {
		return fmt.Errorf("creating route table %s: %w", name, err)
	}
	if err := r.ensureRoute(ctx, t, route); err != nil {
		return fmt.Errorf("routing %s from %s: %w", route.Destination, t.ID, err)
	}
	for _, subnet := range subnets {
		if slices.ContainsFunc(t.Associations, func(a ec2client.Association) bool { return a.SubnetID == subnet }) {
			continue
		}
		if err := r.EC2.AssociateRouteTable(ctx, t.ID, subnet); err != nil {
			return fmt.Errorf("associating %s with %s: %w", t.ID, subnet, err)
		}
	}
	return nil
}

func (r *build) ensureRoute(ctx context.Context, t ec2client.RouteTable, want ec2client.Route) error {
	if want.GatewayID == "" && want.NATGatewayID == "" {
		return nil
	}
	for _, have := range t.Routes {
		if have == want {
			return nil
		}
		if have.Destination == want.Destination {
			return r.EC2.ReplaceRoute(ctx, t.ID, want)
		}
	}
	return r.EC2.CreateRoute(ctx, t.ID, want)
}
