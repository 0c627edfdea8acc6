package criview

import (
	"context"
	"sync"
	"time"

	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// listAge is how old a shared list of images may be. Kubelets list images for
// their nodes' status and for garbage collection, which is off; whether an image
// is present is asked with ImageStatus, never with a list.
const listAge = 10 * time.Second

// Images is the image service that all kubelets of a process share: images
// belong to the host, so there is nothing to filter. Only unfiltered lists are
// answered from a shared one.
type Images struct {
	internalapi.ImageManagerService
	now func() time.Time

	mu     sync.Mutex
	listed time.Time
	images []*runtimeapi.Image
}

var _ internalapi.ImageManagerService = (*Images)(nil)

// NewImages shares the service; now is the clock.
func NewImages(service internalapi.ImageManagerService, now func() time.Time) *Images {
	return &Images{ImageManagerService: service, now: now}
}

// Close leaves the shared connection open.
func (s *Images) Close(context.Context) error { return nil }

// ListImages answers from a list that is at most listAge old.
func (s *Images) ListImages(ctx context.Context, filter *runtimeapi.ImageFilter) ([]*runtimeapi.Image, error) {
	if filter.GetImage().GetImage() != "" {
		return s.ImageManagerService.ListImages(ctx, filter)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.listed.IsZero() && s.now().Sub(s.listed) < listAge {
		return s.images, nil
	}
	images, err := s.ImageManagerService.ListImages(ctx, filter)
	if err != nil {
		return nil, err
	}
	s.images, s.listed = images, s.now()
	return images, nil
}
