package linux

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// hostState is everything of the host that a driver may touch, as text.
func (s *stage) hostState() string {
	s.Helper()
	var b strings.Builder
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	s.check(err)
	defer h.Close()
	links, err := h.LinkList()
	s.check(err)
	for _, l := range links {
		addrs, err := h.AddrList(l, netlink.FAMILY_V4)
		s.check(err)
		fmt.Fprintln(&b, "link", l.Attrs().Name, l.Type(), l.Attrs().OperState, addrs)
	}
	routes, err := h.RouteListFiltered(netlink.FAMILY_V4, &netlink.Route{}, netlink.RT_FILTER_TABLE)
	s.check(err)
	for _, r := range routes {
		fmt.Fprintln(&b, "route", r)
	}
	rules, err := h.RuleList(netlink.FAMILY_V4)
	s.check(err)
	for _, r := range rules {
		fmt.Fprintln(&b, r)
	}
	out, err := exec.Command("nft", "list", "ruleset").CombinedOutput()
	s.check(err)
	b.Write(out)
	mounts, err := os.ReadFile("/proc/self/mounts")
	s.check(err)
	b.Write(mounts)
	files, err := filepath.Glob("/run/*")
	s.check(err)
	more, err := filepath.Glob("/run/*/*")
	s.check(err)
	fmt.Fprintln(&b, files, more)
	s.check(filepath.Walk("/proc/sys/net/ipv4", func(path string, info os.FileInfo, err error) error {
		if err != nil || info.IsDir() || strings.Contains(path, "/neigh/") {
			return err
		}
		if v, err := os.ReadFile(path); err == nil {
			fmt.Fprintf(&b, "%s=%s\n", path, strings.TrimSpace(string(v)))
		}
		return nil
	}))
	lines := strings.Split(b.String(), "\n")
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// changesIn counts the changes of links, addresses, routes, rules and nftables
// tables that f makes in a namespace.
func (s *stage) changesIn(namespace string, f func()) int {
	s.Helper()
	ns, err := openNamespace(namespace)
	s.check(err)
	defer ns.Close()
	home, err := netns.Get()
	s.check(err)
	defer home.Close()
	sock, err := nl.SubscribeAt(netns.NsHandle(ns.Fd()), home, unix.NETLINK_ROUTE, unix.RTNLGRP_LINK,
		unix.RTNLGRP_IPV4_IFADDR, unix.RTNLGRP_IPV4_ROUTE, unix.RTNLGRP_IPV4_RULE)
	s.check(err)
	defer sock.Close()
	tables := s.tableHandles(namespace)
	f()
	changes := 0
	if after := s.tableHandles(namespace); after != tables {
		s.Logf("nftables was\n%s\nis\n%s", tables, after)
		changes++
	}
	// The kernel queues its messages before it answers the change itself.
	s.check(sock.SetReceiveTimeout(&unix.Timeval{Usec: 10_000}))
	for {
		msgs, _, err := sock.Receive()
		if err != nil {
			return changes
		}
		for _, m := range msgs {
			s.Logf("netlink message of type %d: %x", m.Header.Type, m.Data)
			changes++
		}
	}
}

// tableHandles has new numbers in it whenever a table was replaced.
func (s *stage) tableHandles(namespace string) string {
	s.Helper()
	var b strings.Builder
	cmd := exec.Command("nft", "-a", "list", "ruleset")
	cmd.Stdout, cmd.Stderr = &b, &b
	s.check(s.d.Start(namespace, cmd))
	s.check(cmd.Wait())
	return b.String()
}
