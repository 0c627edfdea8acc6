package containerd

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	guestImage = "berth.test/guest:1"
	patience   = 30 * time.Second
)

// host is a containerd of the real build, alone in folders of its own.
type host struct {
	t        *testing.T
	config   Config
	parent   string // cgroup parent
	logs     string
	cmd      *exec.Cmd
	lifeline *os.File
	exited   chan error
	service  cri.RuntimeServiceClient
	images   cri.ImageServiceClient
}

// newHost starts a containerd, or skips where that cannot work. At the test's
// end nothing of it is left on the host.
func newHost(t *testing.T, snapshotter Snapshotter) *host {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root: it starts containers")
	}
	if testing.Short() {
		t.Skip("starts containers, which -short leaves out")
	}
	bin, err := filepath.Abs("../../../bin")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(bin, "containerd-shim-runsc-v1")); err != nil {
		t.Skip("needs the container runtime in bin/: make bin/containerd bin/runsc bin/containerd-shim-runsc-v1 bin/containerd-shim-runc-v2")
	}
	facts, err := InspectHost()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	runc, _ := exec.LookPath("runc")
	h := &host{
		t: t, logs: filepath.Join(dir, "logs"), parent: "/berth-test-" + filepath.Base(RunDir(dir)),
		config: Config{
			Paths: PathsIn(dir),
			Programs: Programs{
				RunscShim: filepath.Join(bin, "containerd-shim-runsc-v1"),
				RuncShim:  filepath.Join(bin, "containerd-shim-runc-v2"),
				Runsc:     filepath.Join(bin, "runsc"), Runc: runc, CNIDir: filepath.Join(dir, "cni"),
			},
			Default: GVisor, Snapshotter: snapshotter, PauseImage: guestImage,
			CNISocket: filepath.Join(dir, "cni.sock"), Host: facts, Debug: os.Getenv("BERTH_TEST_DEBUG") != "",
		},
	}
	h.config.RunscFlags = testFlags()
	if err := Write(h.config); err != nil {
		t.Fatal(err)
	}
	guest := buildGuest(t, h.config.Programs.CNIDir)
	t.Cleanup(h.cleanUp)
	h.start()
	h.load(guest)
	return h
}

// testFlags are flags of runsc to measure: BERTH_TEST_RUNSC_FLAGS="name=value …".
func testFlags() map[string]string {
	flags := map[string]string{}
	for _, field := range strings.Fields(os.Getenv("BERTH_TEST_RUNSC_FLAGS")) {
		name, value, _ := strings.Cut(field, "=")
		flags[name] = value
	}
	return flags
}

// buildGuest compiles the guest as the CNI plugin into dir, and returns it.
func buildGuest(t *testing.T, dir string) []byte {
	t.Helper()
	path := filepath.Join(dir, "berth-cni")
	cmd := exec.Command("go", "build", "-ldflags", "-s -w", "-o", path, "./testdata/guest")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the guest: %v\n%s", err, out)
	}
	program, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return program
}

// start starts containerd and waits until its CRI is ready.
func (h *host) start() {
	h.t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	defer reader.Close()
	log, err := os.OpenFile(filepath.Join(filepath.Dir(h.logs), "containerd.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		h.t.Fatal(err)
	}
	defer log.Close()
	h.cmd = exec.Command("../../../bin/containerd", "--config", h.config.Paths.Config())
	h.cmd.ExtraFiles = []*os.File{reader}
	h.cmd.Env = append(os.Environ(), "BERTH_LIFELINE_FD=3")
	h.cmd.Stdout, h.cmd.Stderr = log, log
	if err := h.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	h.lifeline, h.exited = writer, make(chan error, 1)
	go func(cmd *exec.Cmd, exited chan error) { exited <- cmd.Wait() }(h.cmd, h.exited)

	conn, err := grpc.NewClient("unix://"+h.config.Paths.Socket,
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithConnectParams(grpc.ConnectParams{Backoff: backoff.Config{BaseDelay: 20 * time.Millisecond, Multiplier: 1, MaxDelay: 20 * time.Millisecond}}))
	if err != nil {
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() { conn.Close() })
	h.service, h.images = cri.NewRuntimeServiceClient(conn), cri.NewImageServiceClient(conn)
	h.eventually("the CRI is ready", func(ctx context.Context) bool {
		status, err := h.service.Status(ctx, &cri.StatusRequest{})
		if err != nil {
			return false
		}
		for _, condition := range status.GetStatus().GetConditions() {
			if !condition.GetStatus() && condition.GetType() != "ContainerdHasNoDeprecationWarnings" {
				return false
			}
		}
		return true
	})
}

// stop waits for containerd to end after end was called.
func (h *host) stop(end func()) {
	h.t.Helper()
	end()
	select {
	case <-h.exited:
	case <-time.After(patience):
		h.t.Fatal("containerd has not ended")
	}
}

func (h *host) cleanUp() {
	h.lifeline.Close()
	if h.t.Failed() {
		log, _ := os.ReadFile(filepath.Join(filepath.Dir(h.logs), "containerd.log"))
		lines := strings.Split(string(log), "\n")
		h.t.Logf("containerd's last words:\n%s", strings.Join(lines[max(0, len(lines)-40):], "\n"))
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := CleanUp(ctx, h.config.Paths, h.parent); err != nil {
		h.t.Errorf("cleaning up: %v", err)
	}
	for _, remains := range h.remains() {
		h.t.Errorf("after CleanUp there is still %s", remains)
	}
}

// remains lists what of the host's containerd is left.
func (h *host) remains() []string {
	var remains []string
	pids, err := ownProcesses(h.config.Paths, nil)
	if err != nil {
		h.t.Fatal(err)
	}
	for _, pid := range pids {
		remains = append(remains, fmt.Sprintf("process %d %v", pid, readProcess(pid).args))
	}
	mounts, err := readMounts("self")
	if err != nil {
		h.t.Fatal(err)
	}
	for _, mount := range mounts {
		if belowAny(mount.point, append(h.config.Paths.owned(), RunDir(filepath.Dir(h.logs)))) {
			remains = append(remains, "mount "+mount.point)
		}
	}
	hierarchies, err := cgroupHierarchies()
	if err != nil {
		h.t.Fatal(err)
	}
	for _, dir := range cgroupDirs(hierarchies, []string{h.parent}) {
		remains = append(remains, "cgroup "+dir)
	}
	for _, dir := range append(h.config.Paths.owned(), RunDir(filepath.Dir(h.logs))) {
		if _, err := os.Lstat(dir); err == nil {
			remains = append(remains, "folder "+dir)
		}
	}
	return remains
}

// eventually waits for a condition of another process.
func (h *host) eventually(what string, condition func(context.Context) bool) {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for !condition(ctx) {
		select {
		case <-ctx.Done():
			h.t.Fatalf("waited in vain until %s", what)
		case err := <-h.exited:
			h.exited <- err
			h.t.Fatalf("containerd ended (%v) before %s", err, what)
		case <-tick.C:
		}
	}
}

// load imports the guest as an image.
func (h *host) load(guest []byte) {
	h.t.Helper()
	c, err := client.New(h.config.Paths.Socket)
	if err != nil {
		h.t.Fatal(err)
	}
	defer c.Close()
	ctx := namespaces.WithNamespace(context.Background(), "k8s.io")
	images, err := c.Import(ctx, bytes.NewReader(ociArchive(guestImage, guest)))
	if err != nil {
		h.t.Fatal(err)
	}
	for _, image := range images {
		if err := client.NewImage(c, image).Unpack(ctx, string(h.config.Snapshotter)); err != nil {
			h.t.Fatal(err)
		}
	}
	h.eventually("the CRI knows the image", func(ctx context.Context) bool {
		status, err := h.images.ImageStatus(ctx, &cri.ImageStatusRequest{Image: &cri.ImageSpec{Image: guestImage}})
		return err == nil && status.GetImage() != nil
	})
}

// ociArchive is an OCI image of one layer with one program, as a tar.
func ociArchive(name string, program []byte) []byte {
	layer := tarOf(map[string][]byte{"guest": program}, 0o755)
	config := encode(map[string]any{
		"architecture": "amd64", "os": "linux",
		"config": map[string]any{"Entrypoint": []string{"/guest"}},
		"rootfs": map[string]any{"type": "layers", "diff_ids": []string{digest(layer)}},
	})
	manifest := encode(map[string]any{
		"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
		"config": descriptor("application/vnd.oci.image.config.v1+json", config),
		"layers": []any{descriptor("application/vnd.oci.image.layer.v1.tar", layer)},
	})
	entry := descriptor("application/vnd.oci.image.manifest.v1+json", manifest)
	entry["annotations"] = map[string]string{"io.containerd.image.name": name}
	files := map[string][]byte{
		"oci-layout": []byte(`{"imageLayoutVersion":"1.0.0"}`),
		"index.json": encode(map[string]any{"schemaVersion": 2, "manifests": []any{entry}}),
	}
	for _, blob := range [][]byte{layer, config, manifest} {
		files["blobs/sha256/"+strings.TrimPrefix(digest(blob), "sha256:")] = blob
	}
	return tarOf(files, 0o644)
}

func descriptor(mediaType string, blob []byte) map[string]any {
	return map[string]any{"mediaType": mediaType, "digest": digest(blob), "size": len(blob)}
}

func digest(blob []byte) string { return fmt.Sprintf("sha256:%x", sha256.Sum256(blob)) }

func encode(value any) []byte {
	data, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return data
}

func tarOf(files map[string][]byte, mode int64) []byte {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, data := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: mode, Size: int64(len(data)), Typeflag: tar.TypeReg}); err != nil {
			panic(err)
		}
		if _, err := io.Copy(w, bytes.NewReader(data)); err != nil {
			panic(err)
		}
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}
