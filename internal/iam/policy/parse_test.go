package policy_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/internal/iam/policy"
)

func TestParse(t *testing.T) {
	got, err := policy.Parse(policy.Trust, `{"Version":"2012-10-17","Id":"pods","Statement":{"Sid":"One","Effect":"Allow",
		"Principal":{"Service":["eks-fargate-pods.amazonaws.com"],"AWS":"123456789012"},"Action":["sts:AssumeRole","sts:TagSession"],
		"Condition":{"ArnLike":{"aws:SourceArn":"arn:aws:eks:eu-west-3:123456789012:fargateprofile/demo/*"},
			"ForAnyValue:StringEqualsIfExists":{"aws:TagKeys":["a",1,true]}}}}`)
	if err != nil {
		t.Fatal(err)
	}
	want := policy.Document{Version: "2012-10-17", ID: "pods", Statements: []policy.Statement{{
		Sid: "One", Effect: policy.Allow,
		Principals: &policy.Principals{Service: []string{"eks-fargate-pods.amazonaws.com"}, AWS: []string{"123456789012"}},
		Actions:    []string{"sts:AssumeRole", "sts:TagSession"},
		Conditions: []policy.Condition{
			{Operator: policy.Operator{Name: "ArnLike"}, Key: "aws:SourceArn", Values: []string{"arn:aws:eks:eu-west-3:123456789012:fargateprofile/demo/*"}},
			{Operator: policy.Operator{Name: "StringEquals", IfExists: true, Each: "ForAnyValue"}, Key: "aws:TagKeys", Values: []string{"a", "1", "true"}},
		},
	}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("document (-want +got):\n%s", diff)
	}
}

func TestParseRefuses(t *testing.T) {
	const identity, trust = policy.Identity, policy.Trust
	statement := func(s string) string { return `{"Version":"2012-10-17","Statement":[` + s + `]}` }
	for _, tt := range []struct {
		name string
		kind policy.Kind
		text string
		want string
	}{
		{"empty", identity, ``, "This policy contains invalid Json"},
		{"broken", identity, `{"Version"`, "This policy contains invalid Json"},
		{"more text", identity, `{} {}`, "This policy contains invalid Json"},
		{"repeated element", identity, `{"Version":"2012-10-17","Version":"2012-10-17"}`, "This policy contains invalid Json"},
		{"too deep", identity, strings.Repeat("[", 100000), "This policy contains invalid Json"},
		{"too long", identity, `"` + strings.Repeat("x", policy.MaxSize) + `"`, "Syntax errors in policy."},
		{"no object", identity, `[]`, "Syntax errors in policy."},
		{"no statement", identity, `{"Version":"2012-10-17"}`, "Statement: Missing required field Statement"},
		{"unknown element", identity, `{"Version":"2012-10-17","Statments":[]}`, "Syntax errors in policy."},
		{"unknown version", identity, `{"Version":"2020-01-01","Statement":[]}`, "Version: Syntax errors in policy."},
		{"old version", identity, `{"Statement":[]}`, "Version: Policy document must be version 2012-10-17 or greater."},
		{"statement is text", identity, statement(`"x"`), "Statement[0]: Syntax errors in policy."},
		{"unknown statement element", identity, statement(`{"Effct":"Allow"}`), "Statement[0]: Syntax errors in policy."},
		{"no effect", identity, statement(`{"Action":"*","Resource":"*"}`), "Statement[0]: Missing required field Effect"},
		{"wrong effect", identity, statement(`{"Effect":"allow","Action":"*","Resource":"*"}`), "Statement[0].Effect: Invalid effect: allow"},
		{"no action", identity, statement(`{"Effect":"Allow","Resource":"*"}`), "Statement[0]: Policy statement must contain actions."},
		{"action and not", identity, statement(`{"Effect":"Allow","Action":"*","NotAction":"*","Resource":"*"}`), "Statement[0]: Syntax errors in policy."},
		{"action without service", identity, statement(`{"Effect":"Allow","Action":"CreateCluster","Resource":"*"}`), "Statement[0].Action: Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."},
		{"action of a strange service", identity, statement(`{"Effect":"Allow","Action":"e ks:*","Resource":"*"}`), "Statement[0].Action: Vendor e ks is not valid"},
		{"action of two colons", identity, statement(`{"Effect":"Allow","Action":"eks:a:b","Resource":"*"}`), "Statement[0].Action: Actions/Condition can contain only one colon."},
		{"action is a number", identity, statement(`{"Effect":"Allow","Action":1,"Resource":"*"}`), "Statement[0].Action: Syntax errors in policy."},
		{"no resource", identity, statement(`{"Effect":"Allow","Action":"*"}`), "Statement[0]: Policy statement must contain resources."},
		{"resource is no ARN", identity, statement(`{"Effect":"Allow","Action":"*","Resource":"demo"}`), `Statement[0].Resource: Resource demo must be in ARN format or "*".`},
		{"short ARN", identity, statement(`{"Effect":"Allow","Action":"*","Resource":"arn:aws:eks"}`), `Statement[0].Resource: Resource arn:aws:eks must be in ARN format or "*".`},
		{"principal", identity, statement(`{"Effect":"Allow","Action":"*","Resource":"*","Principal":"*"}`), "Statement[0]: Policy document should not specify a principal."},
		{"same sid", identity, statement(`{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"a","Effect":"Allow","Action":"*","Resource":"*"}`), "Statement[1].Sid: Statement IDs (SID) in a single policy must be unique."},
		{"unknown operator", identity, statement(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"StringIs":{"aws:a":"b"}}}`), "Statement[0].Condition: Invalid Condition type : StringIs"},
		{"unknown quantifier", identity, statement(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"ForSome:StringEquals":{"aws:a":"b"}}}`), "Statement[0].Condition: Invalid Condition type : ForSome:StringEquals"},
		{"null of existing", identity, statement(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"NullIfExists":{"aws:a":"true"}}}`), "Statement[0].Condition: Invalid Condition type : NullIfExists"},
		{"condition without keys", identity, statement(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":true}}`), "Statement[0].Condition.Bool: Syntax errors in policy."},
		{"condition value is an object", identity, statement(`{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:a":{}}}}`), "Statement[0].Condition.Bool: Syntax errors in policy."},
		{"trust without principal", trust, statement(`{"Effect":"Allow","Action":"sts:AssumeRole"}`), "Statement[0]: Missing required field Principal"},
		{"trust with resource", trust, statement(`{"Effect":"Allow","Principal":"*","Action":"sts:AssumeRole","Resource":"*"}`), "Statement[0]: Has prohibited field Resource"},
		{"trust of other actions", trust, statement(`{"Effect":"Allow","Principal":"*","Action":"eks:CreateCluster"}`), "Statement[0].Action: AssumeRole policy may only specify STS AssumeRole actions."},
		{"trust of text", trust, statement(`{"Effect":"Allow","Principal":"me","Action":"sts:AssumeRole"}`), "Statement[0].Principal: Invalid principal in policy"},
		{"trust of a strange kind", trust, statement(`{"Effect":"Allow","Principal":{"Azure":"me"},"Action":"sts:AssumeRole"}`), "Statement[0].Principal: Syntax errors in policy."},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := policy.Parse(tt.kind, tt.text)
			var bad *policy.Error
			if !errors.As(err, &bad) {
				t.Fatalf("Parse = %v, want a *policy.Error", err)
			}
			if bad.Error() != tt.want {
				t.Errorf("Parse:\n got %s\nwant %s", bad, tt.want)
			}
		})
	}
}

// FuzzParse holds that any text is read or refused in bounded time, and that
// what was read can be evaluated.
func FuzzParse(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"eks:*","Resource":"arn:aws:eks:*:*:cluster/${aws:username}-*?"}}`, "eks:CreateCluster", "arn:aws:eks:a:b:cluster/c")
	f.Add(`{"Version":"2012-10-17","Statement":[{"Effect":"Deny","NotAction":"iam:*","NotResource":"*","Condition":{"NumericLessThan":{"aws:EpochTime":1},"Null":{"aws:x":true},"IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"DateLessThan":{"aws:CurrentTime":"2026-01-01"}}}]}`, "", "")
	f.Add(`{"Statement":{"Effect":"Allow","Principal":{"AWS":["*","123456789012"],"Service":"a.b"},"Action":"sts:*"}}`, "sts:AssumeRole", "")
	f.Fuzz(func(t *testing.T, text, action, resource string) {
		for _, kind := range []policy.Kind{policy.Identity, policy.Trust} {
			d, err := policy.Parse(kind, text)
			if err != nil {
				var bad *policy.Error
				if !errors.As(err, &bad) {
					t.Fatalf("Parse = %v, want a *policy.Error", err)
				}
				continue
			}
			got := policy.Evaluate([]policy.Named{{Name: "p", Document: d}}, policy.Request{
				Action: action, Resource: resource,
				Context: policy.Context{"aws:username": {"*"}, "aws:SourceIp": {"10.1.2.3"}, "aws:EpochTime": {"0"}, "aws:x": nil},
			})
			if got.Statement >= len(d.Statements) || (got.Statement < 0) != (got.Outcome == policy.ImplicitDeny) {
				t.Fatalf("decision %+v names no statement of %d", got, len(d.Statements))
			}
		}
	})
}
