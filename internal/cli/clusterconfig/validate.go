package clusterconfig

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"
)

var (
	clusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9_-]{0,99}$`)
	regionName  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
	versionText = regexp.MustCompile(`^1\.[0-9]{1,2}$`)
)

// Validate says what of a ClusterConfig cannot work, whatever AWS holds.
func (c *Config) Validate() error {
	for _, check := range []func() error{c.checkMetadata, c.checkVPC, c.checkAccess, c.checkProfiles} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Config) checkMetadata() error {
	m := c.Metadata
	switch {
	case m.Name == "":
		return wrong("metadata.name", "must be set")
	case !clusterName.MatchString(m.Name):
		return wrong("metadata.name", "%q is not the name of a cluster: a letter or digit, then letters, digits, - and _, 100 in all", m.Name)
	case m.Region != "" && !regionName.MatchString(m.Region):
		return wrong("metadata.region", "%q is not the name of an AWS region, such as us-east-1", m.Region)
	case m.Version != "" && !versionText.MatchString(m.Version):
		return wrong("metadata.version", "%q is not a version such as 1.36", m.Version)
	}
	return nil
}

func (c *Config) checkVPC() error {
	v := c.VPC
	if v.CIDR != "" {
		p, err := netip.ParsePrefix(v.CIDR)
		if err != nil || !p.Addr().Is4() || p != p.Masked() || p.Bits() < 16 || p.Bits() > 24 {
			return wrong("vpc.cidr", "%q is not an IPv4 block between /16 and /24, such as 192.168.0.0/16", v.CIDR)
		}
	}
	switch v.NAT.Gateway {
	case "", NATSingle, NATHighlyAvailable, NATDisable:
	default:
		return wrong("vpc.nat.gateway", "%q is none of HighlyAvailable, Single, Disable", v.NAT.Gateway)
	}
	for kind, subnets := range map[string]map[string]Subnet{"private": v.Subnets.Private, "public": v.Subnets.Public} {
		for name, s := range subnets {
			if s.ID == "" {
				return wrong(fmt.Sprintf("vpc.subnets.%s.%s", kind, name), "needs the id of a subnet that exists")
			}
		}
	}
	switch {
	case v.ID != "" && !v.Existing():
		return wrong("vpc.id", "needs the VPC's subnets in vpc.subnets too")
	case v.Existing() && v.CIDR != "":
		return wrong("vpc.cidr", "cannot be used with vpc.subnets, which name subnets that exist")
	case v.Existing() && len(c.AvailabilityZones) > 0:
		return wrong("availabilityZones", "cannot be used with vpc.subnets, which name subnets that exist")
	case len(c.AvailabilityZones) == 1:
		return wrong("availabilityZones", "only 1 zone specified, want at least 2: EKS needs subnets in two")
	}
	return c.checkEndpoints()
}

func (c *Config) checkEndpoints() error {
	e := c.VPC.ClusterEndpoints
	if e.PublicAccess != nil && !*e.PublicAccess && (e.PrivateAccess == nil || !*e.PrivateAccess) {
		return wrong("vpc.clusterEndpoints", "Kubernetes API server must have one of public or private access enabled")
	}
	if cidr := c.KubernetesNetworkConfig.ServiceIPv4CIDR; cidr != "" {
		if p, err := netip.ParsePrefix(cidr); err != nil || !p.Addr().Is4() || p.Bits() < 12 || p.Bits() > 24 {
			return wrong("kubernetesNetworkConfig.serviceIPv4CIDR", "%q is not an IPv4 block between /12 and /24", cidr)
		}
	}
	if f := c.KubernetesNetworkConfig.IPFamily; f != "" && !strings.EqualFold(f, "IPv4") {
		return wrong("kubernetesNetworkConfig.ipFamily", "%q is not implemented by Berth yet; use IPv4", f)
	}
	return nil
}

func (c *Config) checkAccess() error {
	mode := c.AccessConfig.AuthenticationMode
	if modes := []string{"", "CONFIG_MAP", "API_AND_CONFIG_MAP", "API"}; !slices.Contains(modes, mode) {
		return wrong("accessConfig.authenticationMode", "%q is none of CONFIG_MAP, API_AND_CONFIG_MAP, API", mode)
	}
	return nil
}

func (c *Config) checkProfiles() error {
	seen := map[string]bool{}
	for i, p := range c.FargateProfiles {
		path := fmt.Sprintf("fargateProfiles[%d]", i)
		if p == nil {
			return wrong(path, "is empty")
		}
		if p.Status != "" {
			return wrong(path+".status", "is said by the service and cannot be set")
		}
		if err := p.Validate(); err != nil {
			return wrong(path, "%s", err)
		}
		if seen[p.Name] {
			return wrong(path+".name", "%q is used twice", p.Name)
		}
		seen[p.Name] = true
	}
	return nil
}

// Validate refuses, in eksctl's words, a profile that EKS would refuse.
func (p *FargateProfile) Validate() error {
	if p.Name == "" {
		return fmt.Errorf("invalid Fargate profile: empty name")
	}
	if strings.HasPrefix(p.Name, "eks-") {
		return fmt.Errorf("invalid Fargate profile %q: name should NOT start with \"eks-\"", p.Name)
	}
	if len(p.Selectors) == 0 {
		return fmt.Errorf("invalid Fargate profile %q: no profile selector", p.Name)
	}
	for i, s := range p.Selectors {
		if s.Namespace == "" {
			return fmt.Errorf("invalid Fargate profile %q: invalid profile selector at index #%d: empty namespace", p.Name, i)
		}
	}
	return nil
}
