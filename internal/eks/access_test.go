package eks_test

import (
	"slices"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
)

func TestAccessEntries(t *testing.T) {
	h := newHarness(t)
	h.active("demo", access(types.AuthenticationModeApiAndConfigMap, true))
	list := func() []string {
		t.Helper()
		out, err := h.ListAccessEntries(h.ctx, &sdk.ListAccessEntriesInput{ClusterName: aws.String("demo")})
		if err != nil {
			t.Fatal(err)
		}
		return out.AccessEntries
	}
	const creator, stranger = "arn:aws:iam::123456789012:role/team/admin", "arn:aws:iam::123456789012:role/stranger"
	if got := list(); !slices.Equal(got, []string{creator}) {
		t.Errorf("a new cluster has entries %v, want its creator's", got)
	}
	entries, err := h.AccessEntries(h.ctx, "demo")
	if err != nil || len(entries[0].Policies) != 1 || entries[0].Policies[0].ARN.String() != "arn:aws:eks::aws:cluster-access-policy/AmazonEKSClusterAdminPolicy" {
		t.Errorf("the creator's entry %+v, %v, want the admin policy", entries, err)
	}
	if want := "arn:aws:sts::123456789012:assumed-role/admin/{{SessionName}}"; entries[0].Username != want {
		t.Errorf("the creator's user name is %s, want %s", entries[0].Username, want)
	}

	out, err := h.CreateAccessEntry(h.ctx, &sdk.CreateAccessEntryInput{
		ClusterName: aws.String("demo"), PrincipalArn: aws.String(stranger), KubernetesGroups: []string{"viewers"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if *out.AccessEntry.Type != "STANDARD" || !slices.Equal(out.AccessEntry.KubernetesGroups, []string{"viewers"}) {
		t.Errorf("entry %+v", out.AccessEntry)
	}
	h.activeProfile("demo", "one")
	h.activeProfile("demo", "two")
	if got := list(); !slices.Equal(got, []string{podRole, stranger, creator}) {
		t.Errorf("entries %v, want one for the profiles' role too", got)
	}
	for i, name := range []string{"one", "two"} {
		if _, err := h.DeleteFargateProfile(h.ctx, &sdk.DeleteFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: aws.String(name)}); err != nil {
			t.Fatal(err)
		}
		h.settleProfile("demo", name, "")
		if got, want := slices.Contains(list(), podRole), i == 0; got != want {
			t.Errorf("after profile %s went, the role has an entry: %v, want %v", name, got, want)
		}
	}
	remove := func() error {
		_, err := h.DeleteAccessEntry(h.ctx, &sdk.DeleteAccessEntryInput{ClusterName: aws.String("demo"), PrincipalArn: aws.String(stranger)})
		return err
	}
	if err := remove(); err != nil {
		t.Fatal(err)
	}
	h.refused(remove, 404, "ResourceNotFoundException", "The specified principalArn could not be found.")
}

func TestNothingIsLeftOfACluster(t *testing.T) {
	h := newHarness(t)
	token := aws.String("once")
	h.active("demo", access(types.AuthenticationModeApi, true), func(in *sdk.CreateClusterInput) { in.ClientRequestToken = token })
	if _, err := h.CreateAccessEntry(h.ctx, &sdk.CreateAccessEntryInput{ClusterName: aws.String("demo"), PrincipalArn: aws.String(podRole), ClientRequestToken: token}); err != nil {
		t.Fatal(err)
	}
	h.activeProfile("demo", "fp", func(in *sdk.CreateFargateProfileInput) { in.ClientRequestToken = token })
	if _, err := h.DeleteFargateProfile(h.ctx, &sdk.DeleteFargateProfileInput{ClusterName: aws.String("demo"), FargateProfileName: aws.String("fp")}); err != nil {
		t.Fatal(err)
	}
	h.settleProfile("demo", "fp", "")
	if _, err := h.DeleteCluster(h.ctx, &sdk.DeleteClusterInput{Name: aws.String("demo")}); err != nil {
		t.Fatal(err)
	}
	h.settleCluster("demo", "")
	if diff := cmp.Diff(map[string]string{"/" + t.Name() + "/eks/index/clusters": `{"VPCs":{}}`}, h.records()); diff != "" {
		t.Errorf("records (-want +got)\n%s", diff)
	}
}

func TestCreateAccessEntryRefusals(t *testing.T) {
	h := newHarness(t)
	h.active("demo", access(types.AuthenticationModeApi, true))
	h.active("old", subnets("subnet-2a", "subnet-2b"))
	const pods, badParameter = "arn:aws:iam::123456789012:role/pods", "InvalidParameterException"
	tests := []struct {
		name          string
		in            sdk.CreateAccessEntryInput
		status        int
		code, message string
	}{
		{"no such cluster", sdk.CreateAccessEntryInput{ClusterName: aws.String("no"), PrincipalArn: aws.String(pods)}, 404, "ResourceNotFoundException", "No cluster found for name: no."},
		{"mode CONFIG_MAP", sdk.CreateAccessEntryInput{ClusterName: aws.String("old"), PrincipalArn: aws.String(pods)}, 400, "InvalidRequestException", "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP]"},
		{"malformed principal", sdk.CreateAccessEntryInput{ClusterName: aws.String("demo"), PrincipalArn: aws.String("me")}, 400, badParameter, "The specified principalArn is invalid: invalid principal."},
		{"no such principal", sdk.CreateAccessEntryInput{ClusterName: aws.String("demo"), PrincipalArn: aws.String("arn:aws:iam::123456789012:role/no")}, 400, badParameter, "The specified principalArn is invalid: invalid principal."},
		{"service-linked role", sdk.CreateAccessEntryInput{ClusterName: aws.String("demo"), PrincipalArn: aws.String("arn:aws:iam::123456789012:role/aws-service-role/x")}, 400, badParameter, "The specified principalArn is invalid"},
		{"type of a node", sdk.CreateAccessEntryInput{ClusterName: aws.String("demo"), PrincipalArn: aws.String(pods), Type: aws.String("EC2_LINUX")}, 400, badParameter, "Access entries of type EC2_LINUX are not supported by Berth"},
		{"reserved user", sdk.CreateAccessEntryInput{ClusterName: aws.String("demo"), PrincipalArn: aws.String(pods), Username: aws.String("system:admin")}, 400, badParameter, "The username cannot start with"},
		{"session without colon", sdk.CreateAccessEntryInput{ClusterName: aws.String("demo"), PrincipalArn: aws.String(pods), Username: aws.String("u{{SessionName}}")}, 400, badParameter, "The username must have a colon"},
		{"reserved group", sdk.CreateAccessEntryInput{ClusterName: aws.String("demo"), PrincipalArn: aws.String(pods), KubernetesGroups: []string{"system:masters"}}, 400, badParameter, "The kubernetes group name system:masters is invalid"},
		{"taken", sdk.CreateAccessEntryInput{ClusterName: aws.String("demo"), PrincipalArn: aws.String("arn:aws:iam::123456789012:role/stranger")}, 409, "ResourceInUseException", "The specified access entry resource is already in use on this cluster."},
	}
	if _, err := h.CreateAccessEntry(h.ctx, &tests[len(tests)-1].in); err != nil {
		t.Fatal(err)
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := h.in(t)
			h.refused(func() error { _, err := h.CreateAccessEntry(h.ctx, &tt.in); return err }, tt.status, tt.code, tt.message)
		})
	}
}

func TestTags(t *testing.T) {
	h := newHarness(t)
	c := h.active("demo", access(types.AuthenticationModeApi, true))
	h.activeProfile("demo", "fp")
	entries, err := h.AccessEntries(h.ctx, "demo")
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range []string{c.ARN.String(), h.profile("demo", "fp").ARN.String(), entries[0].ARN.String()} {
		if _, err := h.TagResource(h.ctx, &sdk.TagResourceInput{ResourceArn: &a, Tags: map[string]string{"a": "1", "b": "2"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.TagResource(h.ctx, &sdk.TagResourceInput{ResourceArn: &a, Tags: map[string]string{"b": "3"}}); err != nil {
			t.Fatal(err)
		}
		if _, err := h.UntagResource(h.ctx, &sdk.UntagResourceInput{ResourceArn: &a, TagKeys: []string{"a", "x"}}); err != nil {
			t.Fatal(err)
		}
		out, err := h.ListTagsForResource(h.ctx, &sdk.ListTagsForResourceInput{ResourceArn: &a})
		if diff := cmp.Diff(map[string]string{"b": "3"}, out.Tags); err != nil || diff != "" {
			t.Errorf("tags of %s: %v (-want +got)\n%s", a, err, diff)
		}
		h.refused(func() error {
			_, err := h.TagResource(h.ctx, &sdk.TagResourceInput{ResourceArn: &a, Tags: map[string]string{"aws:b": "3"}})
			return err
		}, 400, "BadRequestException", "Tag keys must not start with aws:")
	}
	for a, want := range map[string]struct {
		status int
		code   string
	}{
		"demo": {400, "BadRequestException"},
		"arn:aws:eks:eu-west-1:123456789012:cluster/no":             {404, "NotFoundException"},
		"arn:aws:eks:us-east-1:123456789012:cluster/demo":           {404, "NotFoundException"},
		"arn:aws:eks:eu-west-1:123456789012:fargateprofile/demo/fp": {404, "NotFoundException"},
		"arn:aws:eks:eu-west-1:123456789012:addon/demo/x/y":         {404, "NotFoundException"},
	} {
		_, err := h.ListTagsForResource(h.ctx, &sdk.ListTagsForResourceInput{ResourceArn: &a})
		checkRefusal(t, err, want.status, want.code, "")
	}
}

func TestDescribeClusterVersions(t *testing.T) {
	h := newHarness(t)
	show := func(in sdk.DescribeClusterVersionsInput) (got []string) {
		t.Helper()
		out, err := h.DescribeClusterVersions(h.ctx, &in)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range out.ClusterVersions {
			s := *v.ClusterVersion + " " + string(v.VersionStatus)
			if v.DefaultVersion {
				s += " default"
			}
			got = append(got, s)
		}
		return got
	}
	check := func(what string, in sdk.DescribeClusterVersionsInput, want ...string) {
		t.Helper()
		if got := show(in); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	check("all", sdk.DescribeClusterVersionsInput{}, "1.36 STANDARD_SUPPORT default", "1.35 STANDARD_SUPPORT", "1.34 STANDARD_SUPPORT")
	check("default", sdk.DescribeClusterVersionsInput{DefaultOnly: aws.Bool(true)}, "1.36 STANDARD_SUPPORT default")
	check("named", sdk.DescribeClusterVersionsInput{ClusterVersions: []string{"1.35", "1.2"}}, "1.35 STANDARD_SUPPORT")
	check("other type", sdk.DescribeClusterVersionsInput{ClusterType: aws.String("eks-local-outposts")})
	h.clock.SetTime(time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC))
	check("extended", sdk.DescribeClusterVersionsInput{VersionStatus: types.VersionStatusExtendedSupport}, "1.34 EXTENDED_SUPPORT")
	h.clock.SetTime(time.Date(2027, 12, 24, 0, 0, 0, 0, time.UTC))
	check("supported later", sdk.DescribeClusterVersionsInput{}, "1.36 EXTENDED_SUPPORT default", "1.35 EXTENDED_SUPPORT")
}
