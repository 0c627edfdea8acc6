package hollow

import (
	"context"
	"sync"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Images is an image service in which every image can be pulled, because none is.
type Images struct {
	mountpoint string

	mu     sync.Mutex
	images map[string]*runtimeapi.Image
}

var _ internalapi.ImageManagerService = (*Images)(nil)

// NewImages returns a service that claims to keep images under mountpoint.
func NewImages(mountpoint string) *Images {
	return &Images{mountpoint: mountpoint, images: map[string]*runtimeapi.Image{}}
}

// ListImages lists the images that were pulled.
func (s *Images) ListImages(_ context.Context, filter *runtimeapi.ImageFilter) ([]*runtimeapi.Image, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []*runtimeapi.Image
	for name, image := range s.images {
		if wanted := filter.GetImage().GetImage(); wanted == "" || wanted == name {
			list = append(list, image)
		}
	}
	return list, nil
}

// ImageStatus describes an image that was pulled; another has a nil Image.
func (s *Images) ImageStatus(_ context.Context, image *runtimeapi.ImageSpec, _ bool) (*runtimeapi.ImageStatusResponse, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return &runtimeapi.ImageStatusResponse{Image: s.images[image.GetImage()]}, nil
}

// PullImage remembers the name.
func (s *Images) PullImage(_ context.Context, image *runtimeapi.ImageSpec, _ *runtimeapi.AuthConfig, _ *runtimeapi.PodSandboxConfig) (string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := image.GetImage()
	s.images[name] = &runtimeapi.Image{Id: name, RepoTags: []string{name}, Size: 1, Spec: &runtimeapi.ImageSpec{Image: name}}
	return name, nil
}

// RemoveImage forgets the name.
func (s *Images) RemoveImage(_ context.Context, image *runtimeapi.ImageSpec) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.images, image.GetImage())
	return nil
}

// ImageFsInfo says that images take no space.
func (s *Images) ImageFsInfo(context.Context) (*runtimeapi.ImageFsInfoResponse, error) {
	usage := []*runtimeapi.FilesystemUsage{{
		FsId:      &runtimeapi.FilesystemIdentifier{Mountpoint: s.mountpoint},
		UsedBytes: &runtimeapi.UInt64Value{}, InodesUsed: &runtimeapi.UInt64Value{},
	}}
	return &runtimeapi.ImageFsInfoResponse{ImageFilesystems: usage, ContainerFilesystems: usage}, nil
}

// Close has nothing to close.
func (s *Images) Close(context.Context) error { return nil }
