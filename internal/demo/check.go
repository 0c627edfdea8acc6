package demo

import (
	"fmt"
	"net/netip"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// placement is what is checked of where pods run.
type placement struct {
	pods  []corev1.Pod
	nodes []corev1.Node
	// private are the blocks of the private subnets, by subnet.
	private map[string]netip.Prefix
	region  string
}

// check says of each pod what a user of Fargate relies on: a node of its own, a
// name of it that is its address, and that address out of a private subnet.
func (p placement) check() ([]string, error) {
	nodes, owner := map[string]corev1.Node{}, map[string]string{}
	for _, n := range p.nodes {
		nodes[n.Name] = n
	}
	var lines []string
	for _, pod := range p.pods {
		key := pod.Namespace + "/" + pod.Name
		node, ok := nodes[pod.Spec.NodeName]
		if !ok {
			return lines, fmt.Errorf("pod %s is on node %q, which does not exist", key, pod.Spec.NodeName)
		}
		if other := owner[node.Name]; other != "" {
			return lines, fmt.Errorf("pods %s and %s share the node %s", other, key, node.Name)
		}
		owner[node.Name] = key
		subnet, err := p.checkAddress(pod, node)
		if err != nil {
			return lines, err
		}
		lines = append(lines, fmt.Sprintf("pod %s has the node %s to itself; pod IP = node IP = %s, out of the private subnet %s", key, node.Name, pod.Status.PodIP, subnet))
	}
	return lines, nil
}

func (p placement) checkAddress(pod corev1.Pod, node corev1.Node) (string, error) {
	ip := ""
	for _, a := range node.Status.Addresses {
		if a.Type == corev1.NodeInternalIP {
			ip = a.Address
		}
	}
	if pod.Status.PodIP == "" || ip != pod.Status.PodIP {
		return "", fmt.Errorf("pod %s/%s has the address %q, its node %s has %q", pod.Namespace, pod.Name, pod.Status.PodIP, node.Name, ip)
	}
	if want := nodeName(ip, p.region); node.Name != want {
		return "", fmt.Errorf("the node with the address %s is named %s, not %s", ip, node.Name, want)
	}
	address, err := netip.ParseAddr(ip)
	if err != nil {
		return "", fmt.Errorf("the address of node %s: %w", node.Name, err)
	}
	for id, block := range p.private {
		if block.Contains(address) {
			return fmt.Sprintf("%s (%s)", id, block), nil
		}
	}
	return "", fmt.Errorf("the address %s of node %s is in none of the private subnets", ip, node.Name)
}

// nodeName is the name of the Fargate node with an address; the oldest region
// has a domain of its own.
func nodeName(ip, region string) string {
	domain := region + ".compute.internal"
	if region == "us-east-1" {
		domain = "ec2.internal"
	}
	return "fargate-ip-" + strings.ReplaceAll(ip, ".", "-") + "." + domain
}
