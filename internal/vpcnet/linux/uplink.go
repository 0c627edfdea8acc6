package linux

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"time"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"berth.dev/berth/internal/vpcnet"
)

// setUplink makes the pair between the host and the namespace, and the host's
// end of it right. The host's end carries the namespace's name as its alias.
func setUplink(p vpcnet.Plan, ns *os.File) error {
	used, err := transitUsers()
	if err != nil {
		return err
	}
	if link, ok := used[p.Host.Address.Masked()]; ok && link != p.Host.Link {
		return &TransitConflictError{Address: p.Host.Address, Link: link}
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("opening netlink: %w", err)
	}
	defer h.Close()
	inner, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("opening netlink: %w", err)
	}
	defer inner.Close()
	link, err := ensurePair(h, inner, pair{
		name: p.Host.Link, peer: vpcnet.UplinkLink, peerNS: ns, mtu: p.MTU,
	})
	if err != nil {
		return fmt.Errorf("creating uplink %s: %w", p.Host.Link, err)
	}
	if err := setSysctls([]vpcnet.Sysctl{{Name: "net.ipv6.conf." + p.Host.Link + ".disable_ipv6", Value: "1"}}); err != nil {
		return err
	}
	if err := setLink(h, link, p.MTU, p.Namespace); err != nil {
		return err
	}
	want := []vpcnet.Address{{Link: p.Host.Link, Prefix: p.Host.Address, Scope: vpcnet.ScopeGlobal}}
	return setAddresses(h, link, want)
}

func awaitUplink(ctx context.Context, r *router, hostLink string) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("opening netlink: %w", err)
	}
	defer h.Close()
	return errors.Join(awaitUp(ctx, h, hostLink), awaitUp(ctx, r.Handle, vpcnet.UplinkLink))
}

// pair is a veth: name on the handle's side, peer in another namespace.
type pair struct {
	name, peer string
	mac        []byte // of the peer; any if nil
	peerNS     *os.File
	mtu        int
}

// ensurePair makes the pair if its two ends are not each other's peer. A name
// that is taken on either side loses its link.
func ensurePair(h, peer *netlink.Handle, p pair) (netlink.Link, error) {
	mine, err := findLink(h, p.name)
	if err != nil {
		return nil, err
	}
	theirs, err := findLink(peer, p.peer)
	if err != nil {
		return nil, err
	}
	if isPair(mine, theirs) && (p.mac == nil || bytes.Equal(p.mac, theirs.Attrs().HardwareAddr)) {
		return mine, nil
	}
	for _, end := range []struct {
		h *netlink.Handle
		l netlink.Link
	}{{h, mine}, {peer, theirs}} {
		if end.l == nil {
			continue
		}
		if err := end.h.LinkDel(end.l); err != nil && !errors.Is(err, unix.ENODEV) {
			return nil, fmt.Errorf("deleting link %s: %w", end.l.Attrs().Name, err)
		}
	}
	veth := netlink.NewVeth(netlink.LinkAttrs{Name: p.name, MTU: p.mtu, TxQLen: -1})
	veth.PeerName, veth.PeerMTU, veth.PeerHardwareAddr = p.peer, uint32(p.mtu), p.mac
	veth.PeerNamespace = netlink.NsFd(p.peerNS.Fd())
	if err := h.LinkAdd(veth); err != nil {
		return nil, fmt.Errorf("creating link %s: %w", p.name, err)
	}
	return h.LinkByName(p.name)
}

func isPair(a, b netlink.Link) bool {
	if a == nil || b == nil || a.Type() != "veth" || b.Type() != "veth" {
		return false
	}
	return a.Attrs().ParentIndex == b.Attrs().Index && b.Attrs().ParentIndex == a.Attrs().Index
}

// findLink is nil if there is no such link.
func findLink(h *netlink.Handle, name string) (netlink.Link, error) {
	l, err := h.LinkByName(name)
	var missing netlink.LinkNotFoundError
	if errors.As(err, &missing) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("finding link %s: %w", name, err)
	}
	return l, nil
}

// setLink corrects a link's MTU and alias and brings it up.
func setLink(h *netlink.Handle, l netlink.Link, mtu int, alias string) error {
	a := l.Attrs()
	if mtu != 0 && a.MTU != mtu {
		if err := h.LinkSetMTU(l, mtu); err != nil {
			return fmt.Errorf("setting mtu of %s: %w", a.Name, err)
		}
	}
	if alias != "" && a.Alias != alias {
		if err := h.LinkSetAlias(l, alias); err != nil {
			return fmt.Errorf("setting alias of %s: %w", a.Name, err)
		}
	}
	if a.RawFlags&unix.IFF_UP == 0 {
		if err := h.LinkSetUp(l); err != nil {
			return fmt.Errorf("bringing up %s: %w", a.Name, err)
		}
	}
	return nil
}

// awaitUp waits until a link whose two ends were brought up really sends. The
// kernel finishes that on its own time, and drops what comes before: the first
// connection would stall for a second. Its operational state tells.
func awaitUp(ctx context.Context, h *netlink.Handle, name string) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for {
		l, err := h.LinkByName(name)
		if err != nil {
			return fmt.Errorf("finding link %s: %w", name, err)
		}
		if l.Attrs().OperState == netlink.OperUp {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("waiting for link %s to come up: %w", name, ctx.Err())
		case <-tick.C:
		}
	}
}

var scopes = map[vpcnet.Scope]netlink.Scope{
	vpcnet.ScopeGlobal: netlink.SCOPE_UNIVERSE,
	vpcnet.ScopeLink:   netlink.SCOPE_LINK,
	vpcnet.ScopeHost:   netlink.SCOPE_HOST,
}

// setAddresses makes the IPv4 addresses of a link exactly these, leaving the
// loopback network alone.
func setAddresses(h *netlink.Handle, l netlink.Link, want []vpcnet.Address) error {
	name := l.Attrs().Name
	have, err := dump(func() ([]netlink.Addr, error) { return h.AddrList(l, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("listing addresses of %s: %w", name, err)
	}
	return changeAddresses(h, l, have, want)
}

// changeAddresses is setAddresses for a link that has these.
func changeAddresses(h *netlink.Handle, l netlink.Link, have []netlink.Addr, want []vpcnet.Address) error {
	name := l.Attrs().Name
	missing := map[netip.Prefix]netlink.Scope{}
	for _, w := range want {
		missing[w.Prefix] = scopes[w.Scope]
	}
	for _, a := range have {
		p := toPrefix(a.IPNet)
		scope, ok := missing[p]
		if ok && netlink.Scope(a.Scope) == scope {
			delete(missing, p)
			continue
		}
		if p.Addr().IsLoopback() {
			continue
		}
		if err := h.AddrDel(l, &a); err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
			return fmt.Errorf("deleting address %s of %s: %w", p, name, err)
		}
	}
	for _, w := range want {
		scope, ok := missing[w.Prefix]
		if !ok {
			continue
		}
		a := &netlink.Addr{IPNet: toIPNet(w.Prefix), Scope: int(scope)}
		if err := h.AddrAdd(l, a); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("adding address %s to %s: %w", w.Prefix, name, err)
		}
	}
	return nil
}

// deleteHostLinks deletes the host's links that match by name and alias.
func deleteHostLinks(match func(name, alias string) bool) error {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("opening netlink: %w", err)
	}
	defer h.Close()
	links, err := dump(h.LinkList)
	if err != nil {
		return fmt.Errorf("listing links: %w", err)
	}
	for _, l := range links {
		if l.Type() != "veth" || !match(l.Attrs().Name, l.Attrs().Alias) {
			continue
		}
		if err := h.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
			return fmt.Errorf("deleting link %s: %w", l.Attrs().Name, err)
		}
	}
	return nil
}
