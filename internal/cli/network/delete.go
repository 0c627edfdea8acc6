package network

import (
	"context"
	"fmt"
	"strings"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/ec2client"
)

// Delete removes everything that carries a cluster's tag and waits until it is
// gone; it says whether there was anything. What is gone already is no error.
func (b Builder) Delete(ctx context.Context, cluster string) (bool, error) {
	r := &removal{Builder: b, cluster: cluster, tag: ec2client.TagFilter(ClusterTag, cluster)}
	for _, step := range []func(context.Context) error{
		r.deleteNATGateways, r.releaseAddresses, r.deleteRouteTables, r.deleteSubnets, r.deleteInternetGateways, r.deleteVPCs,
	} {
		if err := step(ctx); err != nil {
			return r.any, err
		}
	}
	return r.any, nil
}

type removal struct {
	Builder
	cluster string
	tag     ec2client.Filter
	any     bool
}

// remove calls remove until nothing depends on the thing any more.
func (r *removal) remove(ctx context.Context, what, id string, remove func(context.Context) error) error {
	return r.until(ctx, "deleted "+what, id, remove)
}

// until calls change until nothing stands in its way, and then says done.
func (r *removal) until(ctx context.Context, done, id string, change func(context.Context) error) error {
	r.any = true
	_, what, _ := strings.Cut(done, " ")
	return r.Terminal.Until(ctx, r.Log, fmt.Sprintf("%s %q to be free", what, id), func(ctx context.Context) (bool, error) {
		err := change(ctx)
		switch {
		case err == nil, cli.NotFound(err):
			r.Log.Infof("%s %q", done, id)
			return true, nil
		case cli.Code(err) == "DependencyViolation", cli.Code(err) == "InvalidIPAddress.InUse":
			return false, nil
		default:
			return false, fmt.Errorf("removing %s %s: %w", what, id, err)
		}
	})
}

func (r *removal) deleteNATGateways(ctx context.Context) error {
	living := ec2client.Filter{Name: "state", Values: []string{"pending", "available", "deleting"}}
	all, err := r.EC2.NATGateways(ctx, r.tag, living)
	if err != nil {
		return fmt.Errorf("looking for the NAT gateways of cluster %q: %w", r.cluster, err)
	}
	for _, g := range all {
		r.any = true
		if g.State != "deleting" {
			if err := r.EC2.DeleteNATGateway(ctx, g.ID); err != nil && !cli.NotFound(err) {
				return fmt.Errorf("deleting NAT gateway %s: %w", g.ID, err)
			}
		}
	}
	for _, g := range all {
		id := ec2client.Filter{Name: "nat-gateway-id", Values: []string{g.ID}}
		err := r.Terminal.Until(ctx, r.Log, fmt.Sprintf("NAT gateway %q to be deleted", g.ID), func(ctx context.Context) (bool, error) {
			left, err := r.EC2.NATGateways(ctx, id, living)
			return len(left) == 0, err
		})
		if err != nil {
			return err
		}
		r.Log.Infof("deleted NAT gateway %q", g.ID)
	}
	return nil
}

func (r *removal) releaseAddresses(ctx context.Context) error {
	all, err := r.EC2.Addresses(ctx, r.tag)
	if err != nil {
		return fmt.Errorf("looking for the elastic addresses of cluster %q: %w", r.cluster, err)
	}
	for _, a := range all {
		if err := r.remove(ctx, "elastic address", a.ID, func(ctx context.Context) error { return r.EC2.ReleaseAddress(ctx, a.ID) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *removal) deleteRouteTables(ctx context.Context) error {
	all, err := r.EC2.RouteTables(ctx, r.tag)
	if err != nil {
		return fmt.Errorf("looking for the route tables of cluster %q: %w", r.cluster, err)
	}
	for _, t := range all {
		for _, a := range t.Associations {
			if a.Main {
				continue
			}
			if err := r.EC2.DisassociateRouteTable(ctx, a.ID); err != nil && !cli.NotFound(err) {
				return fmt.Errorf("disassociating %s: %w", a.ID, err)
			}
		}
		if err := r.remove(ctx, "route table", t.ID, func(ctx context.Context) error { return r.EC2.DeleteRouteTable(ctx, t.ID) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *removal) deleteSubnets(ctx context.Context) error {
	all, err := r.EC2.Subnets(ctx, r.tag)
	if err != nil {
		return fmt.Errorf("looking for the subnets of cluster %q: %w", r.cluster, err)
	}
	for _, s := range all {
		if err := r.remove(ctx, "subnet", s.ID, func(ctx context.Context) error { return r.EC2.DeleteSubnet(ctx, s.ID) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *removal) deleteInternetGateways(ctx context.Context) error {
	all, err := r.EC2.InternetGateways(ctx, r.tag)
	if err != nil {
		return fmt.Errorf("looking for the internet gateway of cluster %q: %w", r.cluster, err)
	}
	for _, g := range all {
		for _, vpc := range g.VPCs {
			err := r.until(ctx, "detached internet gateway", g.ID, func(ctx context.Context) error {
				err := r.EC2.DetachInternetGateway(ctx, g.ID, vpc)
				if cli.Code(err) == "Gateway.NotAttached" {
					return nil
				}
				return err
			})
			if err != nil {
				return err
			}
		}
		if err := r.remove(ctx, "internet gateway", g.ID, func(ctx context.Context) error { return r.EC2.DeleteInternetGateway(ctx, g.ID) }); err != nil {
			return err
		}
	}
	return nil
}

func (r *removal) deleteVPCs(ctx context.Context) error {
	all, err := r.EC2.VPCs(ctx, r.tag)
	if err != nil {
		return fmt.Errorf("looking for the VPC of cluster %q: %w", r.cluster, err)
	}
	for _, v := range all {
		if err := r.remove(ctx, "VPC", v.ID, func(ctx context.Context) error { return r.EC2.DeleteVPC(ctx, v.ID) }); err != nil {
			return err
		}
	}
	return nil
}
