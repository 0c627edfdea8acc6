package iam

import (
	"regexp"
	"strings"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/iam/policy"
	"berth.dev/berth/internal/store"
)

var (
	accountPattern  = regexp.MustCompile(`^[0-9]{12}$`)
	uniqueIDPattern = regexp.MustCompile(`^A(ROA|IDA)[A-Z0-9]{16,}$`)
	servicePattern  = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]*\.(amazonaws\.com(\.cn)?|amazon\.com|aws\.internal|api\.aws)$`)
)

// checkPrincipals refuses trust in principals that cannot be: a malformed one,
// or an identity of this account that does not exist.
func (s *Service) checkPrincipals(tx *store.Tx, d policy.Document) error {
	for _, st := range d.Statements {
		for _, p := range []*policy.Principals{st.Principals, st.NotPrincipals} {
			if p == nil {
				continue
			}
			for _, name := range p.AWS {
				if !s.principalExists(tx, name) {
					return malformedPolicy("Invalid principal in policy: \"AWS\":\"%s\"", name)
				}
			}
			for _, name := range p.Service {
				if !servicePattern.MatchString(name) {
					return malformedPolicy("Invalid principal in policy: \"SERVICE\":\"%s\"", name)
				}
			}
		}
	}
	return nil
}

func (s *Service) principalExists(tx *store.Tx, name string) bool {
	if name == "*" || accountPattern.MatchString(name) || uniqueIDPattern.MatchString(name) {
		return true
	}
	a, err := arn.Parse(name)
	if err != nil || a.Partition != s.scope.Partition || a.Region != "" || !accountPattern.MatchString(a.Account) {
		return false
	}
	if a.Account != s.scope.Account {
		return true
	}
	last := a.Resource[strings.LastIndexByte(a.Resource, '/')+1:]
	switch {
	case a.Service == "iam" && a.Resource == "root":
		return true
	case a.Service == "iam" && a.ResourceType() == "role":
		r, err := s.roles.GetIn(tx, nameKey(last))
		return err == nil && r.ARN == a
	case a.Service == "iam" && a.ResourceType() == "user":
		u, err := s.users.GetIn(tx, nameKey(last))
		return err == nil && u.ARN == a
	case a.Service == "sts" && a.ResourceType() == "assumed-role":
		role, session, ok := strings.Cut(a.ResourceID(), "/")
		return ok && session != "" && s.roles.HasIn(tx, nameKey(role))
	}
	return false
}
