package linux

import (
	"errors"
	"net"
	"net/netip"

	"github.com/vishvananda/netlink"
)

// dump lists the kernel's state, again if it changed meanwhile, as it does on a
// host where others work too.
func dump[T any](list func() ([]T, error)) ([]T, error) {
	for range 10 {
		out, err := list()
		if !errors.Is(err, netlink.ErrDumpInterrupted) {
			return out, err
		}
	}
	return list()
}

func toIPNet(p netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: p.Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())}
}

// toPrefix of nil is everything, as the kernel leaves out a destination of no bits.
func toPrefix(n *net.IPNet) netip.Prefix {
	if n == nil || n.IP == nil {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	bits, _ := n.Mask.Size()
	return netip.PrefixFrom(toAddr(n.IP), bits)
}

// toAddr of nil is the zero address.
func toAddr(ip net.IP) netip.Addr {
	a, _ := netip.AddrFromSlice(ip)
	return a.Unmap()
}
