package image

import (
	"fmt"
	"os"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Build returns the image with the program in the file at path.
func (s Spec) Build(path string) (v1.Image, error) {
	arch, err := architecture(path)
	if err != nil {
		return nil, err
	}
	program, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	layer, err := s.layer(program)
	if err != nil {
		return nil, fmt.Errorf("building the layer of %s: %w", s.Name, err)
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.ConfigFile(base, s.config(arch))
	if err != nil {
		return nil, fmt.Errorf("setting the config of %s: %w", s.Name, err)
	}
	img, err = mutate.Append(img, mutate.Addendum{
		Layer:   layer,
		History: v1.History{Created: v1.Time{Time: epoch}, CreatedBy: "image-build", Comment: s.Description},
	})
	if err != nil {
		return nil, fmt.Errorf("adding the layer of %s: %w", s.Name, err)
	}
	return img, nil
}

func (s Spec) config(arch string) *v1.ConfigFile {
	ports := map[string]struct{}{}
	for _, p := range s.Ports {
		ports[p] = struct{}{}
	}
	return &v1.ConfigFile{
		Architecture: arch,
		OS:           "linux",
		Created:      v1.Time{Time: epoch},
		RootFS:       v1.RootFS{Type: "layers"},
		Config: v1.Config{
			Entrypoint:   []string{s.Path},
			Cmd:          s.Cmd,
			Env:          s.Env,
			User:         s.User,
			WorkingDir:   "/",
			ExposedPorts: ports,
			StopSignal:   "SIGTERM",
			Labels: map[string]string{
				"org.opencontainers.image.title":       s.Name,
				"org.opencontainers.image.version":     s.Tag,
				"org.opencontainers.image.description": s.Description,
			},
		},
	}
}
