package iam_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/principal"
)

func TestUser(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	name := aws.String("amelie")
	first := f.user(t, *name)
	_, err := f.CreateUser(ctx, &awsiam.CreateUserInput{UserName: aws.String("AMELIE")})
	wantFault(t, err, 409, "EntityAlreadyExists", "User with name AMELIE already exists.")

	// A user without a name in the request is the one who asks.
	asSelf := principal.NewContext(ctx, f.caller(t, first))
	me, err := f.GetUser(asSelf, &awsiam.GetUserInput{})
	if err != nil || *me.User.UserName != "amelie" {
		t.Fatalf("GetUser of oneself = %+v, %v", me, err)
	}
	second, err := f.CreateAccessKey(asSelf, &awsiam.CreateAccessKeyInput{})
	if err != nil || *second.AccessKey.UserName != "amelie" || len(*second.AccessKey.AccessKeyId) != 20 || len(*second.AccessKey.SecretAccessKey) != 40 {
		t.Fatalf("CreateAccessKey for oneself = %+v, %v", second, err)
	}
	_, err = f.CreateAccessKey(ctx, &awsiam.CreateAccessKeyInput{UserName: name})
	wantFault(t, err, 409, "LimitExceeded", "Cannot exceed quota for AccessKeysPerUser: 2")
	_, err = f.CreateAccessKey(ctx, &awsiam.CreateAccessKeyInput{})
	wantFault(t, err, 400, "ValidationError", "Must specify userName when calling with non-User credentials")
	_, err = f.CreateAccessKey(ctx, &awsiam.CreateAccessKeyInput{UserName: aws.String("none")})
	wantFault(t, err, 404, "NoSuchEntity", "The user with name none cannot be found.")

	_, err = f.DeleteUser(ctx, &awsiam.DeleteUserInput{UserName: name})
	wantFault(t, err, 409, "DeleteConflict", "Cannot delete entity, must delete access keys first.")
	keys, err := f.ListAccessKeys(ctx, &awsiam.ListAccessKeysInput{UserName: name})
	if err != nil || len(keys.AccessKeyMetadata) != 2 || *keys.AccessKeyMetadata[0].AccessKeyId != first {
		t.Fatalf("ListAccessKeys = %+v, %v", keys, err)
	}
	_, err = f.DeleteAccessKey(ctx, &awsiam.DeleteAccessKeyInput{UserName: name, AccessKeyId: aws.String("AKIANOBODY0000000000")})
	wantFault(t, err, 404, "NoSuchEntity", "The Access Key with id AKIANOBODY0000000000 cannot be found.")
	f.user(t, "other")
	_, err = f.DeleteAccessKey(ctx, &awsiam.DeleteAccessKeyInput{UserName: aws.String("other"), AccessKeyId: &first})
	wantFault(t, err, 404, "NoSuchEntity", "The Access Key with id "+first+" cannot be found.")
	for _, k := range keys.AccessKeyMetadata {
		if _, err := f.DeleteAccessKey(ctx, &awsiam.DeleteAccessKeyInput{UserName: name, AccessKeyId: k.AccessKeyId}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.AttachUserPolicy(ctx, &awsiam.AttachUserPolicyInput{UserName: name, PolicyArn: aws.String(adminPolicy)}); err != nil {
		t.Fatal(err)
	}
	_, err = f.DeleteUser(ctx, &awsiam.DeleteUserInput{UserName: name})
	wantFault(t, err, 409, "DeleteConflict", "Cannot delete entity, must detach all policies first.")
	if _, err := f.DetachUserPolicy(ctx, &awsiam.DetachUserPolicyInput{UserName: name, PolicyArn: aws.String(adminPolicy)}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DeleteUser(ctx, &awsiam.DeleteUserInput{UserName: name}); err != nil {
		t.Fatal(err)
	}
}

func TestManagedPolicies(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	for _, name := range []string{
		"AmazonEKSFargatePodExecutionRolePolicy", "AmazonEKSClusterPolicy", "AmazonEKSVPCResourceController", "AmazonEKSWorkerNodePolicy",
		"AmazonEC2ContainerRegistryReadOnly", "AmazonEC2ContainerRegistryPullOnly", "AmazonEKS_CNI_Policy",
		"aws-service-role/AmazonEKSForFargateServiceRolePolicy", "AdministratorAccess", "ReadOnlyAccess",
	} {
		a := aws.String("arn:aws:iam::aws:policy/" + name)
		p, err := f.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: a})
		if err != nil {
			t.Error(err)
			continue
		}
		if _, err := f.GetPolicyVersion(ctx, &awsiam.GetPolicyVersionInput{PolicyArn: a, VersionId: p.Policy.DefaultVersionId}); err != nil {
			t.Error(err)
		}
	}
	_, err := f.GetPolicy(ctx, &awsiam.GetPolicyInput{PolicyArn: aws.String("arn:aws:iam::aws:policy/None")})
	wantFault(t, err, 404, "NoSuchEntity", "Policy arn:aws:iam::aws:policy/None was not found.")
	for range 2 {
		_, err = f.CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String("mine"), PolicyDocument: aws.String(allowEKS)})
	}
	wantFault(t, err, 409, "EntityAlreadyExists", "A policy called mine already exists. Duplicate names are not allowed.")
	_, err = f.CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String("bad"), PolicyDocument: aws.String(podTrust)})
	wantFault(t, err, 400, "MalformedPolicyDocument", "Policy document should not specify a principal.")
	local, err := f.ListPolicies(ctx, &awsiam.ListPoliciesInput{Scope: "Local"})
	if err != nil || len(local.Policies) != 1 || *local.Policies[0].PolicyName != "mine" {
		t.Errorf("ListPolicies(Local) = %+v, %v", local, err)
	}
	linked, err := f.ListPolicies(ctx, &awsiam.ListPoliciesInput{Scope: "AWS", PathPrefix: aws.String("/aws-service-role/")})
	if err != nil || len(linked.Policies) != 3 {
		t.Errorf("ListPolicies of service roles = %d, %v; want 3", len(linked.Policies), err)
	}
}

func TestAuthorize(t *testing.T) {
	const (
		demo      = "arn:aws:eks:eu-west-3:123456789012:cluster/demo"
		user      = "User: arn:aws:iam::123456789012:user/amelie is not authorized to perform: "
		denyProd  = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"},{"Effect":"Deny","Action":"eks:*","Resource":"*","Condition":{"StringEquals":{"aws:RequestTag/stage":"prod"}}}]}`
		ownOnly   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"arn:aws:eks:*:*:cluster/${aws:username}-*"}]}`
		eksInCI   = `{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"eks:*","Resource":"*","Condition":{"StringEquals":{"aws:PrincipalTag/stage":"ci"}}}]}`
		noneInIAM = "iam:CreateRole"
	)
	for _, tt := range []struct {
		name, policy, action, resource string
		conditions                     map[string][]string
		status                         int
		code, message                  string // code "" where it is allowed
	}{
		{name: "nothing allows", action: "eks:CreateCluster", resource: demo, status: 403, code: "AccessDeniedException",
			message: user + "eks:CreateCluster on resource: " + demo + " because no identity-based policy allows the eks:CreateCluster action"},
		{name: "another service's words", action: noneInIAM, resource: "*", status: 403, code: "AccessDenied",
			message: user + "iam:CreateRole on resource: * because no identity-based policy allows the iam:CreateRole action"},
		{name: "EC2's words", action: "ec2:CreateVpc", resource: "*", status: 403, code: "UnauthorizedOperation",
			message: "You are not authorized to perform this operation. " + user + "ec2:CreateVpc on resource: * because no identity-based policy allows the ec2:CreateVpc action"},
		{name: "allowed", policy: allowEKS, action: "eks:CreateCluster", resource: demo},
		{name: "explicit deny", policy: denyProd, action: "eks:CreateCluster", resource: demo, conditions: map[string][]string{"aws:RequestTag/stage": {"prod"}},
			status: 403, code: "AccessDeniedException", message: user + "eks:CreateCluster on resource: " + demo + " with an explicit deny in an identity-based policy"},
		{name: "deny's condition does not hold", policy: denyProd, action: "eks:CreateCluster", resource: demo},
		{name: "user's own", policy: ownOnly, action: "eks:CreateCluster", resource: "arn:aws:eks:eu-west-3:123456789012:cluster/amelie-1"},
		{name: "request cannot claim the principal's tags", policy: eksInCI, action: "eks:CreateCluster", resource: demo, conditions: map[string][]string{"AWS:PrincipalTag/stage": {"ci"}},
			status: 403, code: "AccessDeniedException", message: user + "eks:CreateCluster on resource: " + demo + " because no identity-based policy allows the eks:CreateCluster action"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := setup(t)
			p := f.caller(t, f.user(t, "amelie"))
			if tt.policy != "" {
				if _, err := f.PutUserPolicy(t.Context(), &awsiam.PutUserPolicyInput{UserName: aws.String("amelie"), PolicyName: aws.String("p"), PolicyDocument: &tt.policy}); err != nil {
					t.Fatal(err)
				}
			}
			err := f.Authorize(t.Context(), p, tt.action, tt.resource, tt.conditions)
			if tt.code == "" {
				if err != nil {
					t.Errorf("Authorize = %v, want nil", err)
				}
				return
			}
			wantFault(t, err, tt.status, tt.code, tt.message)
		})
	}
}

func TestAuthorizeLayers(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	readOnly := "arn:aws:iam::aws:policy/ReadOnlyAccess"
	if _, err := f.CreateRole(ctx, &awsiam.CreateRoleInput{RoleName: aws.String("ops"), AssumeRolePolicyDocument: aws.String(podTrust), PermissionsBoundary: aws.String("arn:aws:iam::aws:policy/PowerUserAccess")}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.AttachRolePolicy(ctx, &awsiam.AttachRolePolicyInput{RoleName: aws.String("ops"), PolicyArn: aws.String(adminPolicy)}); err != nil {
		t.Fatal(err)
	}
	role, err := f.Role(ctx, arn.ARN{Partition: "aws", Service: "iam", Account: account, Resource: "role/ops"})
	if err != nil {
		t.Fatal(err)
	}
	session := credential.Session{Role: role.ARN, RoleID: role.ID, SessionName: "me", Duration: role.MaxSession}
	open := func(v credential.Session) principal.Principal {
		key, err := f.IssueSession(ctx, v)
		if err != nil {
			t.Fatal(err)
		}
		return f.caller(t, key.AccessKeyID)
	}
	wide := open(session)
	if err := f.Authorize(ctx, wide, "eks:CreateCluster", "*", nil); err != nil {
		t.Errorf("Authorize within the boundary = %v", err)
	}
	const who = "User: arn:aws:sts::123456789012:assumed-role/ops/me is not authorized to perform: "
	err = f.Authorize(ctx, wide, "iam:CreateUser", "*", nil)
	wantFault(t, err, 403, "AccessDenied", who+"iam:CreateUser on resource: * because no permissions boundary allows the iam:CreateUser action")
	session.PolicyARNs = []string{readOnly}
	narrow := open(session)
	if err := f.Authorize(ctx, narrow, "eks:DescribeCluster", "*", nil); err != nil {
		t.Errorf("Authorize within the session policy = %v", err)
	}
	err = f.Authorize(ctx, narrow, "eks:CreateCluster", "*", nil)
	wantFault(t, err, 403, "AccessDeniedException", who+"eks:CreateCluster on resource: * because no session policy allows the eks:CreateCluster action")
	if err := f.Authorize(ctx, principal.Principal{Kind: principal.Root}, "iam:CreateUser", "*", nil); err != nil {
		t.Errorf("Authorize of root = %v", err)
	}
}
