package image

import (
	"archive/tar"
	"bytes"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// epoch is the time of every file and image.
var epoch = time.Unix(0, 0).UTC()

const passwd = `root:x:0:0:root:/:/sbin/nologin
nobody:x:65534:65534:nobody:/:/sbin/nologin
nonroot:x:65532:65532:nonroot:/:/sbin/nologin
`

const group = `root:x:0:
nobody:x:65534:
nonroot:x:65532:
`

// layer is the whole file system of the image, owned by root so that the
// program's user cannot change it. It is not compressed: its digest is then
// its DiffID and depends on no compressor's version, and archives never
// travel further than one host's disk.
func (s Spec) layer(program []byte) (v1.Layer, error) {
	var buf bytes.Buffer
	w := tar.NewWriter(&buf)
	for _, e := range s.entries(program) {
		e.header.Size = int64(len(e.body))
		e.header.ModTime = epoch
		e.header.Format = tar.FormatUSTAR
		if err := w.WriteHeader(&e.header); err != nil {
			return nil, fmt.Errorf("writing %s: %w", e.header.Name, err)
		}
		if _, err := w.Write(e.body); err != nil {
			return nil, fmt.Errorf("writing %s: %w", e.header.Name, err)
		}
	}
	if err := w.Close(); err != nil {
		return nil, fmt.Errorf("closing the layer: %w", err)
	}
	return static.NewLayer(buf.Bytes(), types.OCIUncompressedLayer), nil
}

type tarEntry struct {
	header tar.Header
	body   []byte
}

// entries come parents first.
func (s Spec) entries(program []byte) []tarEntry {
	file := func(name string, mode int64, body []byte) tarEntry {
		return tarEntry{tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: mode}, body}
	}
	folder := func(name string, mode int64) tarEntry {
		return tarEntry{header: tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode}}
	}
	var out []tarEntry
	target := strings.TrimPrefix(s.Path, "/")
	if parent := path.Dir(target); parent != "." {
		out = append(out, folder(parent, 0o755))
	}
	out = append(out, file(target, 0o755, program))
	for _, l := range slices.Sorted(slices.Values(s.Links)) {
		out = append(out, tarEntry{header: tar.Header{
			Typeflag: tar.TypeSymlink, Mode: 0o777,
			Name: path.Join(path.Dir(target), l), Linkname: path.Base(target),
		}})
	}
	if s.Accounts {
		out = append(out,
			folder("etc", 0o755),
			file("etc/group", 0o644, []byte(group)),
			file("etc/passwd", 0o644, []byte(passwd)),
			folder("tmp", 0o1777))
	}
	return out
}
