package policy_test

import (
	"fmt"
	"strings"
	"testing"

	"berth.dev/berth/internal/iam/policy"
)

func parse(t *testing.T, kind policy.Kind, statements ...string) policy.Document {
	t.Helper()
	d, err := policy.Parse(kind, `{"Version":"2012-10-17","Statement":[`+strings.Join(statements, ",")+`]}`)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestEvaluate(t *testing.T) {
	const (
		demo     = "arn:aws:eks:eu-west-3:123456789012:cluster/demo"
		all      = `{"Effect":"Allow","Action":"*","Resource":"*"}`
		denyDemo = `{"Sid":"NoDemo","Effect":"Deny","Action":"eks:Delete*","Resource":"arn:aws:eks:*:*:cluster/demo"}`
	)
	for _, tt := range []struct {
		name       string
		statements []string
		action     string
		resource   string
		want       string
	}{
		{"nothing", nil, "eks:CreateCluster", demo, "implicitDeny"},
		{"everything", []string{all}, "eks:CreateCluster", demo, "allowed by statement 0 of p"},
		{"action without regard to case", []string{`{"Effect":"Allow","Action":"EKS:create*","Resource":"*"}`}, "eks:CreateCluster", demo, "allowed by statement 0 of p"},
		{"one character", []string{`{"Effect":"Allow","Action":"eks:CreateCluste?","Resource":"*"}`}, "eks:CreateCluster", demo, "allowed by statement 0 of p"},
		{"other action", []string{`{"Effect":"Allow","Action":"eks:List*","Resource":"*"}`}, "eks:CreateCluster", demo, "implicitDeny"},
		{"not action", []string{`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`}, "eks:CreateCluster", demo, "allowed by statement 0 of p"},
		{"not action hit", []string{`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`}, "iam:CreateRole", demo, "implicitDeny"},
		{"deny wins, before", []string{denyDemo, all}, "eks:DeleteCluster", demo, "explicitDeny by statement 0 of p"},
		{"deny wins, after", []string{all, denyDemo}, "eks:DeleteCluster", demo, "explicitDeny by statement 1 of p"},
		{"deny of other", []string{all, denyDemo}, "eks:DeleteCluster", demo + "2", "allowed by statement 0 of p"},
		{"resource", []string{`{"Effect":"Allow","Action":"*","Resource":["arn:aws:eks:*:*:cluster/other","arn:aws:eks:*:123456789012:cluster/d*"]}`}, "eks:CreateCluster", demo, "allowed by statement 0 of p"},
		{"resource has case", []string{`{"Effect":"Allow","Action":"*","Resource":"arn:aws:eks:*:*:cluster/Demo"}`}, "eks:CreateCluster", demo, "implicitDeny"},
		{"wildcard stays in its part", []string{`{"Effect":"Allow","Action":"*","Resource":"arn:aws:e*:cluster/demo::cluster/demo"}`}, "eks:CreateCluster", demo, "implicitDeny"},
		{"not resource", []string{`{"Effect":"Allow","Action":"*","NotResource":"arn:aws:eks:*:*:cluster/demo"}`}, "eks:CreateCluster", demo, "implicitDeny"},
		{"variable", []string{`{"Effect":"Allow","Action":"*","Resource":"arn:aws:eks:*:${aws:PrincipalAccount}:cluster/${aws:username}"}`}, "eks:CreateCluster", demo, "allowed by statement 0 of p"},
		{"variable with a default", []string{`{"Effect":"Allow","Action":"*","Resource":"arn:aws:eks:*:*:cluster/${aws:PrincipalTag/c, 'demo'}"}`}, "eks:CreateCluster", demo, "allowed by statement 0 of p"},
		{"variable without value", []string{`{"Effect":"Allow","Action":"*","Resource":"arn:aws:eks:*:*:cluster/${aws:nothing}*"}`}, "eks:CreateCluster", demo, "implicitDeny"},
		{"variable's wildcard is text", []string{`{"Effect":"Allow","Action":"*","Resource":"arn:aws:eks:*:*:cluster/${aws:userid}"}`}, "eks:CreateCluster", demo, "implicitDeny"},
		{"escaped wildcard", []string{`{"Effect":"Allow","Action":"*","Resource":"arn:aws:eks:*:*:cluster/${*}"}`}, "eks:CreateCluster", demo, "implicitDeny"},
		{"escaped wildcard hit", []string{`{"Effect":"Allow","Action":"*","Resource":"arn:aws:eks:*:*:cluster/${*}"}`}, "eks:CreateCluster", strings.Replace(demo, "demo", "*", 1), "allowed by statement 0 of p"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := parse(t, policy.Identity, tt.statements...)
			got := policy.Evaluate([]policy.Named{{Name: "p", Document: d}}, policy.Request{
				Action: tt.action, Resource: tt.resource,
				Context: policy.Context{"aws:username": {"demo"}, "AWS:PrincipalAccount": {"123456789012"}, "aws:userid": {"*"}},
			})
			if got.String() != tt.want {
				t.Errorf("Evaluate = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestConditions(t *testing.T) {
	for _, tt := range []struct {
		condition string
		values    []string // of the key aws:k; nil: the key is absent
		want      bool
	}{
		{`"StringEquals":{"aws:k":"a"}`, []string{"a"}, true},
		{`"StringEquals":{"AWS:K":"a"}`, []string{"a"}, true},
		{`"StringEquals":{"aws:k":"a"}`, []string{"A"}, false},
		{`"StringEquals":{"aws:k":["a","b"]}`, []string{"b"}, true},
		{`"StringEquals":{"aws:k":"a*"}`, []string{"ab"}, false},
		{`"StringEquals":{"aws:k":"a*"}`, []string{"a*"}, true},
		{`"StringEquals":{"aws:k":"a"}`, nil, false},
		{`"StringEqualsIfExists":{"aws:k":"a"}`, nil, true},
		{`"StringEqualsIfExists":{"aws:k":"a"}`, []string{"b"}, false},
		{`"StringNotEquals":{"aws:k":["a","b"]}`, []string{"b"}, false},
		{`"StringNotEquals":{"aws:k":["a","b"]}`, []string{"c"}, true},
		{`"StringNotEquals":{"aws:k":"a"}`, nil, true},
		{`"StringEqualsIgnoreCase":{"aws:k":"AB"}`, []string{"ab"}, true},
		{`"StringNotEqualsIgnoreCase":{"aws:k":"AB"}`, []string{"ab"}, false},
		{`"StringLike":{"aws:k":"system:serviceaccount:*:app-?"}`, []string{"system:serviceaccount:prod:app-1"}, true},
		{`"StringLike":{"aws:k":"app-?"}`, []string{"app-"}, false},
		{`"StringNotLike":{"aws:k":"app-*"}`, []string{"app-1"}, false},
		{`"StringLike":{"aws:k":"${aws:missing}*"}`, []string{"x"}, false},
		{`"ArnLike":{"aws:k":"arn:aws:eks:*:123456789012:fargateprofile/demo/*"}`, []string{"arn:aws:eks:eu-west-3:123456789012:fargateprofile/demo/fp/uuid"}, true},
		{`"ArnEquals":{"aws:k":"arn:aws:eks:*:123456789012:fargateprofile/demo/*"}`, []string{"arn:aws:eks:eu-west-3:123456789012:cluster/demo"}, false},
		{`"ArnLike":{"aws:k":"arn:aws:*:cluster/demo"}`, []string{"arn:aws:eks:eu-west-3:123456789012:cluster/demo"}, true},
		{`"ArnNotLike":{"aws:k":"arn:aws:eks:*:*:cluster/*"}`, []string{"arn:aws:eks:eu-west-3:123456789012:cluster/demo"}, false},
		{`"NumericEquals":{"aws:k":3}`, []string{"3.0"}, true},
		{`"NumericLessThan":{"aws:k":"3600"}`, []string{"3599"}, true},
		{`"NumericLessThanEquals":{"aws:k":"3600"}`, []string{"3601"}, false},
		{`"NumericGreaterThan":{"aws:k":"1"}`, []string{"x"}, false},
		{`"NumericNotEquals":{"aws:k":"1"}`, []string{"2"}, true},
		{`"DateLessThan":{"aws:k":"2026-01-02T00:00:00Z"}`, []string{"2026-01-01T23:59:59Z"}, true},
		{`"DateGreaterThanEquals":{"aws:k":"2026-01-02"}`, []string{"1767312000"}, true},
		{`"DateGreaterThan":{"aws:k":"yesterday"}`, []string{"2026-01-01T23:59:59Z"}, false},
		{`"Bool":{"aws:k":true}`, []string{"true"}, true},
		{`"Bool":{"aws:k":"TRUE"}`, []string{"true"}, true},
		{`"Bool":{"aws:k":"false"}`, nil, false},
		{`"BoolIfExists":{"aws:k":"false"}`, nil, true},
		{`"IpAddress":{"aws:k":"203.0.113.0/24"}`, []string{"203.0.113.9"}, true},
		{`"IpAddress":{"aws:k":"203.0.113.9"}`, []string{"::ffff:203.0.113.9"}, true},
		{`"IpAddress":{"aws:k":["203.0.113.0/24","2001:db8::/32"]}`, []string{"2001:db8::1"}, true},
		{`"NotIpAddress":{"aws:k":"203.0.113.0/24"}`, []string{"203.0.113.9"}, false},
		{`"IpAddress":{"aws:k":"everywhere"}`, []string{"203.0.113.9"}, false},
		{`"Null":{"aws:k":"true"}`, nil, true},
		{`"Null":{"aws:k":"true"}`, []string{"a"}, false},
		{`"Null":{"aws:k":false}`, []string{"a"}, true},
		{`"ForAllValues:StringEquals":{"aws:k":["a","b"]}`, []string{"a", "b"}, true},
		{`"ForAllValues:StringEquals":{"aws:k":["a","b"]}`, []string{"a", "c"}, false},
		{`"ForAllValues:StringEquals":{"aws:k":["a","b"]}`, nil, true},
		{`"ForAnyValue:StringEquals":{"aws:k":["a","b"]}`, []string{"c", "a"}, true},
		{`"ForAnyValue:StringEquals":{"aws:k":["a","b"]}`, []string{"c"}, false},
		{`"ForAnyValue:StringEquals":{"aws:k":["a","b"]}`, nil, false},
		{`"ForAnyValue:StringNotLike":{"aws:k":"a*"}`, []string{"ab", "c"}, true},
		{`"StringEquals":{"aws:k":"a","aws:other":"b"}`, []string{"a"}, false},
		{`"StringEquals":{"aws:k":"a"},"Null":{"aws:other":"true"}`, []string{"a"}, true},
	} {
		t.Run(fmt.Sprintf("%s of %q", tt.condition, tt.values), func(t *testing.T) {
			d := parse(t, policy.Identity, `{"Effect":"Allow","Action":"*","Resource":"*","Condition":{`+tt.condition+`}}`)
			c := policy.Context{}
			if tt.values != nil {
				c["aws:k"] = tt.values
			}
			got := policy.Evaluate([]policy.Named{{Document: d}}, policy.Request{Action: "eks:ListClusters", Resource: "*", Context: c})
			if got.Allowed() != tt.want {
				t.Errorf("allowed = %t, want %t", got.Allowed(), tt.want)
			}
		})
	}
}

func TestTrusts(t *testing.T) {
	const (
		pods    = "eks-fargate-pods.amazonaws.com"
		profile = "arn:aws:eks:eu-west-3:123456789012:fargateprofile/demo/fp-default/0a1b"
		plain   = `{"Effect":"Allow","Principal":{"Service":"eks-fargate-pods.amazonaws.com"},"Action":"sts:AssumeRole"}`
		scoped  = `{"Effect":"Allow","Principal":{"Service":"eks-fargate-pods.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"ArnLike":{"aws:SourceArn":"%s"}}}`
	)
	for _, tt := range []struct {
		name, statement, service string
		want                     policy.Outcome
	}{
		{"the service", plain, pods, policy.Allowed},
		{"another service", plain, "ec2.amazonaws.com", policy.ImplicitDeny},
		{"anyone", `{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole"}`, pods, policy.Allowed},
		{"any AWS principal", `{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}`, pods, policy.ImplicitDeny},
		{"its profiles", fmt.Sprintf(scoped, "arn:aws:eks:eu-west-3:123456789012:fargateprofile/demo/*"), pods, policy.Allowed},
		{"any region", fmt.Sprintf(scoped, "arn:aws:eks:*:123456789012:fargateprofile/*/*"), pods, policy.Allowed},
		{"the cluster instead", fmt.Sprintf(scoped, "arn:aws:eks:eu-west-3:123456789012:cluster/demo"), pods, policy.ImplicitDeny},
		{"another cluster", fmt.Sprintf(scoped, "arn:aws:eks:eu-west-3:123456789012:fargateprofile/other/*"), pods, policy.ImplicitDeny},
		{"another account", `{"Effect":"Allow","Principal":{"Service":"eks-fargate-pods.amazonaws.com"},"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"999999999999"}}}`, pods, policy.ImplicitDeny},
		{"other action", `{"Effect":"Allow","Principal":{"Service":"eks-fargate-pods.amazonaws.com"},"Action":"sts:TagSession"}`, pods, policy.ImplicitDeny},
		{"denied", plain + `,{"Effect":"Deny","NotPrincipal":{"Service":"eks.amazonaws.com"},"Action":"sts:*"}`, pods, policy.ExplicitDeny},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := policy.Trusts(parse(t, policy.Trust, tt.statement), tt.service, policy.Context{
				"aws:SourceArn": {profile}, "aws:SourceAccount": {"123456789012"},
			})
			if got.Outcome != tt.want {
				t.Errorf("Trusts = %s, want %s", got, tt.want)
			}
		})
	}
}

func TestPrincipals(t *testing.T) {
	caller := policy.Caller{
		AWS:     []string{"arn:aws:sts::123456789012:assumed-role/ops/me", "arn:aws:iam::123456789012:role/ops", "AROAEXAMPLE"},
		Account: "123456789012", Federated: "arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-3.amazonaws.com/id/X",
	}
	for _, tt := range []struct {
		name, principal string
		want            string
	}{
		{"account", `{"AWS":"123456789012"}`, "account"},
		{"account's root", `{"AWS":"arn:aws:iam::123456789012:root"}`, "account"},
		{"account and role", `{"AWS":["123456789012","arn:aws:iam::123456789012:role/ops"]}`, "caller"},
		{"other account", `{"AWS":"999999999999"}`, ""},
		{"role", `{"AWS":"arn:aws:iam::123456789012:role/ops"}`, "caller"},
		{"session", `{"AWS":"arn:aws:sts::123456789012:assumed-role/ops/me"}`, "caller"},
		{"unique id", `{"AWS":"AROAEXAMPLE"}`, "caller"},
		{"no wildcards in ARNs", `{"AWS":"arn:aws:iam::123456789012:role/*"}`, ""},
		{"provider", `{"Federated":"arn:aws:iam::123456789012:oidc-provider/oidc.eks.eu-west-3.amazonaws.com/id/X"}`, "caller"},
		{"other provider", `{"Federated":"cognito-identity.amazonaws.com"}`, ""},
		{"everyone", `"*"`, "caller"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := parse(t, policy.Trust, `{"Effect":"Allow","Principal":`+tt.principal+`,"Action":"sts:AssumeRole"}`)
			got := policy.Evaluate([]policy.Named{{Document: d}}, policy.Request{Action: "sts:AssumeRole", Caller: caller})
			by := ""
			switch {
			case got.Allowed() && got.ByAccount:
				by = "account"
			case got.Allowed():
				by = "caller"
			}
			if by != tt.want {
				t.Errorf("allowed by %q, want %q", by, tt.want)
			}
		})
	}
}

func TestOldVersionHasNoVariables(t *testing.T) {
	d, err := policy.Parse(policy.Trust, `{"Version":"2008-10-17","Statement":{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:k":"${aws:username}"}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	r := policy.Request{Action: "sts:AssumeRole", Context: policy.Context{"aws:k": {"demo"}, "aws:username": {"demo"}}}
	if got := policy.Evaluate([]policy.Named{{Document: d}}, r); got.Allowed() {
		t.Error("a variable was replaced in a document of 2008-10-17")
	}
}
