package ec2

import (
	"context"
	"strings"
)

// view is a VPC's document and the pools of its subnets, at one revision.
type view struct {
	*network
	pools map[string]*pool
}

// views reads every VPC, each at one revision of its own.
func (s *Service) views(ctx context.Context) ([]view, error) {
	ids, err := s.owners.List(ctx, kindVPC.prefix+"-")
	if err != nil {
		return nil, err
	}
	var views []view
	for _, e := range ids {
		v, err := s.view(ctx, e.Key)
		if err != nil {
			return nil, err
		}
		if v.network != nil {
			views = append(views, v)
		}
	}
	return views, nil
}

// view reads a VPC; its network is nil when there is no such VPC.
func (s *Service) view(ctx context.Context, vpcID string) (view, error) {
	records, err := s.records.List(ctx, vpcID+"/net/")
	if err != nil {
		return view{}, err
	}
	v := view{pools: map[string]*pool{}}
	for _, r := range records {
		switch {
		case r.Value.Network != nil:
			v.network = r.Value.Network
		case r.Value.Pool != nil:
			v.pools[strings.TrimPrefix(r.Key, poolPrefix(vpcID))] = r.Value.Pool
		}
	}
	return v, nil
}

// viewOf reads the VPC that a part of a kind belongs to.
func (s *Service) viewOf(ctx context.Context, k kind, id string) (view, error) {
	vpcID, err := s.owner(ctx, k, id)
	if err != nil {
		return view{}, err
	}
	v, err := s.view(ctx, vpcID)
	if err != nil {
		return view{}, err
	}
	if v.network == nil {
		return view{}, k.notFound(id)
	}
	return v, nil
}

// items makes the response items of every part that a VPC has.
func items[T any](views []view, of func(view) []T) []T {
	all := []T{}
	for _, v := range views {
		all = append(all, of(v)...)
	}
	return all
}
