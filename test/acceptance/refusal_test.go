package acceptance

import (
	"encoding/json"
	"encoding/xml"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/google/go-cmp/cmp"
)

// refusal is bad input and the error that it gets.
type refusal struct {
	name    string
	send    request
	status  int
	code    string
	message string
}

// post, get and remove are calls of EKS.
func post(path, body string) request {
	return request{service: "eks", method: http.MethodPost, path: path, kind: js, body: body}
}
func get(path string) request { return request{service: "eks", method: http.MethodGet, path: path} }
func remove(path string) request {
	return request{service: "eks", method: http.MethodDelete, path: path}
}

// query is a call of a query API.
func query(service, body string) request {
	return request{service: service, method: http.MethodPost, path: "/", kind: form, body: body}
}

func (r request) with(key aws.Credentials) request { r.key = key; return r }
func (r request) signedAt(at time.Time) request    { r.at = at; return r }
func (r request) plain() request                   { r.unsigned = true; return r }

// text is a value as JSON.
func text(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

const (
	badParameter  = "InvalidParameterException"
	inUse         = "ResourceInUseException"
	notFound      = "ResourceNotFoundException"
	misconfigured = "Misconfigured PodExecutionRole Trust Policy; Please add the eks-fargate-pods.amazonaws.com Service Principal"
)

// refusals sends bad input, and looks that nothing comes of it.
func (s *scene) refusals(t *testing.T) {
	before := s.records(t)
	for _, tt := range append(s.frontRefusals(), append(s.clusterRefusals(t), s.profileRefusals(t)...)...) {
		t.Run(tt.name, func(t *testing.T) {
			a := s.send(t, tt.send)
			code, message := a.refusal(t)
			if a.status != tt.status || code != tt.code {
				t.Errorf("answer = %d %s, want %d %s\n%s", a.status, code, tt.status, tt.code, a.body)
			}
			if !strings.HasPrefix(message, tt.message) {
				t.Errorf("message\n got %s\nwant %s", message, tt.message)
			}
		})
	}
	if diff := cmp.Diff(before, s.records(t)); diff != "" {
		t.Errorf("bad input changed records (-before +after):\n%s", diff)
	}
}

// refusal reads the code and the message of an error.
func (a answer) refusal(t *testing.T) (code, message string) {
	t.Helper()
	if strings.HasPrefix(a.body, "{") {
		var e struct{ Message string }
		if err := json.Unmarshal([]byte(a.body), &e); err != nil {
			t.Fatal(err)
		}
		return a.header.Get("x-amzn-ErrorType"), e.Message
	}
	var e element
	if err := xml.Unmarshal([]byte(a.body), &e); err != nil {
		t.Fatalf("answer %d %q: %v", a.status, a.body, err)
	}
	return e.text("Code"), e.text("Message")
}

// records is all that AWS knows of clusters and profiles, and how many VPCs.
func (s *scene) records(t *testing.T) string {
	t.Helper()
	var out []string
	for _, path := range []string{"/clusters", "/clusters/demo", "/clusters/demo/fargate-profiles", "/clusters/demo/fargate-profiles/fp-default"} {
		a := s.send(t, get(path))
		if a.status != http.StatusOK {
			t.Fatalf("GET %s = %d %s", path, a.status, a.body)
		}
		out = append(out, a.body)
	}
	for _, v := range s.ec2(t, "DescribeVpcs").all("vpcId") {
		out = append(out, v.Value)
	}
	return strings.Join(out, "\n")
}

func (s *scene) frontRefusals() []refusal {
	wrong := aws.Credentials{AccessKeyID: "test", SecretAccessKey: "wrong"}
	nobody := aws.Credentials{AccessKeyID: "AKIAIOSFODNN7EXAMPLE", SecretAccessKey: "x"}
	mismatch := "The request signature we calculated does not match the signature you provided."
	return []refusal{
		{"unknown operation", get("/nonsense"), 404, "UnknownOperationException", "No operation of this service answers GET /nonsense."},
		{"unknown action", query("ec2", "Action=Nonsense&Version=2016-11-15"), 400, "InvalidAction", "The action Nonsense is not valid for this web service."},
		{"operation not implemented", query("ec2", "Action=RunInstances&Version=2016-11-15"), 400, "NotImplemented", "The operation RunInstances of ec2 is not implemented by Berth."},
		{"malformed JSON", post("/clusters", `{"name":`), 400, "SerializationException", "The request body is not valid JSON."},
		{"number for a name", post("/clusters", `{"name":1}`), 400, "SerializationException", "NUMBER_VALUE cannot be converted to String"},
		{"text for a list", post("/clusters", `{"resourcesVpcConfig":{"subnetIds":"x"}}`), 400, "SerializationException", "Expected list or null"},
		{"missing members", post("/clusters", `{"name":"x"}`), 400, badParameter, "2 validation errors detected: Value null at 'resourcesVpcConfig'"},
		{"missing parameter", query("ec2", "Action=DeleteVpc&Version=2016-11-15"), 400, "MissingParameter", "The request must contain the parameter vpcId"},
		{"unsigned", get("/clusters").plain(), 403, "MissingAuthenticationTokenException", "Missing Authentication Token"},
		{"unknown key", get("/clusters").with(nobody), 403, "UnrecognizedClientException", "The security token included in the request is invalid."},
		{"wrong secret", get("/clusters").with(wrong), 403, "InvalidSignatureException", mismatch},
		{"wrong secret for IAM", query("iam", "Action=ListRoles&Version=2010-05-08").with(wrong), 403, "SignatureDoesNotMatch", mismatch},
		{"old signature", get("/clusters").signedAt(time.Now().Add(-time.Hour)), 403, "InvalidSignatureException", "Signature expired: "},
	}
}

// edited is a request's JSON after a change.
func edited[T any](t *testing.T, in *T, edit func(*T)) string {
	t.Helper()
	edit(in)
	return text(t, wire(t, in))
}

// wire turns a request's structure into JSON with the names of the wire.
func wire(t *testing.T, in any) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text(t, in)), &v); err != nil {
		t.Fatal(err)
	}
	return lower(v)
}

// lower makes the first letters of all members lower case, but for maps of the
// caller's own keys, and leaves null ones out.
func lower(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for key, value := range v {
			if value == nil || key == "ResultMetadata" {
				continue
			}
			name := strings.ToLower(key[:1]) + key[1:]
			if name == "labels" || name == "tags" {
				out[name] = value
				continue
			}
			out[name] = lower(value)
		}
		return out
	case []any:
		for i := range v {
			v[i] = lower(v[i])
		}
	}
	return v
}

func (s *scene) clusterRefusals(t *testing.T) []refusal {
	create := func(edit func(*eks.CreateClusterInput)) request {
		return post("/clusters", edited(t, clusterInput("other", s.n), edit))
	}
	return []refusal{
		{"unknown cluster", get("/clusters/no"), 404, notFound, "No cluster found for name: no."},
		{"deleting an unknown cluster", remove("/clusters/no"), 404, notFound, "No cluster found for name: no."},
		{"name that is taken", create(func(in *eks.CreateClusterInput) { in.Name = aws.String("demo") }), 409, inUse, "Cluster already exists with name: demo"},
		{"bad name", create(func(in *eks.CreateClusterInput) { in.Name = aws.String("-x") }), 400, badParameter,
			`The parameter name contains invalid characters. It should conform to the regular expression "^[0-9A-Za-z][A-Za-z0-9-_]*"`},
		{"unsupported version", create(func(in *eks.CreateClusterInput) { in.Version = aws.String("1.20") }), 400, badParameter, "unsupported Kubernetes version 1.20"},
		{"role that does not trust EKS", create(func(in *eks.CreateClusterInput) {
			in.RoleArn = aws.String("arn:aws:iam::" + account + ":role/stranger")
		}), 400, badParameter,
			"Role with arn: arn:aws:iam::" + account + ":role/stranger, could not be assumed because it does not exist or the trusted entity is not correct"},
		{"one zone", create(func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds = s.n.private[:1] }), 400, badParameter,
			"Subnets specified must be in at least two different AZs"},
		{"unknown subnet", create(func(in *eks.CreateClusterInput) { in.ResourcesVpcConfig.SubnetIds[0] = "subnet-0123456789abcdef0" }), 400, badParameter,
			"The subnet ID 'subnet-0123456789abcdef0' does not exist"},
		{"cluster with profiles", remove("/clusters/demo"), 409, inUse, "Cluster has Fargate Profiles"},
	}
}

func (s *scene) profileRefusals(t *testing.T) []refusal {
	const path = "/clusters/demo/fargate-profiles"
	create := func(edit func(*eks.CreateFargateProfileInput)) request {
		return post(path, edited(t, profileInput("demo", "other", s.n.private, selector("x")), func(in *eks.CreateFargateProfileInput) {
			edit(in)
			in.ClusterName = nil
		}))
	}
	return []refusal{
		{"profile in an unknown cluster", post("/clusters/no/fargate-profiles", `{"fargateProfileName":"x","podExecutionRoleArn":"`+podRole+`"}`), 404, notFound, "No cluster found for name: no."},
		{"unknown profile", get(path + "/no"), 404, notFound, "No Fargate Profile found with name: no."},
		{"deleting an unknown profile", remove(path + "/no"), 404, notFound, "No Fargate Profile found with name: no."},
		{"profile's name that is taken", create(func(in *eks.CreateFargateProfileInput) { in.FargateProfileName = aws.String("fp-default") }), 409, inUse,
			"A Fargate Profile already exists with this name in this cluster."},
		{"reserved name", create(func(in *eks.CreateFargateProfileInput) { in.FargateProfileName = aws.String("eks-x") }), 400, badParameter,
			"Fargate Profile name must not start with the reserved prefix eks-"},
		{"no selectors", create(func(in *eks.CreateFargateProfileInput) { in.Selectors = nil }), 400, badParameter, "Fargate Profile requires at least one selector."},
		{"no namespace", create(func(in *eks.CreateFargateProfileInput) { in.Selectors[0].Namespace = nil }), 400, badParameter,
			"Fargate Profile must have at least one selector with at least one namespace value."},
		{"six labels", create(func(in *eks.CreateFargateProfileInput) {
			in.Selectors[0] = selector("x", "a", "1", "b", "2", "c", "3", "d", "4", "e", "5", "f", "6")
		}), 400, badParameter, "Request contains Selector with more than 5 Label pairs"},
		{"public subnet", create(func(in *eks.CreateFargateProfileInput) { in.Subnets = s.n.public[:1] }), 400, badParameter,
			"Subnet " + s.n.public[0] + " provided in Fargate Profile is not a private subnet"},
		{"role that does not trust Fargate", create(func(in *eks.CreateFargateProfileInput) { in.PodExecutionRoleArn = aws.String(clusterRole) }), 400, badParameter, misconfigured},
		{"role that is no ARN", create(func(in *eks.CreateFargateProfileInput) { in.PodExecutionRoleArn = aws.String("pods") }), 400, badParameter, "Invalid ARN: pods"},
	}
}
