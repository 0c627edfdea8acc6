// Package machine tells a kubelet what machine it runs on: the size its node
// was given, not the host's.
//
// It stands where upstream has cadvisor, which would measure the whole host once
// per kubelet. Statistics of pods and containers come from the container
// runtime instead. Only package kubelet imports it.
package machine

import (
	"context"
	"fmt"
	"os"
	"strings"
	"time"

	cadvisorapi "github.com/google/cadvisor/info/v1"
	cadvisorapiv2 "github.com/google/cadvisor/info/v2"
	"golang.org/x/sys/unix"
	"k8s.io/kubernetes/pkg/kubelet/cadvisor"

	"berth.dev/berth/dataplane"
)

// Machine is the machine of one node.
type Machine struct {
	root     string
	capacity dataplane.Size
	version  cadvisorapi.VersionInfo
	bootID   string
	uuid     string
	usage    func() uint64
	now      func() time.Time
}

var _ cadvisor.Interface = (*Machine)(nil)

// New describes a node of the given capacity whose files are under root; uuid
// identifies the machine, usage is the memory that its pods use in bytes, now is
// the clock.
func New(root, uuid string, capacity dataplane.Size, usage func() uint64, now func() time.Time) *Machine {
	return &Machine{
		root: root, capacity: capacity, uuid: uuid, usage: usage, now: now,
		version: cadvisorapi.VersionInfo{KernelVersion: kernel(), ContainerOsVersion: osImage("/etc/os-release")},
		bootID:  firstLine("/proc/sys/kernel/random/boot_id"),
	}
}

// Start has nothing to start.
func (m *Machine) Start() error { return nil }

// MachineInfo is the node's capacity, in whole cores.
func (m *Machine) MachineInfo() (*cadvisorapi.MachineInfo, error) {
	cores := int((m.capacity.MilliCPU + 999) / 1000)
	return &cadvisorapi.MachineInfo{
		NumCores: cores, NumPhysicalCores: cores, NumSockets: 1,
		MemoryCapacity: uint64(m.capacity.MemoryBytes),
		SystemUUID:     m.uuid,
		BootID:         m.bootID,
	}, nil
}

// VersionInfo is the host's kernel and operating system.
func (m *Machine) VersionInfo() (*cadvisorapi.VersionInfo, error) {
	version := m.version
	return &version, nil
}

// RootFsInfo is the node's ephemeral storage, of which no more is available
// than the host's file system has left.
func (m *Machine) RootFsInfo() (cadvisorapiv2.FsInfo, error) {
	info, err := m.GetDirFsInfo(m.root)
	if err != nil {
		return info, err
	}
	if limit := uint64(m.capacity.EphemeralBytes); limit > 0 {
		info.Capacity = limit
		info.Available = min(info.Available, limit)
		info.Usage = limit - info.Available
	}
	return info, nil
}

// ImagesFsInfo is the same file system as the root's.
func (m *Machine) ImagesFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) { return m.RootFsInfo() }

// ContainerFsInfo is the same file system as the root's.
func (m *Machine) ContainerFsInfo(context.Context) (cadvisorapiv2.FsInfo, error) {
	return m.RootFsInfo()
}

// GetDirFsInfo measures the file system that holds path.
func (m *Machine) GetDirFsInfo(path string) (cadvisorapiv2.FsInfo, error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(path, &fs); err != nil {
		return cadvisorapiv2.FsInfo{}, fmt.Errorf("measuring file system of %s: %w", path, err)
	}
	block := uint64(fs.Bsize)
	files, free := fs.Files, fs.Ffree
	return cadvisorapiv2.FsInfo{
		Timestamp: m.now(), Mountpoint: path,
		Capacity: fs.Blocks * block, Available: fs.Bavail * block, Usage: (fs.Blocks - fs.Bfree) * block,
		Inodes: &files, InodesFree: &free,
	}, nil
}

// ContainerInfoV2 knows one container, whatever its name: the machine with its
// pods, which is all that the kubelet asks about (the root, and the cgroup that
// holds the pods). Processor time is not measured.
func (m *Machine) ContainerInfoV2(name string, _ cadvisorapiv2.RequestOptions) (map[string]cadvisorapiv2.ContainerInfo, error) {
	used := m.usage()
	return map[string]cadvisorapiv2.ContainerInfo{name: {
		Spec: cadvisorapiv2.ContainerSpec{
			HasMemory: true,
			Memory:    cadvisorapiv2.MemorySpec{Limit: uint64(m.capacity.MemoryBytes)},
		},
		Stats: []*cadvisorapiv2.ContainerStats{{
			Timestamp: m.now(),
			Memory:    &cadvisorapi.MemoryStats{Usage: used, WorkingSet: used, RSS: used},
		}},
	}}, nil
}

// GetRequestedContainersInfo knows no container.
func (m *Machine) GetRequestedContainersInfo(string, cadvisorapiv2.RequestOptions) (map[string]*cadvisorapi.ContainerInfo, error) {
	return map[string]*cadvisorapi.ContainerInfo{}, nil
}

func kernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return unix.ByteSliceToString(name.Release[:])
}

func osImage(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "Linux"
	}
	return prettyName(string(data))
}

// prettyName finds PRETTY_NAME in the text of an os-release file.
func prettyName(release string) string {
	for line := range strings.Lines(release) {
		if value, found := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); found {
			return strings.Trim(value, `"'`)
		}
	}
	return "Linux"
}

func firstLine(path string) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	line, _, _ := strings.Cut(string(data), "\n")
	return line
}
