package ec2

import (
	"context"
	"maps"

	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/store"
)

// ClusterGroupRequest asks for the security group of a cluster.
type ClusterGroupRequest struct {
	VPCID   string
	Cluster string
	// Suffix tells clusters of one name apart; the same one finds the same group.
	Suffix string
	// Tags are added to those that every cluster's group has.
	Tags map[string]string
}

// EnsureClusterSecurityGroup makes the group that EKS makes for a cluster, with
// all traffic from itself and all traffic out, or finds it when it is there.
func (s *Service) EnsureClusterSecurityGroup(ctx context.Context, in ClusterGroupRequest) (SecurityGroup, error) {
	if err := requireVPC(in.VPCID); err != nil {
		return SecurityGroup{}, err
	}
	name := "eks-cluster-sg-" + in.Cluster + "-" + in.Suffix
	tags := map[string]string{}
	maps.Copy(tags, in.Tags)
	tags["Name"] = name
	tags["aws:eks:cluster-name"] = in.Cluster
	tags["kubernetes.io/cluster/"+in.Cluster] = "owned"
	id := s.ids.Resource(kindGroup.prefix)
	fresh := SecurityGroup{
		ID: id, VPCID: in.VPCID, Name: name, Tags: tags, Rules: []Rule{s.allFrom(id), s.allOut()},
		Description: "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.",
	}
	var out SecurityGroup
	err := s.change(ctx, in.VPCID, false, func(tx *store.Tx, n *network) error {
		for i := range n.SecurityGroups {
			if g := &n.SecurityGroups[i]; g.Name == name {
				g.Closing = false
				out = *g
				return nil
			}
		}
		out = fresh
		n.SecurityGroups = append(n.SecurityGroups, fresh)
		return s.ownGroup(tx, n.VPC.ID, fresh)
	})
	return out, err
}

// DeleteClusterSecurityGroup removes the group of a cluster; one that is gone is
// not an error. While an interface or another group's rule names it, it is
// refused with DependencyViolation.
func (s *Service) DeleteClusterSecurityGroup(ctx context.Context, id string) error {
	err := s.deleteGroup(ctx, id, false)
	if fault.Code(err) == kindGroup.missing {
		return nil
	}
	return err
}
