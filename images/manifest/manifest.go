// Package manifest reads and writes the list of images that the build made,
// bin/images/index.json: what a loader must know before it opens an archive.
//
// It imports the standard library only, so any module may import it or copy
// its types; it opens no archive and knows no container runtime.
package manifest

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strings"
)

// Index is the document.
type Index struct {
	Images []Image `json:"images"`
}

// Image is one archive, an OCI layout in a tar file that also carries the
// manifest.json of docker save.
type Image struct {
	// Name is the repository without a registry, as in "eks/coredns".
	Name string `json:"name"`
	Tag  string `json:"tag"`
	// Reference is Name and Tag as container runtimes write them out in full,
	// as in "docker.io/eks/coredns:v1"; a containerd import creates this name.
	Reference string `json:"reference"`
	// File is the archive's name in the folder of the index.
	File string `json:"file"`
	// Size is the archive's, in bytes.
	Size int64 `json:"size"`
	// Digest is the image manifest's: what containerd shows as target digest
	// and what a pull by digest names.
	Digest string `json:"digest"`
	// ConfigDigest is the image's ID in CRI and docker.
	ConfigDigest string `json:"configDigest"`
	// Platform is "linux/amd64" or "linux/arm64", read from the program.
	Platform string `json:"platform"`
}

// In returns the image's reference in a registry, such as
// "602401143452.dkr.ecr.eu-west-1.amazonaws.com".
func (i Image) In(registry string) string {
	return registry + "/" + i.Name + ":" + i.Tag
}

// Find returns the image of that name, and whether there is one.
func (x Index) Find(name string) (Image, bool) {
	for _, i := range x.Images {
		if i.Name == name {
			return i, true
		}
	}
	return Image{}, false
}

// Read returns a valid index or an error: every image named, its file inside
// the folder, its digests well formed.
func Read(r io.Reader) (Index, error) {
	var x Index
	if err := json.NewDecoder(r).Decode(&x); err != nil {
		return Index{}, fmt.Errorf("reading the image index: %w", err)
	}
	for n, i := range x.Images {
		if err := i.validate(); err != nil {
			return Index{}, fmt.Errorf("reading image %d of the index: %w", n, err)
		}
	}
	return x, nil
}

// Write writes what Read reads.
func (x Index) Write(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(x)
}

func (i Image) validate() error {
	switch {
	case i.Name == "" || i.Tag == "" || i.Reference == "" || i.Platform == "":
		return errors.New("name, tag, reference and platform are required")
	case i.File == "" || i.File != filepath.Base(i.File) || i.File == "." || i.File == "..":
		return fmt.Errorf("file %q is not a plain file name", i.File)
	case !isDigest(i.Digest):
		return fmt.Errorf("digest %q is malformed", i.Digest)
	case !isDigest(i.ConfigDigest):
		return fmt.Errorf("config digest %q is malformed", i.ConfigDigest)
	}
	return nil
}

func isDigest(s string) bool {
	hex, ok := strings.CutPrefix(s, "sha256:")
	return ok && len(hex) == 64 && strings.Trim(hex, "0123456789abcdef") == ""
}
