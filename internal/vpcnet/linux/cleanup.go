package linux

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"berth.dev/berth/internal/vpcnet"
)

// Inventory is what an instance has on the host. It is empty after CleanUp.
type Inventory struct {
	Namespaces []string
	Links      []string
	Tables     []string
	// Sysctls are the host's settings that are remembered to be restored.
	Sysctls []string
}

// Inventory looks for everything that bears the instance's tag.
func (d *Driver) Inventory(ctx context.Context, i vpcnet.Instance) (Inventory, error) {
	if _, err := vpcnet.ParseInstance(string(i)); err != nil {
		return Inventory{}, err
	}
	var inv Inventory
	var err error
	if inv.Namespaces, err = namespaces(i.NamespacePrefix()); err != nil {
		return Inventory{}, err
	}
	h, err := netlink.NewHandle(unix.NETLINK_ROUTE)
	if err != nil {
		return Inventory{}, fmt.Errorf("opening netlink: %w", err)
	}
	defer h.Close()
	links, err := dump(h.LinkList)
	if err != nil {
		return Inventory{}, fmt.Errorf("listing links: %w", err)
	}
	for _, l := range links {
		if strings.HasPrefix(l.Attrs().Name, i.LinkPrefix()) {
			inv.Links = append(inv.Links, l.Attrs().Name)
		}
	}
	tables, err := d.hostTables(ctx)
	if err != nil {
		return Inventory{}, err
	}
	if slices.Contains(tables, i.Table()) {
		inv.Tables = append(inv.Tables, i.Table())
	}
	for _, s := range []string{"net.ipv4.ip_forward"} {
		if _, err := os.Stat(d.sysctlDir(s) + "/" + string(i)); err == nil {
			inv.Sysctls = append(inv.Sysctls, s)
		}
	}
	return inv, nil
}

// CleanUp removes everything of an instance from the host and restores the
// host's settings if no other instance needs them. It goes on after an error
// and returns all of them; it can be repeated.
func (d *Driver) CleanUp(ctx context.Context, i vpcnet.Instance) error {
	if _, err := vpcnet.ParseInstance(string(i)); err != nil {
		return err
	}
	names, err := namespaces(i.NamespacePrefix())
	errs := []error{err}
	for _, name := range names {
		errs = append(errs, d.Delete(ctx, name))
	}
	// Only now: Set takes a namespace's lock before the host's.
	defer d.lock(hostLock)()
	errs = append(errs,
		deleteHostLinks(func(name, _ string) bool { return strings.HasPrefix(name, i.LinkPrefix()) }),
		d.deleteTable(ctx, i.Table()),
		d.restoreSysctls(i),
	)
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("cleaning up %s: %w", i, err)
	}
	return nil
}
