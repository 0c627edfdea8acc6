package linux

import (
	"errors"
	"fmt"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"berth.dev/berth/internal/vpcnet"
)

// router is a namespace while it is being changed.
type router struct {
	*netlink.Handle
	ns *os.File
}

func openRouter(ns *os.File) (*router, error) {
	h, err := netlink.NewHandleAt(netns.NsHandle(ns.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("opening netlink in %s: %w", ns.Name(), err)
	}
	return &router{h, ns}, nil
}

func (r *router) set(p vpcnet.Plan) error {
	if err := inside(r.ns, func() error { return setSysctls(p.Sysctls) }); err != nil {
		return err
	}
	byLink := map[string][]vpcnet.Address{"lo": nil, vpcnet.UplinkLink: nil}
	for _, a := range p.Addresses {
		byLink[a.Link] = append(byLink[a.Link], a)
	}
	for _, name := range []string{"lo", vpcnet.UplinkLink} {
		if err := r.setOwnLink(name, p.MTU, byLink[name]); err != nil {
			return err
		}
	}
	links, err := dump(r.LinkList)
	if err != nil {
		return fmt.Errorf("listing links: %w", err)
	}
	ports, err := r.setPorts(links, p.Ports)
	if err != nil {
		return err
	}
	want := append([]vpcnet.RouteEntry(nil), p.Routes...)
	for _, port := range ports {
		want = append(want, port.PortRoute())
	}
	if err := r.setRoutes(linkIndices(links), want); err != nil {
		return err
	}
	return r.setRules(p.Rules)
}

func (r *router) setOwnLink(name string, mtu int, addresses []vpcnet.Address) error {
	l, err := r.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding link %s: %w", name, err)
	}
	if name == "lo" {
		mtu = 0
	}
	if err := setLink(r.Handle, l, mtu, ""); err != nil {
		return err
	}
	return setAddresses(r.Handle, l, addresses)
}

// setPorts corrects the ports that exist, deletes those that are not declared,
// and returns the declared ones that exist.
func (r *router) setPorts(links []netlink.Link, declared []vpcnet.Port) ([]vpcnet.Port, error) {
	byLink := map[string]vpcnet.Port{}
	for _, p := range declared {
		byLink[p.Link] = p
	}
	var present []portLink
	var ports []vpcnet.Port
	for _, l := range links {
		name := l.Attrs().Name
		if port, ok := byLink[name]; ok {
			present = append(present, portLink{port, l})
			ports = append(ports, port)
			continue
		}
		if !vpcnet.IsPortLink(name) {
			continue
		}
		if err := r.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
			return nil, fmt.Errorf("deleting link %s: %w", name, err)
		}
	}
	return ports, r.setPortLinks(present)
}

// portLink is a port and the router's end of its link.
type portLink struct {
	vpcnet.Port
	link netlink.Link
}

// setPortLinks makes the router's ends of ports right, but for their routes. It
// lists addresses and neighbours once for all of them: the kernel can only list
// those of all links.
func (r *router) setPortLinks(ports []portLink) error {
	if len(ports) == 0 {
		return nil
	}
	var sysctls []vpcnet.Sysctl
	for _, p := range ports {
		sysctls = append(sysctls, p.Sysctls()...)
	}
	if err := inside(r.ns, func() error { return setSysctls(sysctls) }); err != nil {
		return err
	}
	addrs, err := dump(func() ([]netlink.Addr, error) { return r.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("listing addresses: %w", err)
	}
	neighs, err := dump(func() ([]netlink.Neigh, error) { return r.NeighList(0, netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("listing neighbours: %w", err)
	}
	addrsOf, neighsOf := map[int][]netlink.Addr{}, map[int][]netlink.Neigh{}
	for _, a := range addrs {
		addrsOf[a.LinkIndex] = append(addrsOf[a.LinkIndex], a)
	}
	for _, n := range neighs {
		neighsOf[n.LinkIndex] = append(neighsOf[n.LinkIndex], n)
	}
	for _, p := range ports {
		index := p.link.Attrs().Index
		if err := r.setPortLink(p, addrsOf[index], neighsOf[index]); err != nil {
			return err
		}
	}
	return nil
}

func (r *router) setPortLink(p portLink, addrs []netlink.Addr, neighs []netlink.Neigh) error {
	gateway := vpcnet.Address{Link: p.Link, Prefix: hostPrefix(vpcnet.Gateway), Scope: vpcnet.ScopeLink}
	if err := changeAddresses(r.Handle, p.link, addrs, []vpcnet.Address{gateway}); err != nil {
		return err
	}
	if err := setLink(r.Handle, p.link, p.MTU, ""); err != nil {
		return err
	}
	return setNeighbour(r.Handle, p.link, neighs, netlink.Neigh{IP: p.IP.AsSlice(), HardwareAddr: p.MAC})
}

// setNeighbour pins the hardware address of an IP address, so that the first
// packet waits for no answer. have are the link's neighbours.
func setNeighbour(h *netlink.Handle, l netlink.Link, have []netlink.Neigh, n netlink.Neigh) error {
	n.LinkIndex, n.Family, n.State = l.Attrs().Index, netlink.FAMILY_V4, netlink.NUD_PERMANENT
	for _, o := range have {
		if o.IP.Equal(n.IP) && o.State == n.State && o.HardwareAddr.String() == n.HardwareAddr.String() {
			return nil
		}
	}
	if err := h.NeighSet(&n); err != nil {
		return fmt.Errorf("setting neighbour %s of %s: %w", n.IP, l.Attrs().Name, err)
	}
	return nil
}
