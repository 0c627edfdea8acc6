// Package podcgroup is the container manager of a Berth kubelet: it gives each
// pod a cgroup of the size that the node was sold with, under the node's own
// cgroup, and reports the node's capacity.
//
// It manages no devices, no CPU or memory placement and no cgroups per quality
// of service: a node holds one pod, whose size is the node's. Cgroups are
// upstream's cgroupfs ones, version 1 or 2. Only package kubelet imports it.
package podcgroup

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strings"

	v1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/kubelet/cm"

	"berth.dev/berth/dataplane"
)

// cpuPeriod is the length of a CPU quota's period in microseconds, the
// kernel's default.
const cpuPeriod = 100_000

// podPrefix begins the name of a pod's cgroup, as it does upstream.
const podPrefix = "pod"

// Limits are a pod cgroup's numbers for a size. What is zero is not limited.
func Limits(size dataplane.Size) *cm.ResourceConfig {
	limits := &cm.ResourceConfig{}
	if size.MilliCPU > 0 {
		quota, period, shares := cm.MilliCPUToQuota(size.MilliCPU, cpuPeriod), uint64(cpuPeriod), cm.MilliCPUToShares(size.MilliCPU)
		limits.CPUQuota, limits.CPUPeriod, limits.CPUShares = &quota, &period, &shares
	}
	if size.MemoryBytes > 0 {
		memory := size.MemoryBytes
		limits.Memory = &memory
	}
	return limits
}

// Manager is a container manager for one node.
type Manager struct {
	cm.ContainerManager
	cgroups  cm.CgroupManager
	parent   cm.CgroupName
	size     dataplane.Size
	capacity dataplane.Size
}

// Cgroups is the host's cgroup file system, which all nodes of a process share.
// It is nil where there is none to write to; pods are then not limited.
type Cgroups struct {
	manager cm.CgroupManager
}

// OpenCgroups finds the host's cgroup hierarchy.
func OpenCgroups(logger klog.Logger) (*Cgroups, error) {
	subsystems, err := cm.GetCgroupSubsystems()
	if err != nil {
		return nil, fmt.Errorf("finding cgroups: %w", err)
	}
	return &Cgroups{manager: cm.NewCgroupManager(logger, subsystems, "cgroupfs")}, nil
}

// New returns the manager of the named node, whose pods live under
// parent/<node>. It touches nothing until a pod starts.
func New(cgroups *Cgroups, parent string, node dataplane.Node) *Manager {
	manager := &Manager{
		ContainerManager: cm.NewStubContainerManager(),
		parent:           cm.ParseCgroupfsToCgroupName(path.Join("/", parent, node.Name)),
		size:             node.Size,
		capacity:         node.Capacity,
	}
	if cgroups != nil {
		manager.cgroups = cgroups.manager
	}
	return manager
}

// Usage is the memory that the node's pods use, in bytes; 0 while there are none.
func (m *Manager) Usage() uint64 {
	if m.cgroups == nil || !m.cgroups.Exists(m.parent) {
		return 0
	}
	usage, err := m.cgroups.MemoryUsage(m.parent)
	if err != nil {
		return 0 // the cgroup went meanwhile
	}
	return uint64(max(usage, 0))
}

// Remove removes the node's cgroup with everything in it. Processes that are
// left in it make it fail.
func (m *Manager) Remove(logger klog.Logger) error {
	if m.cgroups == nil || !m.cgroups.Exists(m.parent) {
		return nil
	}
	if err := m.cgroups.Destroy(logger, &cm.CgroupConfig{Name: m.parent}); err != nil {
		return fmt.Errorf("removing cgroup %s: %w", m.parent.ToCgroupfs(), err)
	}
	return nil
}

// GetNodeConfig tells the kubelet which version of cgroups the host has, so
// that it does not look for itself.
func (m *Manager) GetNodeConfig() cm.NodeConfig {
	config := cm.NodeConfig{CgroupDriver: "cgroupfs", CgroupsPerQOS: true}
	if m.cgroups != nil {
		config.CgroupVersion = m.cgroups.Version()
	}
	return config
}

// GetPodCgroupRoot is the node's cgroup.
func (m *Manager) GetPodCgroupRoot() string { return m.parent.ToCgroupfs() }

// GetCapacity is the node's ephemeral storage; the rest of its capacity is the
// machine's.
func (m *Manager) GetCapacity(bool) v1.ResourceList {
	return v1.ResourceList{v1.ResourceEphemeralStorage: *resource.NewQuantity(m.capacity.EphemeralBytes, resource.BinarySI)}
}

// memoryReserve is the part of a node's memory that is not allocatable:
// the difference that real Fargate nodes show.
const memoryReserve = 100 << 20

// GetNodeAllocatableReservation reserves what real Fargate nodes do: 100 MiB of
// memory and a tenth of the ephemeral storage.
func (m *Manager) GetNodeAllocatableReservation() v1.ResourceList {
	reserved := v1.ResourceList{}
	if m.capacity.MemoryBytes > 0 {
		reserved[v1.ResourceMemory] = *resource.NewQuantity(memoryReserve, resource.BinarySI)
	}
	if m.capacity.EphemeralBytes > 0 {
		reserved[v1.ResourceEphemeralStorage] = *resource.NewQuantity(m.capacity.EphemeralBytes/10, resource.BinarySI)
	}
	return reserved
}

// GetNodeAllocatableAbsolute is the node's capacity: nothing else runs on it.
func (m *Manager) GetNodeAllocatableAbsolute() v1.ResourceList {
	return v1.ResourceList{
		v1.ResourceCPU:              *resource.NewMilliQuantity(m.capacity.MilliCPU, resource.DecimalSI),
		v1.ResourceMemory:           *resource.NewQuantity(m.capacity.MemoryBytes, resource.BinarySI),
		v1.ResourceEphemeralStorage: *resource.NewQuantity(m.capacity.EphemeralBytes, resource.BinarySI),
	}
}

// NewPodContainerManager manages the pods' cgroups.
func (m *Manager) NewPodContainerManager() cm.PodContainerManager { return &pods{m} }

type pods struct{ *Manager }

var _ cm.PodContainerManager = (*pods)(nil)

func (p *pods) name(uid types.UID) cm.CgroupName {
	return cm.NewCgroupName(p.parent, podPrefix+string(uid))
}

func (p *pods) GetPodContainerName(pod *v1.Pod) (cm.CgroupName, string) {
	name := p.name(pod.UID)
	if p.cgroups == nil {
		return name, ""
	}
	return name, p.cgroups.Name(name)
}

func (p *pods) EnsureExists(logger klog.Logger, pod *v1.Pod) error {
	if p.cgroups == nil {
		return nil
	}
	config := &cm.CgroupConfig{Name: p.name(pod.UID), ResourceParameters: startLimits(p.size)}
	if err := p.cgroups.Create(logger, config); err != nil {
		return fmt.Errorf("creating cgroup of pod %s/%s: %w", pod.Namespace, pod.Name, err)
	}
	return nil
}

func (p *pods) Exists(pod *v1.Pod) bool {
	return p.cgroups == nil || p.cgroups.Exists(p.name(pod.UID))
}

func (p *pods) Destroy(logger klog.Logger, name cm.CgroupName) error {
	if p.cgroups == nil || !p.cgroups.Exists(name) {
		return nil
	}
	return p.cgroups.Destroy(logger, &cm.CgroupConfig{Name: name})
}

func (p *pods) ReduceCPULimits(logger klog.Logger, name cm.CgroupName) error {
	if p.cgroups == nil {
		return nil
	}
	return p.cgroups.ReduceCPULimits(logger, name)
}

// GetAllPodsFromCgroups finds the pods of this node that have a cgroup, which
// is how a kubelet that was restarted knows about them.
func (p *pods) GetAllPodsFromCgroups() (map[types.UID]cm.CgroupName, error) {
	found := map[types.UID]cm.CgroupName{}
	if p.cgroups == nil {
		return found, nil
	}
	for _, root := range hierarchies(p.cgroups.Version()) {
		entries, err := os.ReadDir(path.Join(root, p.parent.ToCgroupfs()))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, entry := range entries {
			if is, uid := p.IsPodCgroup(entry.Name()); is {
				found[uid] = p.name(uid)
			}
		}
	}
	return found, nil
}

func (p *pods) IsPodCgroup(cgroupfs string) (bool, types.UID) {
	uid, found := strings.CutPrefix(path.Base(cgroupfs), podPrefix)
	if !found || uid == "" {
		return false, ""
	}
	return true, types.UID(uid)
}

func (p *pods) GetPodCgroupMemoryUsage(pod *v1.Pod) (uint64, error) {
	if p.cgroups == nil {
		return 0, nil
	}
	usage, err := p.cgroups.MemoryUsage(p.name(pod.UID))
	return uint64(max(usage, 0)), err
}

// GetPodCgroupConfig answers with the pod's size: what the cgroup was made with.
func (p *pods) GetPodCgroupConfig(*v1.Pod, v1.ResourceName) (*cm.ResourceConfig, error) {
	return Limits(p.size), nil
}

// SetPodCgroupConfig changes nothing: a Fargate pod's size is fixed.
func (p *pods) SetPodCgroupConfig(klog.Logger, *v1.Pod, *cm.ResourceConfig) error { return nil }

// hierarchies are folders that hold every cgroup of the host, by name; with
// version 1 the memory controller's has them all.
func hierarchies(version int) []string {
	if version == 1 {
		return []string{"/sys/fs/cgroup/memory"}
	}
	return []string{"/sys/fs/cgroup"}
}
