package linux

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"berth.dev/berth/internal/vpcnet"
)

// routeProtocol marks the routes that this package made.
const routeProtocol netlink.RouteProtocol = 98

var routeTypes = map[vpcnet.RouteType]int{
	vpcnet.RouteUnicast:     unix.RTN_UNICAST,
	vpcnet.RouteLocal:       unix.RTN_LOCAL,
	vpcnet.RouteUnreachable: unix.RTN_UNREACHABLE,
	vpcnet.RouteBlackhole:   unix.RTN_BLACKHOLE,
}

func hostPrefix(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }

// routeKey is what the kernel tells routes apart by.
type routeKey struct {
	table  int
	dst    netip.Prefix
	metric int
}

// routeValue is the rest of a route.
type routeValue struct {
	kind  int
	link  int
	via   netip.Addr
	src   netip.Addr
	scope netlink.Scope
}

// linkIndices are the kernel's numbers of links by name.
func linkIndices(links []netlink.Link) map[string]int {
	indices := make(map[string]int, len(links))
	for _, l := range links {
		indices[l.Attrs().Name] = l.Attrs().Index
	}
	return indices
}

func (r *router) setRoutes(links map[string]int, want []vpcnet.RouteEntry) error {
	missing, err := wantedRoutes(links, want)
	if err != nil {
		return err
	}
	have, err := dump(func() ([]netlink.Route, error) {
		return r.RouteListFiltered(netlink.FAMILY_V4,
			&netlink.Route{Table: unix.RT_TABLE_UNSPEC, Protocol: routeProtocol},
			netlink.RT_FILTER_TABLE|netlink.RT_FILTER_PROTOCOL)
	})
	if err != nil {
		return fmt.Errorf("listing routes: %w", err)
	}
	var extra []netlink.Route
	for _, h := range have {
		key := routeKey{h.Table, toPrefix(h.Dst), h.Priority}
		w, ok := missing[key]
		switch {
		case !ok:
			extra = append(extra, h)
		case w == valueOf(h):
			delete(missing, key)
		}
	}
	if err := r.addRoutes(want, missing); err != nil {
		return err
	}
	for _, e := range extra {
		e.Dst, e.Flags = toIPNet(toPrefix(e.Dst)), 0
		if err := r.RouteDel(&e); err != nil && !errors.Is(err, unix.ESRCH) {
			return fmt.Errorf("deleting route %s: %w", e, err)
		}
	}
	return nil
}

func wantedRoutes(links map[string]int, want []vpcnet.RouteEntry) (map[routeKey]routeValue, error) {
	out := make(map[routeKey]routeValue, len(want))
	for _, w := range want {
		link, ok := links[w.Link]
		if !ok && w.Link != "" {
			return nil, fmt.Errorf("adding route %s: no link %s", w, w.Link)
		}
		out[keyOf(w)] = routeValue{
			kind: routeTypes[w.Type], link: link, via: w.Via, src: w.Source, scope: scopes[w.Scope],
		}
	}
	return out, nil
}

func keyOf(w vpcnet.RouteEntry) routeKey { return routeKey{int(w.Table), w.Destination, w.Metric} }

func valueOf(h netlink.Route) routeValue {
	return routeValue{kind: h.Type, link: h.LinkIndex, via: toAddr(h.Gw), src: toAddr(h.Src), scope: h.Scope}
}

func (r *router) addRoutes(want []vpcnet.RouteEntry, missing map[routeKey]routeValue) error {
	for _, w := range want {
		v, ok := missing[keyOf(w)]
		if !ok {
			continue
		}
		route := netlink.Route{
			Table: int(w.Table), Type: v.kind, Dst: toIPNet(w.Destination), LinkIndex: v.link,
			Gw: w.Via.AsSlice(), Src: w.Source.AsSlice(), Scope: v.scope, Priority: w.Metric,
			Protocol: routeProtocol, Family: netlink.FAMILY_V4,
		}
		if w.Via.IsValid() {
			// Without it a gateway would need the route that the kernel made for the
			// link's address, which may be what was lost.
			route.Flags = int(netlink.FLAG_ONLINK)
		}
		if err := r.RouteReplace(&route); err != nil {
			return fmt.Errorf("adding route %s: %w", w, err)
		}
	}
	return nil
}

// ruleKey is a rule as far as a plan can say it; other is set for all others.
type ruleKey struct {
	priority  int
	from      netip.Prefix
	tcpPort   uint16
	table     int
	noDefault bool
	other     bool
}

// setRules makes the rules of the namespace exactly these. Missing ones are
// added before superfluous ones go, so that no packet finds none.
func (r *router) setRules(want []vpcnet.Rule) error {
	missing := map[ruleKey]bool{}
	for _, w := range want {
		missing[ruleKey{w.Priority, w.From, w.TCPPort, int(w.Table), w.NoDefault, false}] = true
	}
	have, err := dump(func() ([]netlink.Rule, error) { return r.RuleList(netlink.FAMILY_V4) })
	if err != nil {
		return fmt.Errorf("listing rules: %w", err)
	}
	var extra []netlink.Rule
	for _, h := range have {
		key := ruleKeyOf(h)
		if missing[key] {
			delete(missing, key)
		} else {
			extra = append(extra, h)
		}
	}
	for _, w := range want {
		if !missing[ruleKey{w.Priority, w.From, w.TCPPort, int(w.Table), w.NoDefault, false}] {
			continue
		}
		if err := r.RuleAdd(toRule(w)); err != nil && !errors.Is(err, unix.EEXIST) {
			return fmt.Errorf("adding rule %s: %w", w, err)
		}
	}
	for _, e := range extra {
		if err := r.RuleDel(&e); err != nil && !errors.Is(err, unix.ENOENT) {
			return fmt.Errorf("deleting rule %s: %w", e, err)
		}
	}
	return nil
}

func toRule(w vpcnet.Rule) *netlink.Rule {
	n := netlink.NewRule()
	n.Family, n.Priority, n.Table = netlink.FAMILY_V4, w.Priority, int(w.Table)
	if w.From.IsValid() {
		n.Src = toIPNet(w.From)
	}
	if w.TCPPort != 0 {
		n.IPProto, n.Dport = unix.IPPROTO_TCP, netlink.NewRulePortRange(w.TCPPort, w.TCPPort)
	}
	if w.NoDefault {
		n.SuppressPrefixlen = 0
	}
	return n
}

func ruleKeyOf(h netlink.Rule) ruleKey {
	k := ruleKey{priority: h.Priority, table: h.Table, noDefault: h.SuppressPrefixlen == 0}
	if h.Src != nil {
		k.from = toPrefix(h.Src)
	}
	if h.Dport != nil && h.IPProto == unix.IPPROTO_TCP && h.Dport.Start == h.Dport.End {
		k.tcpPort = h.Dport.Start
	}
	k.other = h.Dst != nil || h.Mark != 0 || h.Mask != nil || h.IifName != "" || h.OifName != "" || h.Invert ||
		h.Sport != nil || h.SuppressIfgroup >= 0 || h.SuppressPrefixlen > 0 || h.Goto >= 0 ||
		(h.Dport != nil && k.tcpPort == 0)
	return k
}
