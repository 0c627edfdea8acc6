package vpcnet

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
)

// Instance is the tag of one Berth on a host, such as "berth-1f3a": "berth-" and
// four to eight lower-case letters or digits. Every name that the host sees
// begins with it, followed by a separator, so that no tag is a prefix of the
// names of another.
type Instance string

const instancePrefix = "berth-"

var (
	instancePattern  = regexp.MustCompile(`^berth-[0-9a-z]{4,8}$`)
	namespacePattern = regexp.MustCompile(`^[0-9a-z-]{1,64}$`)
)

// ParseInstance checks a tag.
func ParseInstance(s string) (Instance, error) {
	if !instancePattern.MatchString(s) {
		return "", &InvalidError{Noun: "instance", ID: s, Reason: "is not berth- and 4 to 8 lower-case letters or digits"}
	}
	return Instance(s), nil
}

// Namespace names the network namespace of a VPC.
func (i Instance) Namespace(vpc string) string { return i.NamespacePrefix() + vpc }

// NamespacePrefix is what the names of all namespaces of the instance begin with.
func (i Instance) NamespacePrefix() string { return string(i) + "-" }

// LinkPrefix is what the names of all the instance's links on the host begin with.
func (i Instance) LinkPrefix() string {
	return "b" + strings.TrimPrefix(string(i), instancePrefix) + "-"
}

// Table names the instance's nftables table on the host.
func (i Instance) Table() string { return string(i) }

// MaxUplinks is how many uplinks fit in TransitRange.
const MaxUplinks = 1 << 16

// Uplink is the uplink of an index from 0 to MaxUplinks-1. All instances of a
// host share the indices, because they share its addresses.
func (i Instance) Uplink(index, mtu int) (Uplink, error) {
	if index < 0 || index >= MaxUplinks {
		return Uplink{}, &InvalidError{Noun: "uplink", ID: fmt.Sprint(index), Reason: fmt.Sprintf("is not in 0..%d", MaxUplinks-1)}
	}
	host := offset(TransitRange, uint32(index)*2)
	return Uplink{
		Index:    index,
		HostLink: fmt.Sprintf("%s%d", i.LinkPrefix(), index),
		Host:     host,
		Router:   host.Next(),
		MTU:      mtu,
	}, nil
}

// PortLink names the router's end of an interface's link: it fits the kernel's
// 15 characters and is the same whenever it is asked for.
func PortLink(interfaceID string) string {
	sum := sha256.Sum256([]byte(interfaceID))
	return "e" + hex.EncodeToString(sum[:7])
}

var portPattern = regexp.MustCompile(`^e[0-9a-f]{14}$`)

// IsPortLink says whether a link's name is one that PortLink makes.
func IsPortLink(name string) bool { return portPattern.MatchString(name) }

func offset(p netip.Prefix, n uint32) netip.Addr {
	base := p.Masked().Addr().As4()
	var a [4]byte
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(base[:])+n)
	return netip.AddrFrom4(a)
}

// lastAddr is the highest address of p.
func lastAddr(p netip.Prefix) netip.Addr {
	return offset(p, uint32(1)<<(32-p.Bits())-1)
}
