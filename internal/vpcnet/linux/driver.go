package linux

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os/exec"
	"sync"

	"berth.dev/berth/internal/vpcnet"
)

// Options configure a Driver.
type Options struct {
	// StateDir holds the settings of the host from before Berth. All instances of
	// a host must share it, so that the last one to leave restores them. It
	// should not outlive a reboot: /run/berth.
	StateDir string
	// Log may be nil.
	Log *slog.Logger
}

// Driver applies plans. Its methods may be called at the same time; those on
// one namespace take turns.
type Driver struct {
	stateDir string
	log      *slog.Logger
	nft      string

	mu    sync.Mutex
	locks map[string]*sync.Mutex
}

// ErrNoNFT says that the host lacks the nft program.
var ErrNoNFT = errors.New("the program nft is missing (Debian package nftables)")

// ErrNoNamespace says that a namespace does not exist.
var ErrNoNamespace = errors.New("no such network namespace")

// New makes a driver. It fails with ErrNoNFT; it does not look whether the
// caller is root.
func New(o Options) (*Driver, error) {
	nft, err := exec.LookPath("nft")
	if err != nil {
		return nil, fmt.Errorf("looking for nft: %w", errors.Join(ErrNoNFT, err))
	}
	if o.StateDir == "" {
		o.StateDir = "/run/berth"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return &Driver{stateDir: o.StateDir, log: o.Log, nft: nft, locks: map[string]*sync.Mutex{}}, nil
}

// hostLock guards what the VPCs of the host share; no namespace has this name.
const hostLock = ""

func (d *Driver) lock(name string) (unlock func()) {
	d.mu.Lock()
	l := d.locks[name]
	if l == nil {
		l = &sync.Mutex{}
		d.locks[name] = l
	}
	d.mu.Unlock()
	l.Lock()
	return l.Unlock
}

// Set makes the host and the plan's namespace what the plan says: it adds what
// is missing, corrects what differs and removes what is no longer declared,
// and changes nothing that is right. Pods' links that exist stay attached.
func (d *Driver) Set(ctx context.Context, p vpcnet.Plan) error {
	defer d.lock(p.Namespace)()
	if err := d.setHost(ctx, p); err != nil {
		return fmt.Errorf("setting up the host for %s: %w", p.Namespace, err)
	}
	ns, err := ensureNamespace(p.Namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	r, err := openRouter(ns)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := r.set(p); err != nil {
		return fmt.Errorf("setting up namespace %s: %w", p.Namespace, err)
	}
	if err := awaitUplink(ctx, r, p.Host.Link); err != nil {
		return fmt.Errorf("setting up namespace %s: %w", p.Namespace, err)
	}
	if err := d.setRuleset(ctx, ns, vpcnet.TableName, p.Ruleset); err != nil {
		return fmt.Errorf("setting up namespace %s: %w", p.Namespace, err)
	}
	return nil
}

func (d *Driver) setHost(ctx context.Context, p vpcnet.Plan) error {
	defer d.lock(hostLock)()
	if err := d.setHostSysctls(p.Instance, p.Host.Sysctls); err != nil {
		return err
	}
	if err := d.setRuleset(ctx, nil, p.Host.Table, p.Host.Ruleset); err != nil {
		return err
	}
	ns, err := ensureNamespace(p.Namespace)
	if err != nil {
		return err
	}
	defer ns.Close()
	return setUplink(p, ns)
}

// Delete removes a namespace with everything in it, and the host's end of its
// uplink. Deleting what does not exist is no error.
func (d *Driver) Delete(_ context.Context, namespace string) error {
	defer d.lock(namespace)()
	if err := deleteNamespace(namespace); err != nil {
		return err
	}
	return deleteHostLinks(func(_, alias string) bool { return alias == namespace })
}
