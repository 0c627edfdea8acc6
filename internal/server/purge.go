package server

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"
	"golang.org/x/sys/unix"

	"berth.dev/berth/internal/agent"
	"berth.dev/berth/internal/agent/containerd"
	"berth.dev/berth/internal/store/etcd"
	"berth.dev/berth/internal/vpcnet"
	"berth.dev/berth/internal/vpcnet/linux"
)

// containerLogs is where kubelets link the logs of containers.
const containerLogs = "/var/log/containers"

// Purge removes everything that a stopped Berth left on the host and in an
// external etcd, whoever was killed before. It needs no record to be readable,
// and goes on after an error to remove what it can.
func Purge(ctx context.Context, o Options) error {
	if err := o.Validate(); err != nil {
		return err
	}
	if _, err := os.Stat(o.DataDir); err == nil {
		unlock, err := lock(o.DataDir)
		if err != nil {
			return err
		}
		defer unlock()
	}
	var failures []error
	if canNamespace() {
		failures = append(failures, purgeHost(ctx, o))
	}
	failures = append(failures, purgeEtcd(ctx, o), removeLogLinks(containerLogs, o.DataDir))
	if err := errors.Join(failures...); err != nil {
		return err
	}
	if err := os.RemoveAll(o.DataDir); err != nil {
		return fmt.Errorf("removing the data folder: %w", err)
	}
	return nil
}

// purgeHost removes processes, cgroups, mounts and networks.
func purgeHost(ctx context.Context, o Options) error {
	err := containerd.CleanUp(ctx, agent.Paths(filepath.Join(o.DataDir, "agent")), "/"+o.Instance())
	if err != nil {
		err = fmt.Errorf("removing pods: %w", err)
	}
	return errors.Join(err, unmountBelow(o.DataDir), purgeNetwork(ctx, o))
}

func purgeNetwork(ctx context.Context, o Options) error {
	instance, err := vpcnet.ParseInstance(o.Instance())
	if err != nil {
		return err
	}
	driver, err := linux.New(linux.Options{Log: o.Log})
	if errors.Is(err, linux.ErrNoNFT) {
		// Without nft there never was a network of ours.
		return nil
	}
	if err != nil {
		return err
	}
	if err := driver.CleanUp(ctx, instance); err != nil {
		return fmt.Errorf("removing networks: %w", err)
	}
	return nil
}

// unmountBelow unmounts what kubelets mounted for pods, the innermost first.
func unmountBelow(dir string) error {
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		return fmt.Errorf("listing mounts: %w", err)
	}
	defer f.Close()
	var points []string
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) > 4 && strings.HasPrefix(fields[4], dir+"/") {
			points = append(points, strings.ReplaceAll(fields[4], `\040`, " "))
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("listing mounts: %w", err)
	}
	slices.Reverse(points)
	var failures []error
	for _, p := range points {
		if err := unix.Unmount(p, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
			failures = append(failures, fmt.Errorf("unmounting %s: %w", p, err))
		}
	}
	return errors.Join(failures...)
}

// removeLogLinks removes the links in a folder to logs below a data folder, and
// the folder of links when that leaves it empty.
func removeLogLinks(folder, dataDir string) error {
	links, err := os.ReadDir(folder)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("listing the links to logs: %w", err)
	}
	for _, l := range links {
		path := filepath.Join(folder, l.Name())
		if target, err := os.Readlink(path); err == nil && strings.HasPrefix(target, dataDir+"/") {
			if err := os.Remove(path); err != nil {
				return fmt.Errorf("removing a link to a log: %w", err)
			}
		}
	}
	if err := os.Remove(folder); err != nil && !errors.Is(err, os.ErrNotExist) && !errors.Is(err, unix.ENOTEMPTY) && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("removing the folder of links to logs: %w", err)
	}
	return nil
}

// purgeEtcd removes the records of a Berth from an external etcd.
func purgeEtcd(ctx context.Context, o Options) error {
	if len(o.EtcdEndpoints) == 0 {
		return nil
	}
	client, err := etcd.Dial(ctx, o.EtcdEndpoints, nil)
	if err != nil {
		return err
	}
	defer client.Close()
	for _, prefix := range []string{"/berth/", "/clusters/"} {
		if _, err := client.Delete(ctx, prefix, clientv3.WithPrefix()); err != nil {
			return fmt.Errorf("removing %s from etcd: %w", prefix, err)
		}
	}
	return nil
}
