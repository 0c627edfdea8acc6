package eks

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/store"
)

// reconcileCluster takes one step for the cluster of a name.
func (s *Service) reconcileCluster(ctx context.Context, name string) (time.Duration, error) {
	c, err := s.clusters.Get(ctx, name)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return 0, nil
	case err != nil:
		return 0, err
	case c.Status == types.ClusterStatusDeleting:
		return s.removeCluster(ctx, c)
	case c.Status == types.ClusterStatusFailed:
		return 0, nil
	default:
		return s.ensureCluster(ctx, c)
	}
}

// ensureCluster works towards a running control plane and writes down what is
// observed. It goes on for an ACTIVE cluster: its control plane must come up
// again after a restart, and its health is an observation too.
func (s *Service) ensureCluster(ctx context.Context, c Cluster) (time.Duration, error) {
	if c.ClusterSecurityGroup == "" {
		if err := s.ensureClusterGroup(ctx, &c); err != nil {
			return 0, err
		}
	}
	seen, err := s.plane.Ensure(ctx, c)
	if err != nil {
		return 0, fmt.Errorf("ensuring the control plane of cluster %s: %w", c.Name, err)
	}
	if err := s.writeCluster(ctx, c, func(c *Cluster) { c.observe(seen) }); err != nil {
		return 0, err
	}
	if seen.Ready || seen.Failed != "" {
		return s.times.Resync, nil
	}
	return s.times.Poll, nil
}

// ensureClusterGroup makes EKS's own role and the cluster's security group, and
// records the group before anything is made that carries it.
func (s *Service) ensureClusterGroup(ctx context.Context, c *Cluster) error {
	if err := s.roles.EnsureServiceLinkedRole(ctx, controlPlaneService); err != nil {
		return fmt.Errorf("ensuring the service-linked role of %s: %w", controlPlaneService, err)
	}
	group, err := s.net.EnsureClusterGroup(ctx, s.clusterGroup(*c))
	if err != nil {
		return fmt.Errorf("ensuring the security group of cluster %s: %w", c.Name, err)
	}
	c.ClusterSecurityGroup = group
	return s.writeCluster(ctx, *c, func(now *Cluster) { now.ClusterSecurityGroup = group })
}

func (s *Service) clusterGroup(c Cluster) ClusterGroup {
	return ClusterGroup{
		Cluster: c.ARN, ClusterID: c.ID, VPC: c.VPC,
		Name:        "eks-cluster-sg-" + c.Name + "-" + c.ID[:10],
		Description: "EKS created security group applied to ENI that is attached to EKS Control Plane master nodes, as well as any managed workloads.",
		Tags: map[string]string{
			"Name":                            "eks-cluster-sg-" + c.Name + "-" + c.ID[:10],
			"aws:eks:cluster-name":            c.Name,
			"kubernetes.io/cluster/" + c.Name: "owned",
		},
	}
}

// observe turns what was seen of the control plane into status.
func (c *Cluster) observe(seen Observation) {
	switch {
	case seen.Ready:
		c.Status, c.Issues = types.ClusterStatusActive, nil
		c.Endpoint, c.CertificateAuthority = seen.Endpoint, seen.CertificateAuthority
	case c.Status == types.ClusterStatusCreating && seen.Failed != "":
		c.Status = types.ClusterStatusFailed
		c.Issues = []types.ClusterIssue{issue(types.ClusterIssueCodeInternalFailure, seen.Failed)}
	case c.Status == types.ClusterStatusActive:
		message := seen.Failed
		if message == "" {
			message = seen.Message
		}
		c.Issues = []types.ClusterIssue{issue(types.ClusterIssueCodeClusterUnreachable, message)}
	}
}

func issue(code types.ClusterIssueCode, message string) types.ClusterIssue {
	return types.ClusterIssue{Code: code, Message: aws.String(message), ResourceIds: []string{}}
}

// writeCluster edits the record of a cluster that is still the one that was
// observed and not being deleted; an edit that changes nothing is not written,
// so that it wakes nobody.
func (s *Service) writeCluster(ctx context.Context, seen Cluster, edit func(*Cluster)) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		c, err := s.clusters.GetIn(tx, seen.Name)
		if errors.Is(err, store.ErrNotFound) {
			return nil
		}
		if err != nil || c.ID != seen.ID || c.Status == types.ClusterStatusDeleting {
			return err
		}
		before := c
		edit(&c)
		if reflect.DeepEqual(before, c) {
			return nil
		}
		return s.clusters.PutIn(tx, c.Name, c)
	})
}

// removeCluster takes down the control plane, then the security group, then
// the record.
func (s *Service) removeCluster(ctx context.Context, c Cluster) (time.Duration, error) {
	gone, err := s.plane.Remove(ctx, c)
	if err != nil {
		return 0, fmt.Errorf("removing the control plane of cluster %s: %w", c.Name, err)
	}
	if !gone {
		return s.times.Poll, nil
	}
	gone, err = s.net.DeleteClusterGroup(ctx, s.clusterGroup(c))
	if err != nil {
		return 0, fmt.Errorf("deleting the security group of cluster %s: %w", c.Name, err)
	}
	if !gone {
		return s.times.Poll, nil
	}
	return 0, s.dropCluster(ctx, c)
}

func (s *Service) dropCluster(ctx context.Context, seen Cluster) error {
	return s.store.Update(ctx, func(tx *store.Tx) error {
		c, err := s.clusters.GetIn(tx, seen.Name)
		if errors.Is(err, store.ErrNotFound) || err == nil && c.ID != seen.ID {
			return nil
		}
		if err != nil {
			return err
		}
		index, err := s.indexIn(tx)
		if err != nil {
			return err
		}
		entries, err := s.entriesIn(tx, c.Name)
		if err != nil {
			return err
		}
		for _, e := range entries.Entries {
			s.forget(tx, e.Request)
		}
		delete(index.VPCs, c.Name)
		if err := s.index.PutIn(tx, indexKey, index); err != nil {
			return err
		}
		s.profiles.DeleteIn(tx, c.Name)
		s.entries.DeleteIn(tx, c.Name)
		s.forget(tx, c.Request)
		s.clusters.DeleteIn(tx, c.Name)
		return nil
	})
}
