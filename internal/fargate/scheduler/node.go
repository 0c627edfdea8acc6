package scheduler

import (
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/agent"
	"berth.dev/berth/internal/pki"
)

// certificateLife is how long a node's certificates last; a pod seldom does.
const certificateLife = 365 * 24 * time.Hour

// The least that a node reports, whatever its pod's size: Fargate's nodes are
// machines that are often larger than what is provisioned on them.
const (
	minNodeMilliCPU  = 2000
	minNodeMemory    = 4037540 << 10
	minNodeEphemeral = 30832548 << 10
	// nodeOverhead is the memory of a node beyond what its pod is provisioned.
	nodeOverhead = 256 << 20
)

// namelessNode is the name of every node where the VPC has no DNS hostnames: of
// the pods there only one can have its node.
const namelessNode = "fargate-null"

// nodeName is the name of the node on an interface.
func nodeName(i Interface) string {
	if i.PrivateDNSName == "" {
		return namelessNode
	}
	return "fargate-" + i.PrivateDNSName
}

// providerID names the machine behind a node: a prefix that all nodes of a
// cluster share, and the pod's own part.
func (k *Controller) providerID(r Record) string {
	return fmt.Sprintf("aws:///%s/%.10s-%s/%s", r.Interface.AvailabilityZone, strings.ToLower(k.ClusterID), strings.ReplaceAll(r.PodUID, "-", ""), r.NodeName)
}

// node describes the node of a record, with fresh certificates.
func (k *Controller) node(r Record) (dataplane.Node, error) {
	now := k.Clock.Now()
	client, err := k.CA.Issue(pki.Request{
		CommonName: "system:node:" + r.NodeName, Organizations: []string{"system:nodes"}, Client: true, NotAfter: now.Add(certificateLife),
	}, now)
	if err != nil {
		return dataplane.Node{}, err
	}
	serving, err := k.CA.Issue(pki.Request{
		CommonName: "system:node:" + r.NodeName, Organizations: []string{"system:nodes"}, Server: true, NotAfter: now.Add(certificateLife),
		DNSNames: []string{r.NodeName}, IPs: []net.IP{r.Interface.IP.AsSlice()},
	}, now)
	if err != nil {
		return dataplane.Node{}, err
	}
	hostname := strings.TrimPrefix(r.NodeName, "fargate-")
	return dataplane.Node{
		Name: r.NodeName, Hostname: hostname, IP: r.Interface.IP.String(), ProviderID: k.providerID(r), MaxPods: 1,
		Labels: map[string]string{
			computeTypeLabel:                           "fargate",
			corev1.LabelHostname:                       hostname,
			corev1.LabelTopologyRegion:                 k.Region,
			corev1.LabelTopologyZone:                   r.Interface.AvailabilityZone,
			"failure-domain.beta.kubernetes.io/region": k.Region,
			"failure-domain.beta.kubernetes.io/zone":   r.Interface.AvailabilityZone,
		},
		Taints: []dataplane.Taint{{Key: computeTypeLabel, Value: "fargate", Effect: string(corev1.TaintEffectNoSchedule)}},
		Size:   r.Size,
		Capacity: dataplane.Size{
			MilliCPU:       max(minNodeMilliCPU, (r.Size.MilliCPU+999)/1000*1000),
			MemoryBytes:    max(minNodeMemory, r.Size.MemoryBytes+nodeOverhead),
			EphemeralBytes: max(minNodeEphemeral, r.Size.EphemeralBytes),
		},
		ClientCert: client.Cert, ClientKey: client.Key, ServingCert: serving.Cert, ServingKey: serving.Key,
	}, nil
}

// launch starts the record's node; doing it again does nothing.
func (k *Controller) launch(ctx context.Context, r Record) error {
	n, err := k.node(r)
	if err != nil {
		return fmt.Errorf("describing node %s: %w", r.NodeName, err)
	}
	_, err = k.Host.Launch(ctx, agent.Launch{ClusterID: k.ClusterID, Node: n, PodUID: r.PodUID, Interface: r.Interface.ID})
	return err
}

// release undoes what a record stands for, in the order in which nothing that
// still exists is forgotten.
func (k *Controller) release(ctx context.Context, r Record) error {
	// A record that does not own its node's name has launched no node.
	if k.owns(r.NodeName, r.PodUID) {
		n, err := k.node(r)
		if err != nil {
			return fmt.Errorf("describing node %s: %w", r.NodeName, err)
		}
		l := agent.Launch{ClusterID: k.ClusterID, PodUID: r.PodUID, Interface: r.Interface.ID, Node: n}
		if err := k.Host.Terminate(ctx, l); err != nil {
			return err
		}
		if err := k.deleteNode(ctx, r); err != nil {
			return err
		}
	}
	if r.Interface.ID != "" {
		if err := k.Interfaces.Release(ctx, r.Interface.ID); err != nil {
			return fmt.Errorf("releasing the interface of node %s: %w", r.NodeName, err)
		}
	}
	if err := k.records.Delete(ctx, r.PodUID); err != nil {
		return err
	}
	k.disowns(r.NodeName, r.PodUID)
	if r.NodeName == namelessNode {
		// Whoever waits for the name can have it now.
		k.requeuePending()
	}
	k.Log.Info("node released", "node", r.NodeName, "pod", r.Namespace+"/"+r.Name)
	return nil
}

// deleteNode removes the Node object, unless another pod's node has the name.
func (k *Controller) deleteNode(ctx context.Context, r Record) error {
	n, err := k.Client.CoreV1().Nodes().Get(ctx, r.NodeName, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("reading node %s: %w", r.NodeName, err)
	}
	if n.Spec.ProviderID != k.providerID(r) {
		return nil
	}
	err = k.Client.CoreV1().Nodes().Delete(ctx, r.NodeName, metav1.DeleteOptions{Preconditions: metav1.NewUIDPreconditions(string(n.UID))})
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting node %s: %w", r.NodeName, err)
	}
	return nil
}

// ready says whether the record's node is there, and since when it is Ready.
func (k *Controller) ready(r Record) (since time.Time, ok bool) {
	n, err := k.nodes.Get(r.NodeName)
	if err != nil || n.Spec.ProviderID != k.providerID(r) {
		return time.Time{}, false
	}
	for _, c := range n.Status.Conditions {
		if c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue {
			return c.LastTransitionTime.Time, true
		}
	}
	return time.Time{}, false
}
