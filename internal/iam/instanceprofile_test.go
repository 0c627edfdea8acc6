package iam_test

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
)

func TestInstanceProfile(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	name, role := aws.String("nodes"), aws.String("node")
	f.role(t, *role, trusting(`{"Service":"ec2.amazonaws.com"}`))
	if _, err := f.CreateInstanceProfile(ctx, &awsiam.CreateInstanceProfileInput{InstanceProfileName: name}); err != nil {
		t.Fatal(err)
	}
	_, err := f.CreateInstanceProfile(ctx, &awsiam.CreateInstanceProfileInput{InstanceProfileName: name})
	wantFault(t, err, 409, "EntityAlreadyExists", "Instance Profile nodes already exists.")
	add := &awsiam.AddRoleToInstanceProfileInput{InstanceProfileName: name, RoleName: role}
	if _, err := f.AddRoleToInstanceProfile(ctx, add); err != nil {
		t.Fatal(err)
	}
	_, err = f.AddRoleToInstanceProfile(ctx, add)
	wantFault(t, err, 409, "LimitExceeded", "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1")
	got, err := f.GetInstanceProfile(ctx, &awsiam.GetInstanceProfileInput{InstanceProfileName: name})
	if err != nil || *got.InstanceProfile.Arn != "arn:aws:iam::123456789012:instance-profile/nodes" ||
		len(got.InstanceProfile.Roles) != 1 || *got.InstanceProfile.Roles[0].RoleName != "node" {
		t.Errorf("GetInstanceProfile = %+v, %v", got, err)
	}
	of, err := f.ListInstanceProfilesForRole(ctx, &awsiam.ListInstanceProfilesForRoleInput{RoleName: role})
	if err != nil || len(of.InstanceProfiles) != 1 {
		t.Errorf("ListInstanceProfilesForRole = %+v, %v", of, err)
	}
	all, err := f.ListInstanceProfiles(ctx, &awsiam.ListInstanceProfilesInput{})
	if err != nil || len(all.InstanceProfiles) != 1 {
		t.Errorf("ListInstanceProfiles = %+v, %v", all, err)
	}
	_, err = f.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role})
	wantFault(t, err, 409, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	_, err = f.DeleteInstanceProfile(ctx, &awsiam.DeleteInstanceProfileInput{InstanceProfileName: name})
	wantFault(t, err, 409, "DeleteConflict", "Cannot delete entity, must remove roles from instance profile first.")
	if _, err := f.RemoveRoleFromInstanceProfile(ctx, &awsiam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: role}); err != nil {
		t.Fatal(err)
	}
	_, err = f.RemoveRoleFromInstanceProfile(ctx, &awsiam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: name, RoleName: role})
	wantFault(t, err, 404, "NoSuchEntity", "The role with name node cannot be found.")
	if _, err := f.DeleteInstanceProfile(ctx, &awsiam.DeleteInstanceProfileInput{InstanceProfileName: name}); err != nil {
		t.Fatal(err)
	}
	_, err = f.GetInstanceProfile(ctx, &awsiam.GetInstanceProfileInput{InstanceProfileName: name})
	wantFault(t, err, 404, "NoSuchEntity", "Instance Profile nodes cannot be found.")
	if _, err := f.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role}); err != nil {
		t.Fatal(err)
	}
}

func TestRoleBoundary(t *testing.T) {
	f := setup(t)
	ctx := t.Context()
	role := aws.String("ops")
	f.role(t, *role, podTrust)
	p, err := f.CreatePolicy(ctx, &awsiam.CreatePolicyInput{PolicyName: aws.String("bound"), PolicyDocument: aws.String(allowEKS)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.PutRolePermissionsBoundary(ctx, &awsiam.PutRolePermissionsBoundaryInput{RoleName: role, PermissionsBoundary: p.Policy.Arn}); err != nil {
		t.Fatal(err)
	}
	got, err := f.GetRole(ctx, &awsiam.GetRoleInput{RoleName: role})
	if err != nil || got.Role.PermissionsBoundary == nil || *got.Role.PermissionsBoundary.PermissionsBoundaryArn != *p.Policy.Arn {
		t.Errorf("GetRole = %+v, %v; want the boundary", got, err)
	}
	_, err = f.DeletePolicy(ctx, &awsiam.DeletePolicyInput{PolicyArn: p.Policy.Arn})
	wantFault(t, err, 409, "DeleteConflict", "Cannot delete a policy attached to entities.")
	if _, err := f.DeleteRole(ctx, &awsiam.DeleteRoleInput{RoleName: role}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.DeletePolicy(ctx, &awsiam.DeletePolicyInput{PolicyArn: p.Policy.Arn}); err != nil {
		t.Errorf("DeletePolicy after its role went = %v", err)
	}
}
