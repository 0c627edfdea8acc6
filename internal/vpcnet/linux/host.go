package linux

import (
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"berth.dev/berth/internal/vpcnet"
)

// The settings of the host are shared by all instances. Each instance that
// relies on one keeps a file <state>/sysctl/<name>/<instance> with the value
// from before the first of them. The last instance to leave restores it.

func (d *Driver) sysctlDir(name string) string { return filepath.Join(d.stateDir, "sysctl", name) }

func (d *Driver) setHostSysctls(i vpcnet.Instance, list []vpcnet.Sysctl) error {
	if len(list) == 0 {
		return nil
	}
	unlock, err := d.lockState()
	if err != nil {
		return err
	}
	defer unlock()
	for _, s := range list {
		if err := d.rememberSysctl(i, s.Name); err != nil {
			return err
		}
	}
	return setSysctls(list)
}

func (d *Driver) rememberSysctl(i vpcnet.Instance, name string) error {
	dir := d.sysctlDir(name)
	mine := filepath.Join(dir, string(i))
	if _, err := os.Stat(mine); err == nil {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("remembering sysctl %s: %w", name, err)
	}
	value, err := readSysctl(name)
	if err != nil {
		return err
	}
	others, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("remembering sysctl %s: %w", name, err)
	}
	for _, o := range others {
		if b, err := os.ReadFile(filepath.Join(dir, o.Name())); err == nil && !strings.HasSuffix(o.Name(), ".tmp") {
			value = string(b)
			break
		}
	}
	tmp := mine + ".tmp"
	if err := os.WriteFile(tmp, []byte(value), 0o644); err != nil {
		return fmt.Errorf("remembering sysctl %s: %w", name, err)
	}
	if err := os.Rename(tmp, mine); err != nil {
		return fmt.Errorf("remembering sysctl %s: %w", name, err)
	}
	return nil
}

// restoreSysctls gives up the instance's share of the host's settings.
func (d *Driver) restoreSysctls(i vpcnet.Instance) error {
	names, err := os.ReadDir(filepath.Join(d.stateDir, "sysctl"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing remembered sysctls: %w", err)
	}
	unlock, err := d.lockState()
	if err != nil {
		return err
	}
	defer unlock()
	for _, n := range names {
		if err := d.restoreSysctl(i, n.Name()); err != nil {
			return err
		}
	}
	// These fail while another instance has a share; the lock is empty and may go.
	if os.Remove(filepath.Join(d.stateDir, "sysctl")) == nil {
		os.Remove(filepath.Join(d.stateDir, "lock"))
		os.Remove(d.stateDir)
	}
	return nil
}

func (d *Driver) restoreSysctl(i vpcnet.Instance, name string) error {
	dir := d.sysctlDir(name)
	mine := filepath.Join(dir, string(i))
	value, err := os.ReadFile(mine)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("restoring sysctl %s: %w", name, err)
	}
	shares, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("restoring sysctl %s: %w", name, err)
	}
	if len(shares) == 1 {
		if _, err := setSysctl(vpcnet.Sysctl{Name: name, Value: string(value)}); err != nil {
			return err
		}
	}
	if err := os.Remove(mine); err != nil {
		return fmt.Errorf("restoring sysctl %s: %w", name, err)
	}
	if len(shares) == 1 {
		os.Remove(dir)
	}
	return nil
}

// lockState keeps other processes of other instances out of the state folder.
func (d *Driver) lockState() (unlock func(), err error) {
	if err := os.MkdirAll(d.stateDir, 0o755); err != nil {
		return nil, fmt.Errorf("creating state folder: %w", err)
	}
	f, err := os.OpenFile(filepath.Join(d.stateDir, "lock"), os.O_RDWR|os.O_CREATE, 0o644)
	if err != nil {
		return nil, fmt.Errorf("locking state folder: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("locking state folder: %w", err)
	}
	return func() { f.Close() }, nil
}

// TransitConflictError says that another link of the host has the addresses of
// an uplink; FreeUplink finds others.
type TransitConflictError struct {
	Address netip.Prefix
	Link    string
}

func (e *TransitConflictError) Error() string {
	return fmt.Sprintf("the transit addresses %s are those of link %s", e.Address, e.Link)
}

// FreeUplink is the lowest uplink index whose addresses no link of the host has.
// It reserves nothing: Set answers TransitConflictError to the slower of two.
func (d *Driver) FreeUplink() (int, error) {
	used, err := transitUsers()
	if err != nil {
		return 0, err
	}
	i := vpcnet.Instance("berth-0000")
	for index := range vpcnet.MaxUplinks {
		u, err := i.Uplink(index, 0)
		if err != nil {
			return 0, err
		}
		if _, ok := used[netip.PrefixFrom(u.Host, 31)]; !ok {
			return index, nil
		}
	}
	return 0, errors.New("all transit addresses are in use")
}

// transitUsers finds the links of the host that have transit addresses, by their
// /31 as it begins.
func transitUsers() (map[netip.Prefix]string, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return nil, fmt.Errorf("opening netlink: %w", err)
	}
	defer h.Close()
	addrs, err := dump(func() ([]netlink.Addr, error) { return h.AddrList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return nil, fmt.Errorf("listing addresses: %w", err)
	}
	used := map[netip.Prefix]string{}
	for _, a := range addrs {
		ip, ok := netip.AddrFromSlice(a.IP.To4())
		if !ok || !vpcnet.TransitRange.Contains(ip) {
			continue
		}
		l, err := h.LinkByIndex(a.LinkIndex)
		if err != nil {
			continue // gone since
		}
		used[netip.PrefixFrom(ip, 31).Masked()] = l.Attrs().Name
	}
	return used, nil
}

// HostMTU is the MTU of the link by which the host reaches the internet;
// vpcnet.DefaultMTU if it has none. An uplink with a larger one loses packets.
func (d *Driver) HostMTU() (int, error) {
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return 0, fmt.Errorf("opening netlink: %w", err)
	}
	defer h.Close()
	routes, err := dump(func() ([]netlink.Route, error) { return h.RouteList(nil, netlink.FAMILY_V4) })
	if err != nil {
		return 0, fmt.Errorf("listing routes: %w", err)
	}
	for _, r := range routes {
		if toPrefix(r.Dst).Bits() != 0 || r.LinkIndex == 0 {
			continue
		}
		l, err := h.LinkByIndex(r.LinkIndex)
		if err != nil {
			return 0, fmt.Errorf("finding the link of the default route: %w", err)
		}
		return l.Attrs().MTU, nil
	}
	return vpcnet.DefaultMTU, nil
}
