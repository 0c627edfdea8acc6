package iam

import (
	"errors"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/iam/policy"
	"berth.dev/berth/internal/store"
)

const attachQuota = 10

// attachIn gives an identity a managed policy; a second time is no change.
func (s *Service) attachIn(tx *store.Tx, g *grants, who arn.ARN, policyARN, quota string) error {
	p, err := s.customerPolicyIn(tx, policyARN)
	if _, builtIn := s.managed[policyARN]; errors.Is(err, store.ErrNotFound) && !builtIn {
		return noPolicy(policyARN)
	} else if err != nil && !builtIn {
		return err
	} else if !g.attach(policyARN) {
		return nil
	} else if len(g.Attached) > attachQuota {
		return limitExceeded("Cannot exceed quota for %s: %d", quota, attachQuota)
	} else if builtIn {
		return nil
	}
	p.AttachedTo = append(p.AttachedTo, who.String())
	return s.policies.PutIn(tx, nameKey(p.Name), p)
}

// detachIn takes a managed policy from an identity.
func (s *Service) detachIn(tx *store.Tx, g *grants, who arn.ARN, policyARN string) error {
	if !g.detach(policyARN) {
		return noSuchEntity("Policy %s was not found.", policyARN)
	}
	if _, builtIn := s.managed[policyARN]; builtIn {
		return nil
	}
	p, err := s.customerPolicyIn(tx, policyARN)
	if err != nil {
		return err
	}
	p.AttachedTo = without(p.AttachedTo, who.String())
	return s.policies.PutIn(tx, nameKey(p.Name), p)
}

// setBoundary replaces an identity's permissions boundary; nil removes it.
func (s *Service) setBoundary(tx *store.Tx, g *grants, who arn.ARN, policyARN *string) error {
	if old := g.Boundary; old != "" {
		g.Boundary = ""
		p, err := s.customerPolicyIn(tx, old)
		if err == nil {
			p.BoundaryOf = without(p.BoundaryOf, who.String())
			err = s.policies.PutIn(tx, nameKey(p.Name), p)
		}
		if err != nil && !errors.Is(err, store.ErrNotFound) {
			return err
		}
	}
	if policyARN == nil {
		return nil
	}
	g.Boundary = *policyARN
	if _, builtIn := s.managed[*policyARN]; builtIn {
		return nil
	}
	p, err := s.customerPolicyIn(tx, *policyARN)
	if errors.Is(err, store.ErrNotFound) {
		return noSuchEntity("Scope ARN: %s does not exist or is not attachable.", *policyARN)
	} else if err != nil {
		return err
	}
	p.BoundaryOf = append(p.BoundaryOf, who.String())
	return s.policies.PutIn(tx, nameKey(p.Name), p)
}

// putInline writes an inline policy within an identity's quota.
func (g *grants) putInline(name, text string, quota int, what, who string) error {
	if g.Inline == nil {
		g.Inline = map[string]string{}
	}
	g.Inline[name] = text
	total := 0
	for _, d := range g.Inline {
		total += size(d)
	}
	if total > quota {
		return limitExceeded("Maximum policy size of %d bytes exceeded for %s %s", quota, what, who)
	}
	return nil
}

// deletable refuses while an identity has policies.
func (g *grants) deletable() error {
	switch {
	case len(g.Attached) > 0:
		return deleteConflict("Cannot delete entity, must detach all policies first.")
	case len(g.Inline) > 0:
		return deleteConflict("Cannot delete entity, must delete policies first.")
	}
	return nil
}

// attachedPage is a page of an identity's managed policies under a path.
func (g *grants) attachedPage(prefix, after string, size int) page[types.AttachedPolicy] {
	var list []types.AttachedPolicy
	for _, text := range slices.Sorted(slices.Values(g.Attached)) {
		name := text[strings.LastIndexByte(text, '/')+1:]
		_, path, _ := strings.Cut(text, ":policy")
		if strings.HasPrefix(strings.TrimSuffix(path, name), prefix) {
			list = append(list, types.AttachedPolicy{PolicyArn: &text, PolicyName: &name})
		}
	}
	return paginate(list, func(p types.AttachedPolicy) string { return *p.PolicyArn }, after, size)
}

// inlinePage is a page of the names of an identity's inline policies.
func (g *grants) inlinePage(after string, size int) page[string] {
	return paginate(g.inlineNames(), func(n string) string { return n }, after, size)
}

// inlineDocument checks the document of an inline policy.
func (c *check) inlineDocument(v *string) (string, error) {
	text := c.document("policyDocument", v)
	if err := c.err(); err != nil {
		return "", err
	}
	_, err := parsePolicy(policy.Identity, text)
	return text, err
}

func boundaryView(policyARN string) *types.AttachedPermissionsBoundary {
	if policyARN == "" {
		return nil
	}
	return &types.AttachedPermissionsBoundary{
		PermissionsBoundaryArn: &policyARN, PermissionsBoundaryType: types.PermissionsBoundaryAttachmentTypePolicy,
	}
}

func without(list []string, item string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return s == item })
}
