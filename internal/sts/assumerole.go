package sts

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/aws-sdk-go-v2/service/sts/types"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/iam/policy"
	"berth.dev/berth/internal/principal"
)

const (
	minDuration = 15 * time.Minute
	maxDuration = 12 * time.Hour
	// maxChained bounds a session that another role session opens.
	maxChained = time.Hour
)

var sessionPattern = regexp.MustCompile(`^[\w+=,.@-]*$`)

// AssumeRole gives a role session to a caller whom the role trusts. A role
// that does not exist and one that does not trust are the same refusal.
func (s *Service) AssumeRole(ctx context.Context, in *sts.AssumeRoleInput) (*sts.AssumeRoleOutput, error) {
	p, ok := principal.FromContext(ctx)
	if !ok {
		return nil, missingToken()
	}
	roleARN, v, err := assumption(in)
	if err != nil {
		return nil, err
	}
	if p.Kind == principal.Root && !s.rootMay {
		return nil, fault.New(403, "AccessDenied", "Roles may not be assumed by root accounts.")
	}
	role, err := s.identities.Role(ctx, roleARN)
	if errors.Is(err, credential.ErrNoRole) {
		return nil, refused(p, "sts:AssumeRole", roleARN).Because(err)
	} else if err != nil {
		return nil, err
	}
	if err := s.mayAssume(ctx, p, role, in, v); err != nil {
		return nil, err
	}
	switch {
	case p.Kind == principal.AssumedRole && v.Duration > maxChained:
		return nil, invalid("The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining")
	case v.Duration > role.MaxSession:
		return nil, invalid("The requested DurationSeconds exceeds the MaxSessionDuration set for this role.")
	}
	v.Role, v.RoleID = role.ARN, role.ID
	t, err := s.identities.IssueSession(ctx, v)
	if err != nil {
		return nil, err
	}
	s.log.InfoContext(ctx, "role assumed", "role", role.ARN.String(), "session", v.SessionName, "by", p.ARN.String())
	session := s.scope.Global("sts", "assumed-role/"+role.Name+"/"+v.SessionName).String()
	id := role.ID + ":" + v.SessionName
	return &sts.AssumeRoleOutput{
		AssumedRoleUser: &types.AssumedRoleUser{Arn: &session, AssumedRoleId: &id},
		Credentials:     credentials(t), SourceIdentity: in.SourceIdentity, PackedPolicySize: packedSize(in),
	}, nil
}

// mayAssume evaluates the role's trust policy for each action that the request
// needs, and the caller's own policies where the trust is in the account.
func (s *Service) mayAssume(ctx context.Context, p principal.Principal, role credential.Role, in *sts.AssumeRoleInput, v credential.Session) error {
	trust, err := policy.Parse(policy.Trust, role.Trust)
	if err != nil {
		return fmt.Errorf("reading the trust of %s: %w", role.ARN, err)
	}
	conditions := trustContext(p, in, v)
	actions := []string{"sts:AssumeRole"}
	if len(in.Tags) > 0 {
		actions = append(actions, "sts:TagSession")
	}
	if in.SourceIdentity != nil {
		actions = append(actions, "sts:SetSourceIdentity")
	}
	roleID, _, _ := strings.Cut(p.UserID, ":")
	names := []string{p.ARN.String(), p.Issuer().String(), p.UserID, roleID}
	for _, action := range actions {
		d := policy.Evaluate([]policy.Named{{Name: "trust policy", Document: trust}}, policy.Request{
			Action: action, Context: conditions, Caller: policy.Caller{AWS: names, Account: p.Account},
		})
		if !d.Allowed() {
			return refused(p, action, role.ARN).Because(errors.New(d.String()))
		}
		if !d.ByAccount && p.Account == role.ARN.Account {
			continue
		}
		if err := s.identities.Authorize(ctx, p, action, role.ARN.String(), conditions); err != nil {
			return err
		}
	}
	return nil
}

func trustContext(p principal.Principal, in *sts.AssumeRoleInput, v credential.Session) policy.Context {
	c := policy.Context{
		"aws:PrincipalArn":     {p.Issuer().String()},
		"aws:PrincipalAccount": {p.Account},
		"aws:PrincipalType":    {string(p.Kind)},
		"aws:userid":           {p.UserID},
		"sts:RoleSessionName":  {v.SessionName},
	}
	if p.Kind == principal.User {
		id := p.ARN.ResourceID()
		c["aws:username"] = []string{id[strings.LastIndexByte(id, '/')+1:]}
	}
	if in.ExternalId != nil {
		c["sts:ExternalId"] = []string{*in.ExternalId}
	}
	if in.SourceIdentity != nil {
		c["sts:SourceIdentity"] = []string{*in.SourceIdentity}
	}
	for k, val := range v.Tags {
		c["aws:RequestTag/"+k] = []string{val}
		c["aws:TagKeys"] = append(c["aws:TagKeys"], k)
	}
	return c
}

// assumption checks the request and returns the session that it asks for.
func assumption(in *sts.AssumeRoleInput) (arn.ARN, credential.Session, error) {
	var c check
	role := c.text("roleArn", in.RoleArn, 20, 2048)
	v := credential.Session{SessionName: c.text("roleSessionName", in.RoleSessionName, 2, 64), Duration: time.Hour}
	c.session("roleSessionName", v.SessionName)
	if in.SourceIdentity != nil {
		v.SourceIdentity = c.text("sourceIdentity", in.SourceIdentity, 2, 64)
		c.session("sourceIdentity", v.SourceIdentity)
	}
	if in.DurationSeconds != nil {
		v.Duration = c.duration(*in.DurationSeconds, maxDuration)
	}
	if in.Policy != nil {
		v.Policy = c.text("policy", in.Policy, 1, 2048)
	}
	for _, a := range in.PolicyArns {
		v.PolicyARNs = append(v.PolicyARNs, c.text("policyArns.member.arn", a.Arn, 20, 2048))
	}
	v.Tags = c.tags(in.Tags)
	if err := c.err(); err != nil {
		return arn.ARN{}, v, err
	}
	a, err := arn.Parse(role)
	if err != nil {
		return a, v, invalid("%s is invalid", role).Because(err)
	}
	if v.Policy != "" {
		var bad *policy.Error
		if _, err := policy.Parse(policy.Identity, v.Policy); errors.As(err, &bad) {
			return a, v, fault.New(400, "MalformedPolicyDocument", "%s", bad.Message).Because(err)
		}
	}
	return a, v, nil
}

func refused(p principal.Principal, action string, role arn.ARN) *fault.Error {
	return fault.New(403, "AccessDenied", "User: %s is not authorized to perform: %s on resource: %s", p.ARN, action, role)
}

func credentials(t credential.Temporary) *types.Credentials {
	secret, token := t.Secret.Reveal(), t.Token.Reveal()
	return &types.Credentials{AccessKeyId: &t.AccessKeyID, SecretAccessKey: &secret, SessionToken: &token, Expiration: &t.Expiration}
}

// packedSize is the share of the session policies' quota, in percent; nil when
// the request carries none.
func packedSize(in *sts.AssumeRoleInput) *int32 {
	n := 0
	if in.Policy != nil {
		n += utf8.RuneCountInString(*in.Policy)
	}
	for _, a := range in.PolicyArns {
		n += utf8.RuneCountInString(*a.Arn)
	}
	for _, t := range in.Tags {
		n += utf8.RuneCountInString(*t.Key) + utf8.RuneCountInString(*t.Value)
	}
	if n == 0 {
		return nil
	}
	percent := int32(min(100, max(1, n*100/4096)))
	return &percent
}
