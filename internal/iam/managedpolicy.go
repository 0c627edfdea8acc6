package iam

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/iam/policy"
	"berth.dev/berth/internal/store"
)

const policyQuota = 6144

// CreatePolicy makes a customer managed policy with its first version, v1.
func (s *Service) CreatePolicy(ctx context.Context, in *iam.CreatePolicyInput) (*iam.CreatePolicyOutput, error) {
	var c check
	p := policyRecord{
		Name:        c.name("policyName", in.PolicyName, policyNameLimit),
		Path:        c.path(in.Path),
		Document:    c.document("policyDocument", in.PolicyDocument),
		Description: in.Description,
		Tags:        c.tags(in.Tags),
	}
	c.description(in.Description)
	if err := c.err(); err != nil {
		return nil, err
	}
	if err := checkTagCount(p.Tags); err != nil {
		return nil, err
	}
	if _, err := parsePolicy(policy.Identity, p.Document); err != nil {
		return nil, err
	}
	if size(p.Document) > policyQuota {
		return nil, limitExceeded("Cannot exceed quota for PolicySize: %d", policyQuota)
	}
	p.ID, p.Created = s.ids.IAM("ANPA"), s.now()
	p.ARN = s.scope.Global("iam", "policy"+p.Path+p.Name)
	err := s.policies.Create(ctx, nameKey(p.Name), p)
	if errors.Is(err, store.ErrExists) {
		return nil, alreadyExists("A policy called %s already exists. Duplicate names are not allowed.", p.Name)
	}
	if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "policy created", "policy", p.ARN.String())
	view := p.view()
	view.Description = nil
	return &iam.CreatePolicyOutput{Policy: view}, nil
}

// GetPolicy reads a managed policy, AWS's or the account's.
func (s *Service) GetPolicy(ctx context.Context, in *iam.GetPolicyInput) (*iam.GetPolicyOutput, error) {
	var c check
	policyARN := c.policyARN("policyArn", in.PolicyArn)
	if err := c.err(); err != nil {
		return nil, err
	}
	if m, ok := s.managed[policyARN]; ok {
		attached, err := s.attachments(ctx)
		if err != nil {
			return nil, err
		}
		return &iam.GetPolicyOutput{Policy: m.view(attached)}, nil
	}
	p, err := s.customerPolicy(ctx, policyARN)
	if err != nil {
		return nil, err
	}
	return &iam.GetPolicyOutput{Policy: p.view()}, nil
}

// GetPolicyVersion reads a version of a managed policy with its document.
func (s *Service) GetPolicyVersion(ctx context.Context, in *iam.GetPolicyVersionInput) (*iam.GetPolicyVersionOutput, error) {
	var c check
	policyARN := c.policyARN("policyArn", in.PolicyArn)
	if in.VersionId == nil {
		c.constraint("versionId", nil, "not be null")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	v := types.PolicyVersion{VersionId: in.VersionId, IsDefaultVersion: true}
	current := "v1"
	if m, ok := s.managed[policyARN]; ok {
		document := encodeDocument(string(m.Document))
		current, v.Document, v.CreateDate = m.Version, &document, &m.Created
	} else {
		p, err := s.customerPolicy(ctx, policyARN)
		if err != nil {
			return nil, err
		}
		document := encodeDocument(p.Document)
		v.Document, v.CreateDate = &document, &p.Created
	}
	if *in.VersionId != current {
		return nil, noSuchEntity("Policy %s version %s does not exist or is not attachable.", policyARN, *in.VersionId)
	}
	return &iam.GetPolicyVersionOutput{PolicyVersion: &v}, nil
}

// ListPolicyVersions lists the one version that a policy has.
func (s *Service) ListPolicyVersions(ctx context.Context, in *iam.ListPolicyVersionsInput) (*iam.ListPolicyVersionsOutput, error) {
	p, err := s.GetPolicy(ctx, &iam.GetPolicyInput{PolicyArn: in.PolicyArn})
	if err != nil {
		return nil, err
	}
	return &iam.ListPolicyVersionsOutput{Versions: []types.PolicyVersion{{
		VersionId: p.Policy.DefaultVersionId, IsDefaultVersion: true, CreateDate: p.Policy.UpdateDate,
	}}}, nil
}

// ListPolicies lists managed policies, AWS's and the account's, by ARN.
func (s *Service) ListPolicies(ctx context.Context, in *iam.ListPoliciesInput) (*iam.ListPoliciesOutput, error) {
	var c check
	prefix, after, size := c.pathPrefix(in.PathPrefix), c.marker(in.Marker), c.pageSize(in.MaxItems)
	if in.Scope != "" && !slices.Contains(in.Scope.Values(), in.Scope) {
		c.constraint("scope", in.Scope, "satisfy enum value set: [All, AWS, Local]")
	}
	if err := c.err(); err != nil {
		return nil, err
	}
	list, err := s.allPolicies(ctx, in.Scope)
	if err != nil {
		return nil, err
	}
	list = slices.DeleteFunc(list, func(p types.Policy) bool {
		switch {
		case !strings.HasPrefix(*p.Path, prefix), in.OnlyAttached && *p.AttachmentCount == 0:
			return true
		case in.PolicyUsageFilter == types.PolicyUsageTypePermissionsBoundary:
			return *p.PermissionsBoundaryUsageCount == 0
		}
		return false
	})
	p := paginate(list, func(p types.Policy) string { return *p.Arn }, after, size)
	return &iam.ListPoliciesOutput{Policies: p.items, IsTruncated: p.truncated, Marker: p.marker}, nil
}

func (s *Service) allPolicies(ctx context.Context, scope types.PolicyScopeType) ([]types.Policy, error) {
	list := []types.Policy{}
	if scope != types.PolicyScopeTypeLocal {
		attached, err := s.attachments(ctx)
		if err != nil {
			return nil, err
		}
		for _, m := range s.managed {
			view := m.view(attached)
			view.Description = nil
			list = append(list, *view)
		}
	}
	if scope != types.PolicyScopeTypeAws {
		entries, err := s.policies.List(ctx, "")
		if err != nil {
			return nil, err
		}
		for _, e := range entries {
			view := e.Value.view()
			view.Description, view.Tags = nil, nil
			list = append(list, *view)
		}
	}
	slices.SortFunc(list, func(a, b types.Policy) int { return strings.Compare(*a.Arn, *b.Arn) })
	return list, nil
}

// DeletePolicy deletes a customer managed policy that nothing uses.
func (s *Service) DeletePolicy(ctx context.Context, in *iam.DeletePolicyInput) (*iam.DeletePolicyOutput, error) {
	var c check
	policyARN := c.policyARN("policyArn", in.PolicyArn)
	if err := c.err(); err != nil {
		return nil, err
	}
	if _, ok := s.managed[policyARN]; ok {
		return nil, accessDenied("Policy arn:aws:iam::aws:policy cannot be modified by any caller.").Because(fmt.Errorf("deleting %s", policyARN))
	}
	err := s.store.Update(ctx, func(tx *store.Tx) error {
		p, err := s.customerPolicyIn(tx, policyARN)
		switch {
		case errors.Is(err, store.ErrNotFound):
			return noSuchEntity("Policy %s was not found.", policyARN)
		case err != nil:
			return err
		case len(p.AttachedTo)+len(p.BoundaryOf) > 0:
			return deleteConflict("Cannot delete a policy attached to entities.")
		}
		s.policies.DeleteIn(tx, nameKey(p.Name))
		return nil
	})
	if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "policy deleted", "policy", policyARN)
	return &iam.DeletePolicyOutput{}, nil
}

// customerPolicyIn reads the account's policy with an ARN; store.ErrNotFound
// when there is none.
func (s *Service) customerPolicyIn(tx *store.Tx, policyARN string) (policyRecord, error) {
	p, err := s.policies.GetIn(tx, policyKey(policyARN))
	if err == nil && p.ARN.String() != policyARN {
		return p, fmt.Errorf("reading policy %s: %w", policyARN, store.ErrNotFound)
	}
	return p, err
}

func (s *Service) customerPolicy(ctx context.Context, policyARN string) (policyRecord, error) {
	p, err := s.policies.Get(ctx, policyKey(policyARN))
	if errors.Is(err, store.ErrNotFound) || err == nil && p.ARN.String() != policyARN {
		return p, noSuchEntity("Policy %s was not found.", policyARN)
	}
	return p, err
}

func policyKey(policyARN string) string {
	return nameKey(policyARN[strings.LastIndexByte(policyARN, '/')+1:])
}

// uses counts how often a managed policy is attached and is a boundary.
type uses struct{ attached, boundary int32 }

// attachments counts the uses of every policy that an identity names.
func (s *Service) attachments(ctx context.Context) (map[string]uses, error) {
	roles, err := s.roles.List(ctx, "")
	if err != nil {
		return nil, err
	}
	users, err := s.users.List(ctx, "")
	if err != nil {
		return nil, err
	}
	out := map[string]uses{}
	count := func(g grants) {
		for _, a := range g.Attached {
			u := out[a]
			u.attached++
			out[a] = u
		}
		if g.Boundary != "" {
			u := out[g.Boundary]
			u.boundary++
			out[g.Boundary] = u
		}
	}
	for _, r := range roles {
		count(r.Value.grants)
	}
	for _, u := range users {
		count(u.Value.grants)
	}
	return out, nil
}

func (m managedPolicy) view(counts map[string]uses) *types.Policy {
	u := counts[m.arn.String()]
	return policyView(m.arn, types.Policy{
		PolicyName: &m.name, PolicyId: &m.id, Path: &m.Path, DefaultVersionId: &m.Version, Description: &m.Description,
		CreateDate: &m.Created, UpdateDate: &m.Created,
		AttachmentCount: &u.attached, PermissionsBoundaryUsageCount: &u.boundary,
	})
}

func (p policyRecord) view() *types.Policy {
	version, attached, boundaries := "v1", int32(len(p.AttachedTo)), int32(len(p.BoundaryOf))
	return policyView(p.ARN, types.Policy{
		PolicyName: &p.Name, PolicyId: &p.ID, Path: &p.Path, DefaultVersionId: &version, Description: p.Description,
		CreateDate: &p.Created, UpdateDate: &p.Created, Tags: tagView(p.Tags),
		AttachmentCount: &attached, PermissionsBoundaryUsageCount: &boundaries,
	})
}

func policyView(a arn.ARN, p types.Policy) *types.Policy {
	text := a.String()
	p.Arn, p.IsAttachable = &text, true
	return &p
}
