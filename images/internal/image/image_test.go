package image

import (
	"archive/tar"
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/coredns/coredns/coremain"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"

	"berth.dev/berth/images/manifest"
)

// program is the smallest file that reads as a Linux program.
func program(machine elf.Machine, segments ...elf.ProgType) []byte {
	var b bytes.Buffer
	header := elf.Header64{
		Ident: [elf.EI_NIDENT]byte{0x7f, 'E', 'L', 'F', byte(elf.ELFCLASS64), byte(elf.ELFDATA2LSB), byte(elf.EV_CURRENT)},
		Type:  uint16(elf.ET_EXEC), Machine: uint16(machine), Version: uint32(elf.EV_CURRENT),
		Phoff: 64, Ehsize: 64, Phentsize: 56, Phnum: uint16(len(segments)), Shentsize: 64,
	}
	binary.Write(&b, binary.LittleEndian, header)
	for _, s := range segments {
		binary.Write(&b, binary.LittleEndian, elf.Prog64{Type: uint32(s)})
	}
	return b.Bytes()
}

// programs returns a folder with a program for each spec.
func programs(t *testing.T, mode fs.FileMode, modified time.Time) string {
	t.Helper()
	dir := t.TempDir()
	for _, s := range Specs() {
		path := filepath.Join(dir, s.Program)
		if err := os.WriteFile(path, program(elf.EM_X86_64, elf.PT_LOAD), mode); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(path, modified, modified); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func build(t *testing.T) (manifest.Index, string) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "images")
	index, err := BuildAll(Specs(), programs(t, 0o755, time.Now()), out)
	if err != nil {
		t.Fatal(err)
	}
	return index, out
}

func TestReproducible(t *testing.T) {
	_, first := build(t)
	second := t.TempDir()
	if _, err := BuildAll(Specs(), programs(t, 0o600, time.Unix(1e9, 0)), second); err != nil {
		t.Fatal(err)
	}
	files, err := os.ReadDir(first)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range files {
		names = append(names, f.Name())
		a, errA := os.ReadFile(filepath.Join(first, f.Name()))
		b, errB := os.ReadFile(filepath.Join(second, f.Name()))
		if err := errors.Join(errA, errB); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds of the same programs (%v)", f.Name(), err)
		}
	}
	if diff := cmp.Diff([]string{"coredns.tar", "hello.tar", "index.json", "pause.tar"}, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// TestArchiveOpens reads each archive both ways, as docker save's output and
// as an OCI layout, and checks every digest in it.
func TestArchiveOpens(t *testing.T) {
	index, out := build(t)
	for _, i := range index.Images {
		t.Run(i.Name, func(t *testing.T) {
			path := filepath.Join(out, i.File)
			tag, err := name.NewTag(i.Name + ":" + i.Tag)
			if err != nil {
				t.Fatal(err)
			}
			saved, err := tarball.ImageFromPath(path, &tag)
			if err != nil {
				t.Fatalf("opening as docker archive: %v", err)
			}
			dir := t.TempDir()
			unpack(t, path, dir)
			root, err := layout.ImageIndexFromPath(dir)
			if err != nil {
				t.Fatalf("opening as layout: %v", err)
			}
			doc, err := root.IndexManifest()
			if err != nil || len(doc.Manifests) != 1 {
				t.Fatalf("layout's index: %+v, %v; want one image", doc, err)
			}
			entry := doc.Manifests[0]
			want := map[string]string{
				"io.containerd.image.name":          "docker.io/" + i.Name + ":" + i.Tag,
				"org.opencontainers.image.ref.name": i.Tag,
			}
			if diff := cmp.Diff(want, entry.Annotations); diff != "" {
				t.Errorf("annotations (-want +got):\n%s", diff)
			}
			laid, err := root.Image(entry.Digest)
			if err != nil {
				t.Fatal(err)
			}
			if err := validate.Image(saved); err != nil {
				t.Errorf("docker archive: %v", err)
			}
			validateBlobs(t, laid)
			for kind, img := range map[string]v1.Image{"docker archive": saved, "layout": laid} {
				if id, err := img.ConfigName(); err != nil || id.String() != i.ConfigDigest {
					t.Errorf("%s: config %s, %v; the index says %s", kind, id, err, i.ConfigDigest)
				}
			}
			if entry.Digest.String() != i.Digest {
				t.Errorf("layout names %s, the index %s", entry.Digest, i.Digest)
			}
		})
	}
}

// validateBlobs checks what the validate package does, which for a layout
// expects gzip: each layer has the digest and the DiffID that it is said to.
func validateBlobs(t *testing.T, img v1.Image) {
	t.Helper()
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 || len(config.RootFS.DiffIDs) != 1 {
		t.Fatalf("%d layers, %d DiffIDs, %v; want one of each", len(layers), len(config.RootFS.DiffIDs), err)
	}
	digest, err := layers[0].Digest()
	if err != nil {
		t.Fatal(err)
	}
	r, err := layers[0].Compressed()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	content, _, err := v1.SHA256(r)
	if err != nil || content != digest || content != config.RootFS.DiffIDs[0] {
		t.Errorf("layer has content %s (%v), digest %s, DiffID %s", content, err, digest, config.RootFS.DiffIDs[0])
	}
}

func unpack(t *testing.T, archive, dir string) {
	t.Helper()
	file, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r := tar.NewReader(file)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, h.Name)
		if h.Typeflag == tar.TypeDir {
			err = os.Mkdir(path, 0o755)
		} else {
			var body []byte
			if body, err = io.ReadAll(r); err == nil {
				err = os.WriteFile(path, body, 0o644)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestConfig(t *testing.T) {
	for _, s := range Specs() {
		path := filepath.Join(programs(t, 0o755, time.Now()), s.Program)
		img, err := s.Build(path)
		if err != nil {
			t.Fatal(err)
		}
		file, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		got := fmt.Sprintf("%s/%s %v %v user=%s env=%v", file.OS, file.Architecture,
			file.Config.Entrypoint, file.Config.Cmd, file.Config.User, file.Config.Env)
		want := map[string]string{
			"pause":   "linux/amd64 [/pause] [] user=65535:65535 env=[GOMAXPROCS=1]",
			"coredns": "linux/amd64 [/coredns] [] user=65532:65532 env=[]",
			"hello":   "linux/amd64 [/bin/hello] [serve] user=65532:65532 env=[PATH=/bin]",
		}[s.Program]
		if got != want {
			t.Errorf("config of %s is %s, want %s", s.Program, got, want)
		}
		if title := file.Config.Labels["org.opencontainers.image.title"]; title != s.Name {
			t.Errorf("%s is labelled %q", s.Program, title)
		}
	}
}

func TestLayer(t *testing.T) {
	listing := func(s Spec) (names []string) {
		for _, e := range s.entries([]byte("x")) {
			names = append(names, strings.TrimSpace(fmt.Sprintf("%s %o %s", e.header.Name, e.header.Mode, e.header.Linkname)))
		}
		return names
	}
	for _, test := range []struct {
		name string
		spec Spec
		want []string
	}{
		{"bare", Spec{Path: "/pause"}, []string{"pause 755"}},
		{"with links and accounts", Spec{Path: "/bin/x", Links: []string{"ls", "cat"}, Accounts: true}, []string{
			"bin/ 755", "bin/x 755", "bin/cat 777 x", "bin/ls 777 x",
			"etc/ 755", "etc/group 644", "etc/passwd 644", "tmp/ 1777",
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, listing(test.spec)); diff != "" {
				t.Errorf("layer (-want +got):\n%s", diff)
			}
		})
	}
}

func TestArchitecture(t *testing.T) {
	for _, test := range []struct {
		name string
		file []byte
		want string
		err  string
	}{
		{"x86-64", program(elf.EM_X86_64, elf.PT_LOAD), "amd64", ""},
		{"arm64", program(elf.EM_AARCH64), "arm64", ""},
		{"dynamic", program(elf.EM_X86_64, elf.PT_LOAD, elf.PT_INTERP), "", "linked dynamically"},
		{"other machine", program(elf.EM_RISCV), "", "EM_RISCV has no image platform"},
		{"script", []byte("#!/bin/sh\n"), "", "reading program"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "program")
			if err := os.WriteFile(path, test.file, 0o755); err != nil {
				t.Fatal(err)
			}
			got, err := architecture(path)
			if got != test.want || (err == nil) != (test.err == "") || (err != nil && !strings.Contains(err.Error(), test.err)) {
				t.Errorf("architecture gives %q, %v; want %q, %q", got, err, test.want, test.err)
			}
		})
	}
}

// TestFailureKeepsOldFiles: a build that cannot finish replaces nothing half.
func TestFailureKeepsOldFiles(t *testing.T) {
	_, out := build(t)
	before, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := BuildAll(Specs(), t.TempDir(), out); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("building without programs gives %v", err)
	}
	broken := errors.New("disk full")
	if _, err := replace(filepath.Join(out, "pause.tar"), func(io.Writer) error { return broken }); !errors.Is(err, broken) {
		t.Fatalf("a failing write gives %v", err)
	}
	after, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	names := func(entries []fs.DirEntry) (out []string) {
		for _, e := range entries {
			out = append(out, e.Name())
		}
		return out
	}
	if !slices.Equal(names(before), names(after)) {
		t.Errorf("files were %v and are %v", names(before), names(after))
	}
}

func TestCoreDNSVersion(t *testing.T) {
	if CoreDNSVersion != coremain.CoreVersion {
		t.Errorf("the image says %s, the module %s", CoreDNSVersion, coremain.CoreVersion)
	}
}
