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
	ports, err := r.setPorts(p.Ports)
	if err != nil {
		return err
	}
	want := append([]vpcnet.RouteEntry(nil), p.Routes...)
	for _, port := range ports {
		want = append(want, port.PortRoute())
	}
	if err := r.setRoutes(want); err != nil {
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
func (r *router) setPorts(declared []vpcnet.Port) ([]vpcnet.Port, error) {
	links, err := r.LinkList()
	if err != nil {
		return nil, fmt.Errorf("listing links: %w", err)
	}
	byLink := map[string]vpcnet.Port{}
	for _, p := range declared {
		byLink[p.Link] = p
	}
	var present []vpcnet.Port
	for _, l := range links {
		name := l.Attrs().Name
		port, ok := byLink[name]
		switch {
		case ok:
			if err := r.setPort(l, port); err != nil {
				return nil, err
			}
			present = append(present, port)
		case vpcnet.IsPortLink(name):
			if err := r.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
				return nil, fmt.Errorf("deleting link %s: %w", name, err)
			}
		}
	}
	return present, nil
}

// setPort makes the router's end of a port right, but for its route.
func (r *router) setPort(l netlink.Link, p vpcnet.Port) error {
	if err := inside(r.ns, func() error { return setSysctls(p.Sysctls()) }); err != nil {
		return err
	}
	gateway := vpcnet.Address{Link: p.Link, Prefix: hostPrefix(vpcnet.Gateway), Scope: vpcnet.ScopeLink}
	if err := setAddresses(r.Handle, l, []vpcnet.Address{gateway}); err != nil {
		return err
	}
	if err := setLink(r.Handle, l, p.MTU, ""); err != nil {
		return err
	}
	return setNeighbour(r.Handle, l, netlink.Neigh{IP: p.IP.AsSlice(), HardwareAddr: p.MAC})
}

// setNeighbour pins the hardware address of an IP address, so that the first
// packet waits for no answer.
func setNeighbour(h *netlink.Handle, l netlink.Link, n netlink.Neigh) error {
	n.LinkIndex, n.Family, n.State = l.Attrs().Index, netlink.FAMILY_V4, netlink.NUD_PERMANENT
	have, err := h.NeighList(n.LinkIndex, n.Family)
	if err != nil {
		return fmt.Errorf("listing neighbours of %s: %w", l.Attrs().Name, err)
	}
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
