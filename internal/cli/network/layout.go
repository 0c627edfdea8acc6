package network

import (
	"fmt"
	"net/netip"
	"strings"

	"berth.dev/berth/internal/cli/clusterconfig"
	"berth.dev/berth/internal/cli/ec2client"
)

const (
	// ClusterTag is the tag by which everything of a cluster is found.
	ClusterTag = "alpha.eksctl.io/cluster-name"
	legacyTag  = "eksctl.cluster.k8s.io/v1alpha1/cluster-name"
	// DefaultCIDR is the block of a VPC about which nothing is said.
	DefaultCIDR = "192.168.0.0/16"
)

// Plan is the network that a cluster gets.
type Plan struct {
	Cluster, CIDR string
	Zones         []string
	// NAT is one of the NAT modes of a ClusterConfig.
	NAT string
	// Tags are the user's own.
	Tags map[string]string
}

// Stack is the name under which eksctl groups what belongs to a cluster.
func Stack(cluster string) string { return "eksctl-" + cluster + "-cluster" }

// Tags are the tags of a thing that belongs to a cluster, without its name.
func Tags(cluster string, own map[string]string) map[string]string {
	tags := map[string]string{ClusterTag: cluster, legacyTag: cluster, "alpha.eksctl.io/cluster-oidc-enabled": "false"}
	for k, v := range own {
		tags[k] = v
	}
	return tags
}

// zone is what a zone gets.
type zone struct{ name, public, private string }

// suffix is a zone in the names of resources: us-east-1a is USEAST1A.
func (z zone) suffix() string { return strings.ToUpper(strings.ReplaceAll(z.name, "-", "")) }

// layout divides the VPC's block as eksctl does: eight parts, or sixteen for
// more than four zones; the public subnets first, then the private ones.
func layout(cidr string, zones []string) ([]zone, error) {
	block, err := netip.ParsePrefix(cidr)
	if err != nil || !block.Addr().Is4() {
		return nil, fmt.Errorf("dividing the VPC's block %q: not an IPv4 block", cidr)
	}
	more := 3
	if 2*len(zones) > 8 {
		more = 4
	}
	if len(zones) < 2 || 2*len(zones) > 16 {
		return nil, fmt.Errorf("dividing the VPC's block %s: %d zones, want 2 to 8", cidr, len(zones))
	}
	if block.Bits() < 16 || block.Bits()+more > 28 {
		return nil, fmt.Errorf("dividing the VPC's block %s: want a block between /16 and /24", cidr)
	}
	parts := make([]zone, len(zones))
	for i, name := range zones {
		parts[i] = zone{name: name, public: part(block, more, i), private: part(block, more, len(zones)+i)}
	}
	return parts, nil
}

// part is the i-th of the parts of a block whose prefix is longer by more bits.
func part(block netip.Prefix, more, i int) string {
	bits := block.Bits() + more
	a := block.Masked().Addr().As4()
	n := uint32(a[0])<<24 | uint32(a[1])<<16 | uint32(a[2])<<8 | uint32(a[3])
	n += uint32(i) << (32 - bits)
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)}), bits).String()
}

// nats are the names of the NAT gateways, by zone; the empty zone stands for all.
func (p Plan) nats(zones []zone) []zone {
	switch p.NAT {
	case clusterconfig.NATDisable:
		return nil
	case clusterconfig.NATHighlyAvailable:
		return zones
	}
	return zones[:1]
}

// named are a cluster's tags with a name.
func (p Plan) named(name string, more ...ec2client.Tag) []ec2client.Tag {
	tags := []ec2client.Tag{{Key: "Name", Value: Stack(p.Cluster) + "/" + name}}
	tags = append(tags, more...)
	own := Tags(p.Cluster, p.Tags)
	for _, k := range sortedKeys(own) {
		if k != "Name" {
			tags = append(tags, ec2client.Tag{Key: k, Value: own[k]})
		}
	}
	return tags
}

// find are the filters that find a thing by its name.
func (p Plan) find(name string) []ec2client.Filter {
	return []ec2client.Filter{
		ec2client.TagFilter(ClusterTag, p.Cluster), ec2client.TagFilter("Name", Stack(p.Cluster)+"/"+name),
	}
}
