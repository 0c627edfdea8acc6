package kubeauth

import (
	"fmt"
	"strings"

	"sigs.k8s.io/yaml"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/principal"
)

// Admin is the user of a principal that may do everything in a cluster, as its
// creator may: the name is the ARN that called.
func Admin(p principal.Principal) User {
	return User{Name: p.ARN.String(), Groups: []string{"system:masters"}}
}

// ConfigMap is the aws-auth ConfigMap of a cluster.
type ConfigMap struct {
	Roles    []Mapping
	Users    []Mapping
	Accounts []string
}

// Mapping maps one role or user.
type Mapping struct {
	RoleARN  string   `json:"rolearn,omitempty"`
	UserARN  string   `json:"userarn,omitempty"`
	Username string   `json:"username"`
	Groups   []string `json:"groups,omitempty"`
}

// ParseConfigMap reads the data of aws-auth. Each key is read by itself; the
// error joins what could not be read, and the rest is valid, so that one typing
// error in mapUsers does not shut out the nodes.
func ParseConfigMap(data map[string]string) (ConfigMap, error) {
	var m ConfigMap
	var bad []string
	for key, into := range map[string]any{"mapRoles": &m.Roles, "mapUsers": &m.Users, "mapAccounts": &m.Accounts} {
		if err := yaml.Unmarshal([]byte(data[key]), into); err != nil {
			bad = append(bad, fmt.Sprintf("%s: %v", key, err))
		}
	}
	if len(bad) > 0 {
		return m, fmt.Errorf("parsing aws-auth: %s", strings.Join(bad, "; "))
	}
	return m, nil
}

// Map finds the user of a principal; the roles are looked at before the users
// and the accounts. Role ARNs are compared without their path, as the
// ConfigMap has to spell them.
func (m ConfigMap) Map(p principal.Principal) (User, bool) {
	issuer := p.Issuer()
	if p.Kind == principal.AssumedRole {
		for _, r := range m.Roles {
			if strings.EqualFold(r.RoleARN, withoutPath(issuer).String()) {
				return r.User(p), true
			}
		}
	}
	for _, u := range m.Users {
		if strings.EqualFold(u.UserARN, issuer.String()) {
			return u.User(p), true
		}
	}
	for _, a := range m.Accounts {
		if a == p.Account {
			return User{Name: issuer.String()}, true
		}
	}
	return User{}, false
}

// HasRole says whether the ConfigMap maps a role to a group.
func (m ConfigMap) HasRole(role arn.ARN, group string) bool {
	for _, r := range m.Roles {
		if !strings.EqualFold(r.RoleARN, role.String()) {
			continue
		}
		for _, g := range r.Groups {
			if g == group {
				return true
			}
		}
	}
	return false
}

func withoutPath(a arn.ARN) arn.ARN {
	if i := strings.LastIndex(a.Resource, "/"); i >= 0 {
		a.Resource = a.ResourceType() + a.Resource[i:]
	}
	return a
}

// User is who a principal is by the mapping, its placeholders filled in.
func (m Mapping) User(p principal.Principal) User {
	r := strings.NewReplacer(
		"{{AccountID}}", p.Account,
		"{{SessionName}}", strings.ReplaceAll(p.SessionName, "@", "-"),
		"{{SessionNameRaw}}", p.SessionName,
		"{{AccessKeyID}}", p.AccessKeyID,
	)
	u := User{Name: r.Replace(m.Username)}
	for _, g := range m.Groups {
		u.Groups = append(u.Groups, r.Replace(g))
	}
	return u
}
