package manifest_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/images/manifest"
)

func valid() manifest.Image {
	return manifest.Image{
		Name: "eks/pause", Tag: "3.10", Reference: "docker.io/eks/pause:3.10", File: "pause.tar", Size: 1,
		Digest:       "sha256:" + strings.Repeat("a", 64),
		ConfigDigest: "sha256:" + strings.Repeat("b", 64),
		Platform:     "linux/amd64",
	}
}

func TestRoundTrip(t *testing.T) {
	want := manifest.Index{Images: []manifest.Image{valid()}}
	var buf bytes.Buffer
	if err := want.Write(&buf); err != nil {
		t.Fatal(err)
	}
	got, err := manifest.Read(&buf)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("index read back (-want +got):\n%s", diff)
	}
	image, ok := got.Find("eks/pause")
	if !ok {
		t.Fatal("eks/pause is not found")
	}
	const registry = "602401143452.dkr.ecr.eu-west-1.amazonaws.com"
	if got, want := image.In(registry), registry+"/eks/pause:3.10"; got != want {
		t.Errorf("In gives %q, want %q", got, want)
	}
	if _, ok := got.Find("eks/other"); ok {
		t.Error("eks/other is found")
	}
}

func TestReadRefuses(t *testing.T) {
	for _, test := range []struct {
		name  string
		spoil func(*manifest.Image)
	}{
		{"no name", func(i *manifest.Image) { i.Name = "" }},
		{"no tag", func(i *manifest.Image) { i.Tag = "" }},
		{"no file", func(i *manifest.Image) { i.File = "" }},
		{"file above the folder", func(i *manifest.Image) { i.File = "../pause.tar" }},
		{"parent folder", func(i *manifest.Image) { i.File = ".." }},
		{"short digest", func(i *manifest.Image) { i.Digest = "sha256:abc" }},
		{"capitals in the config digest", func(i *manifest.Image) { i.ConfigDigest = strings.ToUpper(i.ConfigDigest) }},
	} {
		t.Run(test.name, func(t *testing.T) {
			image := valid()
			test.spoil(&image)
			var buf bytes.Buffer
			if err := (manifest.Index{Images: []manifest.Image{image}}).Write(&buf); err != nil {
				t.Fatal(err)
			}
			if _, err := manifest.Read(&buf); err == nil {
				t.Errorf("an index with %+v is accepted", image)
			}
		})
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"images":[]}`))
	f.Add([]byte(`{"images":[{"name":"a","file":"/"}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		x, err := manifest.Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		for _, i := range x.Images {
			if strings.ContainsRune(i.File, '/') {
				t.Errorf("file %q leaves its folder", i.File)
			}
		}
	})
}
