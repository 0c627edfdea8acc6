package acceptance

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/internal/agent"
)

// host is what of a host a Berth could change, by kind: the names of all there is.
type host map[string][]string

// tag is what the names of every Berth on a host hold.
var tag = regexp.MustCompile(`berth-[0-9a-f]{6,8}|\bb[0-9a-f]{6}-[0-9]+`)

// marks are what the names of all that is a Berth's hold at least one of.
func (b *berth) marks() []string {
	return []string{b.base, b.instance(), "b" + strings.TrimPrefix(b.instance(), "berth-") + "-", filepath.Base(b.runDir())}
}

// runDir is the Berth's folder below /run.
func (b *berth) runDir() string {
	return filepath.Dir(agent.Paths(filepath.Join(b.DataDir, "agent")).Socket)
}

func (b *berth) owns(name string) bool {
	return slices.ContainsFunc(b.marks(), func(m string) bool { return strings.Contains(name, m) })
}

// inspect lists what a Berth could leave behind.
func inspect(t testing.TB, b *berth) host {
	t.Helper()
	h := host{}
	for _, dir := range []string{"/run", "/run/netns", "/var/log/containers", "/var/log/pods", "/var/lib/cni", "/var/lib/cni/results", "/var/run/containerd", "/etc/cni"} {
		h["entry of "+dir] = list(t, dir)
	}
	links, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range links {
		h["link"] = append(h["link"], l.Name)
	}
	h["mount"], h["cgroup"] = mounts(t)
	h["listening port"] = append(listeners(t, "/proc/net/tcp"), listeners(t, "/proc/net/tcp6")...)
	if out, err := exec.Command("nft", "list", "tables").Output(); err == nil {
		h["nftables table"] = strings.Split(strings.TrimSpace(string(out)), "\n")
	}
	if forward, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward"); err == nil {
		h["value of ip_forward"] = []string{strings.TrimSpace(string(forward))}
	}
	for _, p := range b.processes(t) {
		h["process"] = append(h["process"], fmt.Sprintf("%d %s", p.pid, strings.Join(p.args, " ")))
	}
	return h
}

func list(t testing.TB, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	// What this user may not look into, its Berth did not change.
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	if err == nil {
		names = append(names, ".")
	}
	return names
}

// listeners are the local ends, as the kernel writes them, of a protocol's
// sockets that listen.
func listeners(t testing.TB, table string) (out []string) {
	t.Helper()
	data, err := os.ReadFile(table)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	const listening = "0A"
	for line := range strings.Lines(string(data)) {
		if fields := strings.Fields(line); len(fields) > 3 && fields[3] == listening {
			_, hex, _ := strings.Cut(fields[1], ":")
			port, err := strconv.ParseUint(hex, 16, 16)
			if err != nil {
				t.Fatalf("reading %s: %v", table, err)
			}
			out = append(out, fmt.Sprintf("%d of %s", port, strings.TrimSuffix(fields[1], ":"+hex)))
		}
	}
	return out
}

// mounts lists the mounts, and the cgroups of all hierarchies.
func mounts(t testing.TB) (points, groups []string) {
	t.Helper()
	f, err := os.Open("/proc/self/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		points = append(points, fields[4])
		dash := slices.Index(fields, "-")
		if dash < 0 || !strings.HasPrefix(fields[dash+1], "cgroup") {
			continue
		}
		_ = filepath.WalkDir(fields[4], func(path string, e fs.DirEntry, err error) error {
			if err == nil && e.IsDir() {
				groups = append(groups, path)
			}
			return nil
		})
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return points, groups
}

// added is what is there now and was not before, kind by kind.
func (before host) added(now host) (out []string) {
	for kind, names := range now {
		for _, n := range names {
			if !slices.Contains(before[kind], n) {
				out = append(out, kind+" "+n)
			}
		}
	}
	slices.Sort(out)
	return out
}

// clean reports what the Berth left on the host. Where other Berths come and go
// meanwhile, what is provably theirs is theirs, and what could be is only told.
func (b *berth) clean(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	for round := 0; ; round++ {
		left, doubtful := b.left(t)
		if len(left) == 0 && (len(doubtful) == 0 || round > 5) {
			tell(t, doubtful)
			return
		}
		select {
		case <-tick.C:
			continue
		case <-ctx.Done():
		}
		for _, l := range left {
			t.Errorf("left on the host: %s", l)
		}
		tell(t, doubtful)
		return
	}
}

// tell logs what may or may not be the Berth's.
func tell(t *testing.T, doubtful []string) {
	t.Helper()
	for i, d := range doubtful {
		if i == 5 {
			t.Logf("and %d more", len(doubtful)-i)
			return
		}
		t.Logf("new on a host that other Berths use: %s", d)
	}
}

func (b *berth) left(t *testing.T) (left, doubtful []string) {
	t.Helper()
	now := inspect(t, b)
	shared := b.shared(b.before) || b.shared(now)
	for _, a := range b.before.added(now) {
		switch {
		case b.owns(a):
			left = append(left, a)
		case tag.MatchString(a):
		case shared && strings.HasPrefix(a, "listening port"):
			// Nobody of ours is left to listen: that is checked of the processes.
		case shared:
			doubtful = append(doubtful, a)
		default:
			left = append(left, a)
		}
	}
	if _, err := os.Stat(b.DataDir); err == nil {
		left = append(left, "the data folder "+b.DataDir)
	}
	if c, err := net.DialTimeout("tcp", b.Listen, time.Second); err == nil {
		c.Close()
		left = append(left, "a listener at "+b.Listen)
	}
	return left, doubtful
}

// shared says whether another Berth is on the host.
func (b *berth) shared(h host) bool {
	for _, names := range h {
		for _, n := range names {
			if tag.MatchString(n) && !b.owns(n) {
				return true
			}
		}
	}
	return false
}
