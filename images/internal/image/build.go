package image

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"berth.dev/berth/images/manifest"
)

// BuildAll writes an archive for each spec from the program of its name in
// the folder programs, then index.json, which a reader therefore never finds
// beside archives that it does not describe.
func BuildAll(specs []Spec, programs, out string) (manifest.Index, error) {
	if err := os.MkdirAll(out, 0o755); err != nil {
		return manifest.Index{}, err
	}
	var x manifest.Index
	for _, s := range specs {
		i, err := s.buildFile(filepath.Join(programs, s.Program), out)
		if err != nil {
			return manifest.Index{}, err
		}
		x.Images = append(x.Images, i)
	}
	if _, err := replace(filepath.Join(out, "index.json"), x.Write); err != nil {
		return manifest.Index{}, err
	}
	return x, nil
}

func (s Spec) buildFile(program, out string) (manifest.Image, error) {
	img, err := s.Build(program)
	if err != nil {
		return manifest.Image{}, err
	}
	i := manifest.Image{Name: s.Name, Tag: s.Tag, File: s.Program + ".tar"}
	i.Size, err = replace(filepath.Join(out, i.File), func(w io.Writer) error { return s.Archive(w, img) })
	if err != nil {
		return manifest.Image{}, err
	}
	digest, err := img.Digest()
	if err != nil {
		return manifest.Image{}, fmt.Errorf("digesting %s: %w", s.Name, err)
	}
	id, err := img.ConfigName()
	if err != nil {
		return manifest.Image{}, fmt.Errorf("digesting the config of %s: %w", s.Name, err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		return manifest.Image{}, fmt.Errorf("reading the config of %s: %w", s.Name, err)
	}
	i.Reference, i.Digest, i.ConfigDigest = s.reference(), digest.String(), id.String()
	i.Platform = config.Platform().String()
	return i, nil
}

// replace writes the file whole or not at all and returns its size.
func replace(path string, write func(io.Writer) error) (size int64, err error) {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return 0, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(file.Name()))
		}
	}()
	if err := errors.Join(write(file), file.Chmod(0o644)); err != nil {
		return 0, errors.Join(fmt.Errorf("writing %s: %w", path, err), file.Close())
	}
	info, err := file.Stat()
	if err := errors.Join(err, file.Close()); err != nil {
		return 0, fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return 0, err
	}
	return info.Size(), nil
}
