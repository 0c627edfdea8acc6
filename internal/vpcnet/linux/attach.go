package linux

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"

	"berth.dev/berth/internal/vpcnet"
)

// Attachment is a pod's link as the pod sees it.
type Attachment struct {
	// PodLink is the link's name in the pod, RouterLink its other end's.
	PodLink, RouterLink string
	MAC                 net.HardwareAddr
	Address             netip.Prefix
	Gateway             netip.Addr
	MTU                 int
}

// attached is the alias of a link whose pod's side is done. A sandbox with a
// network stack of its own takes the addresses off the link when it starts; they
// must not be put back.
const attached = "attached"

// Attach connects a pod's namespace to a port of a plan that was Set: the pod
// gets a link with the interface's address and a default route. It may be
// repeated; a pod in another namespace takes the port over.
func (d *Driver) Attach(ctx context.Context, p vpcnet.Port, podNamespace, podLink string) (Attachment, error) {
	defer d.lock(p.Namespace)()
	a := Attachment{
		PodLink: podLink, RouterLink: p.Link, MAC: p.MAC,
		Address: hostPrefix(p.IP), Gateway: vpcnet.Gateway, MTU: p.MTU,
	}
	if err := attach(ctx, p, podNamespace, podLink); err != nil {
		return Attachment{}, fmt.Errorf("attaching interface %s to %s: %w", p.Interface, podNamespace, err)
	}
	return a, nil
}

// ErrHostNamespace says that a pod shares the host's network, which has no place
// for an interface.
var ErrHostNamespace = errors.New("it is the host's network namespace")

func notHost(ns *os.File) error {
	pod, err := ns.Stat()
	if err != nil {
		return err
	}
	host, err := os.Stat("/proc/self/ns/net")
	if err != nil {
		return err
	}
	if os.SameFile(pod, host) {
		return ErrHostNamespace
	}
	return nil
}

func attach(ctx context.Context, p vpcnet.Port, podNamespace, podLink string) error {
	ns, err := openNamespace(p.Namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	podNS, err := openNamespaceAt(podNamespace)
	if err != nil {
		return err
	}
	defer podNS.Close()
	if err := notHost(podNS); err != nil {
		return err
	}
	r, err := openRouter(ns)
	if err != nil {
		return err
	}
	defer r.Close()
	pod, err := netlink.NewHandleAt(netns.NsHandle(podNS.Fd()), unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("opening netlink in %s: %w", podNamespace, err)
	}
	defer pod.Close()
	l, err := ensurePair(r.Handle, pod, pair{name: p.Link, peer: podLink, mac: p.MAC, peerNS: podNS, mtu: p.MTU})
	if err != nil {
		return err
	}
	if l.Attrs().Alias != attached {
		if err := setPod(pod, podNS, p, podLink, l.Attrs().HardwareAddr); err != nil {
			return err
		}
	}
	if err := r.setPortLinks([]portLink{{p, l}}); err != nil {
		return err
	}
	if err := r.setPortRoute(l, p); err != nil {
		return err
	}
	if err := errors.Join(awaitUp(ctx, r.Handle, p.Link), awaitUp(ctx, pod, podLink)); err != nil {
		return err
	}
	return setLink(r.Handle, l, 0, attached)
}

func (r *router) setPortRoute(l netlink.Link, p vpcnet.Port) error {
	want := []vpcnet.RouteEntry{p.PortRoute()}
	missing, err := wantedRoutes(linkIndices([]netlink.Link{l}), want)
	if err != nil {
		return err
	}
	return r.addRoutes(want, missing)
}

// setPod makes the pod's side. Its default route names a gateway outside any
// network of the link, with a route of its own: what runc's pods use as it is
// and what a sandbox's own network stack can copy.
func setPod(h *netlink.Handle, ns *os.File, p vpcnet.Port, name string, routerMAC net.HardwareAddr) error {
	l, err := h.LinkByName(name)
	if err != nil {
		return fmt.Errorf("finding link %s: %w", name, err)
	}
	lo, err := h.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("finding link lo: %w", err)
	}
	if err := setLink(h, lo, 0, ""); err != nil {
		return err
	}
	sysctl := vpcnet.Sysctl{Name: "net.ipv6.conf." + name + ".disable_ipv6", Value: "1"}
	if err := inside(ns, func() error { return setSysctls([]vpcnet.Sysctl{sysctl}) }); err != nil {
		return err
	}
	address := vpcnet.Address{Link: name, Prefix: hostPrefix(p.IP), Scope: vpcnet.ScopeGlobal}
	if err := setAddresses(h, l, []vpcnet.Address{address}); err != nil {
		return err
	}
	if err := setLink(h, l, p.MTU, ""); err != nil {
		return err
	}
	gateway := netlink.Neigh{IP: vpcnet.Gateway.AsSlice(), HardwareAddr: routerMAC}
	if err := setNeighbour(h, l, nil, gateway); err != nil {
		return err
	}
	index := l.Attrs().Index
	for _, r := range []netlink.Route{
		{LinkIndex: index, Dst: toIPNet(hostPrefix(vpcnet.Gateway)), Scope: netlink.SCOPE_LINK},
		{LinkIndex: index, Dst: toIPNet(netip.PrefixFrom(netip.IPv4Unspecified(), 0)), Gw: vpcnet.Gateway.AsSlice()},
	} {
		if err := h.RouteReplace(&r); err != nil {
			return fmt.Errorf("adding route %s: %w", r, err)
		}
	}
	return nil
}

// Detach disconnects whatever pod is attached to a port. Detaching an empty port,
// or one of a namespace that is gone, is no error.
func (d *Driver) Detach(_ context.Context, p vpcnet.Port) error {
	defer d.lock(p.Namespace)()
	ns, err := openNamespace(p.Namespace)
	if errors.Is(err, ErrNoNamespace) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("detaching interface %s: %w", p.Interface, err)
	}
	defer ns.Close()
	r, err := openRouter(ns)
	if err != nil {
		return fmt.Errorf("detaching interface %s: %w", p.Interface, err)
	}
	defer r.Close()
	l, err := findLink(r.Handle, p.Link)
	if err == nil && l != nil {
		err = r.LinkDel(l)
	}
	if err != nil && !errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("detaching interface %s: %w", p.Interface, err)
	}
	return nil
}
