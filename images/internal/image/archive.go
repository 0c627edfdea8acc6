package image

import (
	"archive/tar"
	"encoding/json"
	"fmt"
	"io"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

// The annotations by which importers name an image: containerd reads the
// first, others the second, which by the OCI's rule holds the tag alone.
const (
	containerdName = "io.containerd.image.name"
	ociRefName     = "org.opencontainers.image.ref.name"
)

// Archive writes img as a tar file that holds an OCI layout and, over the
// same blobs, docker save's manifest.json, so that containerd, podman, docker
// and go-containerregistry all read it.
func (s Spec) Archive(w io.Writer, img v1.Image) error {
	index, err := s.index(img)
	if err != nil {
		return err
	}
	files, err := blobs(img)
	if err != nil {
		return fmt.Errorf("reading the blobs of %s: %w", s.Name, err)
	}
	legacy, err := s.dockerManifest(img)
	if err != nil {
		return fmt.Errorf("describing %s for docker: %w", s.Name, err)
	}
	files = append(files,
		blob{"index.json", index},
		blob{"manifest.json", legacy},
		blob{"oci-layout", []byte(`{"imageLayoutVersion":"1.0.0"}`)})
	return writeTar(w, files)
}

type blob struct {
	name string
	body []byte
}

func writeTar(w io.Writer, files []blob) error {
	tw := tar.NewWriter(w)
	for _, folder := range []string{"blobs/", "blobs/sha256/"} {
		h := tar.Header{Typeflag: tar.TypeDir, Name: folder, Mode: 0o755, ModTime: epoch, Format: tar.FormatUSTAR}
		if err := tw.WriteHeader(&h); err != nil {
			return fmt.Errorf("writing %s: %w", folder, err)
		}
	}
	for _, f := range files {
		h := tar.Header{
			Typeflag: tar.TypeReg, Name: f.name, Mode: 0o644, Size: int64(len(f.body)),
			ModTime: epoch, Format: tar.FormatUSTAR,
		}
		if err := tw.WriteHeader(&h); err != nil {
			return fmt.Errorf("writing %s: %w", f.name, err)
		}
		if _, err := tw.Write(f.body); err != nil {
			return fmt.Errorf("writing %s: %w", f.name, err)
		}
	}
	return tw.Close()
}

// blobs returns layers, config and manifest under their names in the layout.
func blobs(img v1.Image) ([]blob, error) {
	var out []blob
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return nil, err
		}
		body, err := readLayer(l)
		if err != nil {
			return nil, err
		}
		out = append(out, blob{blobName(digest), body})
	}
	for _, part := range []struct {
		digest func() (v1.Hash, error)
		body   func() ([]byte, error)
	}{{img.ConfigName, img.RawConfigFile}, {img.Digest, img.RawManifest}} {
		digest, err := part.digest()
		if err != nil {
			return nil, err
		}
		body, err := part.body()
		if err != nil {
			return nil, err
		}
		out = append(out, blob{blobName(digest), body})
	}
	return out, nil
}

func readLayer(l v1.Layer) ([]byte, error) {
	r, err := l.Compressed()
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

func (s Spec) index(img v1.Image) ([]byte, error) {
	config, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the config of %s: %w", s.Name, err)
	}
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add: img,
		Descriptor: v1.Descriptor{
			Annotations: map[string]string{containerdName: s.reference(), ociRefName: s.Tag},
			Platform:    config.Platform(),
		},
	})
	raw, err := index.RawManifest()
	if err != nil {
		return nil, fmt.Errorf("indexing %s: %w", s.Name, err)
	}
	return raw, nil
}

func (s Spec) dockerManifest(img v1.Image) ([]byte, error) {
	config, err := img.ConfigName()
	if err != nil {
		return nil, err
	}
	layers, err := img.Layers()
	if err != nil {
		return nil, err
	}
	var paths []string
	for _, l := range layers {
		digest, err := l.Digest()
		if err != nil {
			return nil, err
		}
		paths = append(paths, blobName(digest))
	}
	return json.Marshal([]struct {
		Config   string
		RepoTags []string
		Layers   []string
	}{{blobName(config), []string{s.short()}, paths}})
}
