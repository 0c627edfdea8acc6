package doctor

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Real are the probes of the host that this process runs on.
type Real struct{}

var _ Probes = Real{}

func (Real) OS() string { return runtime.GOOS }

func (Real) Kernel() string {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "unknown kernel"
	}
	return unix.ByteSliceToString(u.Release[:]) + " " + unix.ByteSliceToString(u.Machine[:])
}

func (Real) UID() int { return os.Geteuid() }

func (Real) Capabilities() (uint64, error) {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if value, ok := strings.CutPrefix(line, "CapEff:"); ok {
			return strconv.ParseUint(strings.TrimSpace(value), 16, 64)
		}
	}
	return 0, errors.New("/proc/self/status has no CapEff")
}

// inNamespace runs f on a thread in a network namespace of its own. The thread is
// thrown away with its goroutine, so it must not be the first one, which stays
// and is what /proc/self shows.
func inNamespace(f func() error) error {
	result := make(chan error, 1)
	go func() { result <- throwAway(f) }()
	return <-result
}

func throwAway(f func() error) error {
	runtime.LockOSThread()
	if unix.Gettid() == unix.Getpid() {
		defer runtime.UnlockOSThread()
		return inNamespace(f)
	}
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return fmt.Errorf("making a network namespace: %w", err)
	}
	return f()
}

func (Real) Namespace() error { return inNamespace(func() error { return nil }) }

func (Real) NFTables(nft string) error {
	return inNamespace(func() error {
		out, err := exec.Command(nft, "add table ip berth; add chain ip berth c { type nat hook postrouting priority 100; }; add rule ip berth c masquerade").CombinedOutput()
		if err != nil {
			return fmt.Errorf("%w: %s", err, firstLine(string(out)))
		}
		return nil
	})
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(strings.TrimSpace(s), "\n")
	return line
}

func (Real) Veth() error { return inNamespace(makeVeth) }

// makeVeth asks the kernel for a veth pair by a netlink message of its own: the
// packages that have a netlink library are not for this one.
func makeVeth() error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_ROUTE)
	if err != nil {
		return fmt.Errorf("opening a netlink socket: %w", err)
	}
	defer unix.Close(fd)
	info := attribute(unix.IFLA_LINKINFO, attribute(unix.IFLA_INFO_KIND, []byte("veth\x00")))
	body := append(make([]byte, unix.SizeofIfInfomsg), info...)
	message := binary.NativeEndian.AppendUint32(nil, uint32(unix.SizeofNlMsghdr+len(body)))
	message = binary.NativeEndian.AppendUint16(message, unix.RTM_NEWLINK)
	message = binary.NativeEndian.AppendUint16(message, unix.NLM_F_REQUEST|unix.NLM_F_ACK|unix.NLM_F_CREATE|unix.NLM_F_EXCL)
	message = append(binary.NativeEndian.AppendUint64(message, 1), body...)
	if err := unix.Sendto(fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("asking for a veth pair: %w", err)
	}
	answer := make([]byte, 4096)
	n, _, err := unix.Recvfrom(fd, answer, 0)
	if err != nil {
		return fmt.Errorf("asking for a veth pair: %w", err)
	}
	if n < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR {
		return errors.New("asking for a veth pair: unexpected answer of the kernel")
	}
	if errno := -int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); errno != 0 {
		return fmt.Errorf("making a veth pair: %w", unix.Errno(errno))
	}
	return nil
}

// attribute is a netlink attribute, padded to four bytes.
func attribute(kind uint16, value []byte) []byte {
	a := binary.NativeEndian.AppendUint16(nil, uint16(4+len(value)))
	a = append(binary.NativeEndian.AppendUint16(a, kind), value...)
	return append(a, make([]byte, (4-len(a)%4)%4)...)
}

func (Real) LookPath(name string) (string, error) { return exec.LookPath(name) }

func (Real) Exists(path string) error {
	_, err := os.Stat(path)
	return err
}

func (Real) ReadFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	return string(b), err
}

const cgroupRoot = "/sys/fs/cgroup"

// unified says whether the host has cgroups of version 2 alone.
func unified() (bool, error) {
	var s unix.Statfs_t
	if err := unix.Statfs(cgroupRoot, &s); err != nil {
		return false, fmt.Errorf("looking at %s: %w", cgroupRoot, err)
	}
	return s.Type == unix.CGROUP2_SUPER_MAGIC, nil
}

func (Real) Cgroups() (int, []string, error) {
	v2, err := unified()
	if err != nil {
		return 0, nil, err
	}
	if v2 {
		b, err := os.ReadFile(filepath.Join(cgroupRoot, "cgroup.controllers"))
		return 2, strings.Fields(string(b)), err
	}
	f, err := os.Open("/proc/cgroups")
	if err != nil {
		return 1, nil, err
	}
	defer f.Close()
	var controllers []string
	for lines := bufio.NewScanner(f); lines.Scan(); {
		// subsystem, hierarchy, number of cgroups, enabled
		if w := strings.Fields(lines.Text()); len(w) == 4 && w[3] == "1" {
			controllers = append(controllers, w[0])
		}
	}
	return 1, controllers, nil
}

func (Real) MakeCgroup() error {
	v2, err := unified()
	if err != nil {
		return err
	}
	parent := filepath.Join(cgroupRoot, "memory")
	if v2 {
		parent = cgroupRoot
	}
	dir, err := os.MkdirTemp(parent, "berth-doctor-")
	if err != nil {
		return err
	}
	return unix.Rmdir(dir)
}

func (Real) Overlay(path string) error {
	dir := path
	for {
		if info, err := os.Stat(dir); err == nil && info.IsDir() {
			break
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		dir = filepath.Dir(dir)
	}
	dir, err := os.MkdirTemp(dir, ".berth-doctor-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	for _, name := range []string{"lower", "upper", "work", "merged"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			return err
		}
	}
	merged := filepath.Join(dir, "merged")
	options := fmt.Sprintf("lowerdir=%[1]s/lower,upperdir=%[1]s/upper,workdir=%[1]s/work", dir)
	if err := unix.Mount("overlay", merged, "overlay", 0, options); err != nil {
		return fmt.Errorf("mounting: %w", err)
	}
	return unix.Unmount(merged, unix.MNT_DETACH)
}

func (Real) OpenFiles() (uint64, error) {
	var r unix.Rlimit
	err := unix.Getrlimit(unix.RLIMIT_NOFILE, &r)
	return r.Max, err
}

func (Real) Listen(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

func (Real) Memory() (uint64, error) {
	b, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(b)) {
		if value, ok := strings.CutPrefix(line, "MemAvailable:"); ok {
			kib, err := strconv.ParseUint(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("/proc/meminfo has no MemAvailable")
}

func (Real) Cores() int { return runtime.NumCPU() }
