package iam_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"
	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/iam"
)

func TestRole(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	trust := `{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "eks.amazonaws.com"}, "Action": "sts:AssumeRole"}]}`
	created, err := f.CreateRole(ctx, &awsiam.CreateRoleInput{
		RoleName: aws.String("Cluster"), Path: aws.String("/eks/"), AssumeRolePolicyDocument: &trust,
		Description: aws.String("of clusters"), Tags: []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}, {Key: aws.String("a"), Value: aws.String("1")}},
	})
	if err != nil {
		t.Fatal(err)
	}
	got, err := f.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("cluster")})
	if err != nil {
		t.Fatal(err)
	}
	r := got.Role
	if *r.Arn != "arn:aws:iam::123456789012:role/eks/Cluster" || *r.RoleName != "Cluster" || *r.MaxSessionDuration != 3600 ||
		!strings.HasPrefix(*r.RoleId, "AROA") || len(*r.RoleId) != 21 || *created.Role.RoleId != *r.RoleId || *r.Tags[0].Key != "a" {
		t.Errorf("role = %+v", *r)
	}
	if strings.ContainsAny(*r.AssumeRolePolicyDocument, "+ {\":/") {
		t.Errorf("document %s is not encoded as RFC 3986 says", *r.AssumeRolePolicyDocument)
	}
	if plain, err := url.QueryUnescape(*r.AssumeRolePolicyDocument); err != nil || plain != trust {
		t.Errorf("document = %s, %v", plain, err)
	}
	if _, err := f.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: aws.String("Cluster")}); err != nil {
		t.Fatal(err)
	}
	_, err = f.GetRole(ctx, &awsiam.GetRoleInput{RoleName: aws.String("Cluster")})
	wantFault(t, err, 404, "NoSuchEntity", "The role with name Cluster cannot be found.")
}

func TestCreateRoleRefuses(t *testing.T) {
	f := setup(t)
	f.role(t, "taken", podTrust)
	for _, tt := range []struct {
		name    string
		edit    func(*awsiam.CreateRoleInput)
		status  int
		code    string
		message string
	}{
		{"name in use", func(in *awsiam.CreateRoleInput) { in.RoleName = aws.String("Taken") }, 409, "EntityAlreadyExists", "Role with name Taken already exists."},
		{"no name", func(in *awsiam.CreateRoleInput) { in.RoleName = nil }, 400, "ValidationError", "1 validation error detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null"},
		{"nothing", func(in *awsiam.CreateRoleInput) { *in = awsiam.CreateRoleInput{} }, 400, "ValidationError", "2 validation errors detected: Value null at 'roleName' failed to satisfy constraint: Member must not be null; Value null at 'assumeRolePolicyDocument' failed to satisfy constraint: Member must not be null"},
		{"bad name", func(in *awsiam.CreateRoleInput) { in.RoleName = aws.String("a b") }, 400, "ValidationError", "The specified value for roleName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"},
		{"long name", func(in *awsiam.CreateRoleInput) { in.RoleName = aws.String(strings.Repeat("a", 65)) }, 400, "ValidationError", "1 validation error detected: Value '" + strings.Repeat("a", 65) + "' at 'roleName' failed to satisfy constraint: Member must have length less than or equal to 64"},
		{"bad path", func(in *awsiam.CreateRoleInput) { in.Path = aws.String("eks") }, 400, "ValidationError", "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters."},
		{"short session", func(in *awsiam.CreateRoleInput) { in.MaxSessionDuration = aws.Int32(60) }, 400, "ValidationError", "1 validation error detected: Value '60' at 'maxSessionDuration' failed to satisfy constraint: Member must have value greater than or equal to 3600"},
		{"no JSON", func(in *awsiam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String("x") }, 400, "MalformedPolicyDocument", "This policy contains invalid Json"},
		{"no trust", func(in *awsiam.CreateRoleInput) { in.AssumeRolePolicyDocument = aws.String(allowEKS) }, 400, "MalformedPolicyDocument", "Missing required field Principal"},
		{"unknown user", func(in *awsiam.CreateRoleInput) {
			in.AssumeRolePolicyDocument = aws.String(trusting(`{"AWS":"arn:aws:iam::123456789012:user/nobody"}`))
		}, 400, "MalformedPolicyDocument", `Invalid principal in policy: "AWS":"arn:aws:iam::123456789012:user/nobody"`},
		{"no service", func(in *awsiam.CreateRoleInput) {
			in.AssumeRolePolicyDocument = aws.String(trusting(`{"Service":"eks"}`))
		}, 400, "MalformedPolicyDocument", `Invalid principal in policy: "SERVICE":"eks"`},
		{"long trust", func(in *awsiam.CreateRoleInput) {
			in.AssumeRolePolicyDocument = aws.String(trusting(`{"AWS":["123456789012"` + strings.Repeat(`,"123456789012"`, 200) + `]}`))
		}, 409, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048"},
		{"tags alike", func(in *awsiam.CreateRoleInput) {
			in.Tags = []types.Tag{{Key: aws.String("a"), Value: aws.String("")}, {Key: aws.String("A"), Value: aws.String("")}}
		}, 400, "InvalidInput", "Duplicate tag keys found. Please note that Tag keys are case insensitive."},
		{"unknown boundary", func(in *awsiam.CreateRoleInput) {
			in.PermissionsBoundary = aws.String("arn:aws:iam::123456789012:policy/none")
		}, 404, "NoSuchEntity", "Scope ARN: arn:aws:iam::123456789012:policy/none does not exist or is not attachable."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := awsiam.CreateRoleInput{RoleName: aws.String("new"), AssumeRolePolicyDocument: aws.String(podTrust)}
			tt.edit(&in)
			_, err := f.CreateRole(t.Context(), &in)
			wantFault(t, err, tt.status, tt.code, tt.message)
			if out, err := f.ListRoles(t.Context(), &awsiam.ListRolesInput{}); err != nil || len(out.Roles) != 1 {
				t.Errorf("after a refusal there are %d roles, %v; want 1", len(out.Roles), err)
			}
		})
	}
}

func trusting(principal string) string {
	return `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":` + principal + `,"Action":"sts:AssumeRole"}]}`
}

func TestRolePolicies(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	role := aws.String("pods")
	f.role(t, *role, podTrust)
	p, err := f.CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String("eks"), PolicyDocument: aws.String(allowEKS)})
	if err != nil {
		t.Fatal(err)
	}
	own := p.Policy.Arn
	for range 2 { // attaching twice is no change
		for _, a := range []*string{own, aws.String(podPolicy)} {
			if _, err := f.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: role, PolicyArn: a}); err != nil {
				t.Fatal(err)
			}
		}
	}
	if _, err := f.PutRolePolicy(ctx, &awsiam.PutRolePolicyInput{RoleName: role, PolicyName: aws.String("logs"), PolicyDocument: aws.String(allowEKS)}); err != nil {
		t.Fatal(err)
	}
	attached, err := f.ListAttachedRolePolicies(ctx, &awsiam.ListAttachedRolePoliciesInput{RoleName: role})
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, a := range attached.AttachedPolicies {
		names = append(names, *a.PolicyName)
	}
	if diff := cmp.Diff([]string{"eks", "AmazonEKSFargatePodExecutionRolePolicy"}, names); diff != "" {
		t.Errorf("attached (-want +got):\n%s", diff)
	}
	got, err := f.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: own})
	if err != nil || *got.Policy.AttachmentCount != 1 {
		t.Errorf("GetPolicy = %+v, %v; want one attachment", got, err)
	}
	_, err = f.DeletePolicy(ctx, &awsiam.DeletePolicyInput{PolicyArn: own})
	wantFault(t, err, 409, "DeleteConflict", "Cannot delete a policy attached to entities.")
	_, err = f.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role})
	wantFault(t, err, 409, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	for _, a := range []*string{own, aws.String(podPolicy)} {
		if _, err := f.DetachRolePolicy(ctx, &awsiam.DetachRolePolicyInput{RoleName: role, PolicyArn: a}); err != nil {
			t.Fatal(err)
		}
	}
	_, err = f.DetachRolePolicy(ctx, &awsiam.DetachRolePolicyInput{RoleName: role, PolicyArn: own})
	wantFault(t, err, 404, "NoSuchEntity", "Policy arn:aws:iam::123456789012:policy/eks was not found.")
	_, err = f.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role})
	wantFault(t, err, 409, "DeleteConflict", "Cannot delete entity, must delete policies first.")
	if _, err := f.DeleteRolePolicy(ctx, &awsiam.DeleteRolePolicyInput{RoleName: role, PolicyName: aws.String("logs")}); err != nil {
		t.Fatal(err)
	}
	_, err = f.GetRolePolicy(ctx, &awsiam.GetRolePolicyInput{RoleName: role, PolicyName: aws.String("logs")})
	wantFault(t, err, 404, "NoSuchEntity", "The role policy with name logs cannot be found.")
	if _, err := f.DeletePolicy(ctx, &awsiam.DeletePolicyInput{PolicyArn: own}); err != nil {
		t.Error(err)
	}
	_, err = f.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: role, PolicyArn: own})
	wantFault(t, err, 404, "NoSuchEntity", "Policy arn:aws:iam::123456789012:policy/eks does not exist or is not attachable.")
	if _, err := f.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role}); err != nil {
		t.Error(err)
	}
}

func TestListRolesPages(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	for _, name := range []string{"a", "B", "c", "d", "e"} {
		f.role(t, name, podTrust)
	}
	var got []string
	var marker *string
	for {
		out, err := f.ListRoles(ctx, &awsiam.ListRolesInput{MaxItems: aws.Int32(2), Marker: marker})
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range out.Roles {
			got = append(got, *r.RoleName)
		}
		if out.IsTruncated != (out.Marker != nil) {
			t.Errorf("IsTruncated = %t with marker %v", out.IsTruncated, out.Marker)
		}
		if marker = out.Marker; marker == nil {
			break
		}
	}
	if diff := cmp.Diff([]string{"a", "B", "c", "d", "e"}, got); diff != "" {
		t.Errorf("roles over pages (-want +got):\n%s", diff)
	}
	_, err := f.ListRoles(ctx, &awsiam.ListRolesInput{Marker: aws.String("!")})
	wantFault(t, err, 400, "ValidationError", "Invalid Marker.")
	_, err = f.ListRoles(ctx, &awsiam.ListRolesInput{MaxItems: aws.Int32(0)})
	wantFault(t, err, 400, "ValidationError", "1 validation error detected: Value '0' at 'maxItems' failed to satisfy constraint: Member must have value greater than or equal to 1")
}

func TestRoleTags(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	role := aws.String("pods")
	f.role(t, *role, podTrust)
	tag := func(k, v string) types.Tag { return types.Tag{Key: &k, Value: &v} }
	if _, err := f.TagRole(ctx, &awsiam.TagRoleInput{RoleName: role, Tags: []types.Tag{tag("team", "a"), tag("env", "ci")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.TagRole(ctx, &awsiam.TagRoleInput{RoleName: role, Tags: []types.Tag{tag("Team", "b")}}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.UntagRole(ctx, &awsiam.UntagRoleInput{RoleName: role, TagKeys: []string{"env", "absent"}}); err != nil {
		t.Fatal(err)
	}
	got, err := f.ListRoleTags(ctx, &awsiam.ListRoleTagsInput{RoleName: role})
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Tags) != 1 || *got.Tags[0].Key != "Team" || *got.Tags[0].Value != "b" {
		t.Errorf("tags = %+v, want Team=b alone", got.Tags)
	}
	many := []types.Tag{}
	for i := range 50 {
		many = append(many, tag(strings.Repeat("k", i+1), ""))
	}
	_, err = f.TagRole(ctx, &awsiam.TagRoleInput{RoleName: role, Tags: many})
	wantFault(t, err, 409, "LimitExceeded", "The number of tags has reached the maximum limit.")
}

func TestServiceLinkedRole(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	const service = "eks-fargate.amazonaws.com"
	first, err := f.EnsureServiceLinkedRole(ctx, service)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := first.String(), "arn:aws:iam::123456789012:role/aws-service-role/eks-fargate.amazonaws.com/AWSServiceRoleForAmazonEKSForFargate"; got != want {
		t.Errorf("ARN = %s, want %s", got, want)
	}
	_, id, _, err := f.RoleByARN(ctx, first)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.EnsureServiceLinkedRole(ctx, service); err != nil {
		t.Fatal(err)
	}
	if _, again, _, _ := f.RoleByARN(ctx, first); again != id {
		t.Errorf("ensuring again changed the role's id from %s to %s", id, again)
	}
	name := aws.String("AWSServiceRoleForAmazonEKSForFargate")
	_, err = f.CreateServiceLinkedRole(ctx, &awsiam.CreateServiceLinkedRoleInput{AWSServiceName: aws.String(service)})
	wantFault(t, err, 400, "InvalidInput", "Service role name AWSServiceRoleForAmazonEKSForFargate has been taken in this account, please try a different suffix.")
	_, err = f.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: name})
	wantFault(t, err, 400, "UnmodifiableEntity", "Cannot perform the operation on the protected role 'AWSServiceRoleForAmazonEKSForFargate' - this role is only modifiable by AWS")
}

func TestServiceTrust(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	f.role(t, "pods", podTrust)
	f.role(t, "nodes", trusting(`{"Service":"ec2.amazonaws.com"}`))
	if _, err := f.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("deep"), Path: aws.String("/eks/"), AssumeRolePolicyDocument: aws.String(podTrust)}); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, arn string
		want      iam.Trust
	}{
		{"trusted", "arn:aws:iam::123456789012:role/pods", iam.Trust{Exists: true, Trusted: true, Name: "pods", Reason: "allowed by statement 0 of trust policy"}},
		{"not trusted", "arn:aws:iam::123456789012:role/nodes", iam.Trust{Exists: true, Name: "nodes", Reason: "implicitDeny"}},
		{"path", "arn:aws:iam::123456789012:role/eks/deep", iam.Trust{Exists: true, Trusted: true, HasPath: true, Name: "deep", Reason: "allowed by statement 0 of trust policy"}},
		{"path left out", "arn:aws:iam::123456789012:role/deep", iam.Trust{Reason: "no such role"}},
		{"none", "arn:aws:iam::123456789012:role/none", iam.Trust{Reason: "no such role"}},
		{"other account", "arn:aws:iam::999999999999:role/pods", iam.Trust{Reason: "no such role"}},
		{"no role", "arn:aws:iam::123456789012:user/pods", iam.Trust{Reason: "no such role"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, err := arn.Parse(tt.arn)
			if err != nil {
				t.Fatal(err)
			}
			got, err := f.ServiceTrust(ctx, a, "eks-fargate-pods.amazonaws.com", nil)
			if err != nil {
				t.Fatal(err)
			}
			if got.Exists != (got.ID != "") {
				t.Errorf("id = %q of a role that exists: %t", got.ID, got.Exists)
			}
			got.ID = ""
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("trust (-want +got):\n%s", diff)
			}
		})
	}
}
