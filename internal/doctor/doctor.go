// Package doctor says what a host has and lacks for Berth, and what to do about
// it. What is asked for, and what follows from the answers, is here; how a host
// is asked is a set of probes that a test replaces. A probe leaves nothing on
// the host. The server and the doctor command import it.
package doctor

import (
	"fmt"
	"slices"
	"strings"

	"berth.dev/berth/dataplane"
)

// Check is one thing that a host should have.
type Check struct {
	Name string `json:"name"`
	OK   bool   `json:"ok"`
	// Detail is what was found, Remedy what to do; both are one line.
	Detail string `json:"detail"`
	Remedy string `json:"remedy,omitempty"`
	// NeededFor are the runtimes that cannot work without it. It is empty for
	// what only makes things better.
	NeededFor []dataplane.Runtime `json:"neededFor,omitempty"`
}

// Report is what was found, in the order in which it should be repaired.
type Report struct {
	Runtime dataplane.Runtime `json:"runtime"`
	Checks  []Check           `json:"checks"`
}

// Missing are the checks that failed and that the runtime needs.
func (r Report) Missing() []Check {
	var missing []Check
	for _, c := range r.Checks {
		if !c.OK && slices.Contains(c.NeededFor, r.Runtime) {
			missing = append(missing, c)
		}
	}
	return missing
}

// Works says whether the runtime can work on the host.
func (r Report) Works() bool { return len(r.Missing()) == 0 }

// Host is what is asked about a host.
type Host struct {
	Runtime              dataplane.Runtime
	DataDir, Bin, Listen string
	// Running says that the Berth of DataDir runs, so that it holds the port.
	Running bool
	Probes  Probes
}

var (
	sandboxes = []dataplane.Runtime{dataplane.GVisor, dataplane.Runc}
	all       = []dataplane.Runtime{dataplane.GVisor, dataplane.Runc, dataplane.Hollow}
)

// CheckHost asks all there is to ask.
func CheckHost(h Host) Report {
	r := Report{Runtime: h.Runtime}
	for _, check := range []func(Host) []Check{
		checkPlatform, checkRoot, checkCapabilities, checkNetwork, checkPrograms, checkCgroups,
		checkOverlay, checkFiles, checkForwarding, checkPort, checkMachine, checkBin,
	} {
		r.Checks = append(r.Checks, check(h)...)
	}
	return r
}

// found makes a check of the outcome of a probe.
func found(name string, err error, ok, remedy string, needed []dataplane.Runtime) Check {
	if err != nil {
		return Check{Name: name, Detail: oneLine(err.Error()), Remedy: remedy, NeededFor: needed}
	}
	return Check{Name: name, OK: true, Detail: ok, NeededFor: needed}
}

func oneLine(s string) string { return strings.Join(strings.Fields(s), " ") }

func checkPlatform(h Host) []Check {
	var err error
	if h.Probes.OS() != "linux" {
		err = fmt.Errorf("this is %s", h.Probes.OS())
	}
	return []Check{found("linux", err, h.Probes.Kernel(), "run Berth on Linux, in a virtual machine if need be", all)}
}

func checkRoot(h Host) []Check {
	var err error
	if uid := h.Probes.UID(); uid != 0 {
		err = fmt.Errorf("user id %d", uid)
	}
	return []Check{found("root", err, "user id 0", "run as root (sudo), or choose --runtime hollow, with which pods are Running but execute nothing", sandboxes)}
}

// Capability numbers of Linux.
const (
	capNetAdmin    = 12
	capSysAdmin    = 21
	capSysResource = 24
)

func checkCapabilities(h Host) []Check {
	held, err := h.Probes.Capabilities()
	root := h.Probes.UID() == 0
	var checks []Check
	for _, c := range []struct {
		name   string
		number uint
		remedy string
		needed []dataplane.Runtime
	}{
		{"CAP_SYS_ADMIN", capSysAdmin, "run outside of the container, or with --privileged", sandboxes},
		{"CAP_NET_ADMIN", capNetAdmin, "run outside of the container, or with --cap-add NET_ADMIN", sandboxes},
		{"CAP_SYS_RESOURCE", capSysResource, "none needed: OOM scores are then not lowered for sandboxes", nil},
	} {
		err := err
		if err == nil && held&(1<<c.number) == 0 {
			err = fmt.Errorf("not held")
		}
		remedy := c.remedy
		if !root && c.needed != nil {
			remedy = "run as root"
		}
		checks = append(checks, found(c.name, err, "held", remedy, c.needed))
	}
	return checks
}

// checkNetwork asks about links and tables only where there is a namespace to
// try them in.
func checkNetwork(h Host) []Check {
	none := h.Probes.Namespace()
	checks := []Check{found("network namespaces", none, "can be made", "run as root outside of a locked-down container", sandboxes)}
	if none == nil {
		checks = append(checks, found("veth", h.Probes.Veth(), "a pair can be made", "load the kernel module: modprobe veth", sandboxes))
	}
	nft, err := h.Probes.LookPath("nft")
	checks = append(checks, found("nft program", err, nft, "install the package nftables: apt-get install nftables", sandboxes))
	if err == nil && none == nil {
		checks = append(checks, found("nf_tables", h.Probes.NFTables(nft), "a table can be made in a fresh namespace", "load the kernel modules: modprobe nf_tables nft_chain_nat", sandboxes))
	}
	return checks
}

func checkPrograms(h Host) []Check {
	var checks []Check
	runc, err := h.Probes.LookPath("runc")
	return append(checks, found("runc program", err, runc, "install the package runc: apt-get install runc (only --runtime runc needs it)", []dataplane.Runtime{dataplane.Runc}))
}

func checkCgroups(h Host) []Check {
	version, controllers, err := h.Probes.Cgroups()
	if err == nil {
		var lacking []string
		for _, want := range []string{"cpu", "memory", "pids"} {
			if !slices.Contains(controllers, want) {
				lacking = append(lacking, want)
			}
		}
		if len(lacking) > 0 {
			err = fmt.Errorf("version %d without %s", version, strings.Join(lacking, ", "))
		}
	}
	detail := fmt.Sprintf("version %d: %s", version, strings.Join(controllers, " "))
	return []Check{
		found("cgroup controllers", err, detail, "boot with cgroup_enable=memory, or delegate the controllers to this container", sandboxes),
		found("cgroups", h.Probes.MakeCgroup(), "can be made", "mount /sys/fs/cgroup writable (docker run --privileged --cgroupns=host)", sandboxes),
	}
}

func checkOverlay(h Host) []Check {
	return []Check{found("overlayfs", h.Probes.Overlay(h.DataDir), "can be mounted in "+h.DataDir, "none needed: images are copied instead, which is slower and larger; a --data-dir on ext4 or xfs avoids it", nil)}
}

// minFiles is the number of open files that some dozen pods need; maxFiles what
// hundreds do.
const (
	minFiles = 4096
	maxFiles = 65536
)

func checkFiles(h Host) []Check {
	hard, err := h.Probes.OpenFiles()
	needed := all
	if err == nil && hard < minFiles {
		err = fmt.Errorf("limit %d", hard)
	} else if err == nil && hard < maxFiles {
		err, needed = fmt.Errorf("limit %d is little for hundreds of pods", hard), nil
	}
	return []Check{found("open files", err, fmt.Sprintf("limit %d", hard), fmt.Sprintf("raise it: ulimit -Hn %d, or LimitNOFILE= in the unit", maxFiles), needed)}
}

func checkForwarding(h Host) []Check {
	value, err := h.Probes.ReadFile("/proc/sys/net/ipv4/ip_forward")
	if err == nil && strings.TrimSpace(value) != "1" {
		err = fmt.Errorf("net.ipv4.ip_forward is %s", strings.TrimSpace(value))
	}
	return []Check{found("ip_forward", err, "on", "Berth turns it on when it runs as root; by hand: sysctl -w net.ipv4.ip_forward=1", nil)}
}

func checkPort(h Host) []Check {
	if h.Running {
		return []Check{{Name: "port", OK: true, Detail: h.Listen + " is held by the Berth that runs", NeededFor: all}}
	}
	return []Check{found("port", h.Probes.Listen(h.Listen), h.Listen+" is free", "stop what listens there, or choose another with --listen", all)}
}

const gibibyte = 1 << 30

func checkMachine(h Host) []Check {
	memory, err := h.Probes.Memory()
	if err == nil && memory < 3*gibibyte {
		err = fmt.Errorf("%.1f GiB available", float64(memory)/gibibyte)
	}
	cores := h.Probes.Cores()
	var few error
	if cores < 2 {
		few = fmt.Errorf("%d", cores)
	}
	return []Check{
		found("memory", err, fmt.Sprintf("%.1f GiB available", float64(memory)/gibibyte), "free some: a control plane takes about 0.4 GiB, a pod what it asks for", nil),
		found("cores", few, fmt.Sprint(cores), "two cores make it comfortable", nil),
	}
}

// programs are the files that the build puts beside berth, by who needs them.
var programs = []struct {
	name   string
	needed []dataplane.Runtime
}{
	{"berth-kube", all},
	{"images/index.json", all},
	{"containerd", sandboxes},
	{"berth-cni", sandboxes},
	{"runsc", []dataplane.Runtime{dataplane.GVisor}},
	{"containerd-shim-runsc-v1", []dataplane.Runtime{dataplane.GVisor}},
	{"containerd-shim-runc-v2", []dataplane.Runtime{dataplane.Runc}},
}

func checkBin(h Host) []Check {
	var checks []Check
	for _, p := range programs {
		path := h.Bin + "/" + p.name
		checks = append(checks, found(p.name, h.Probes.Exists(path), path, "build it: make, or point BERTH_BIN to the folder that has it", p.needed))
	}
	return checks
}
