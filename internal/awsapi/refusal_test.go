package awsapi_test

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	form = "application/x-www-form-urlencoded; charset=utf-8"
	js   = "application/json"
)

var refusals = []struct {
	name                                string
	creds                               aws.Credentials
	service, region, method, path, kind string
	body                                string
	status                              int
	code                                string // of the x-amzn-ErrorType header; none for XML
	text                                string // REQUEST stands for the request's id
}{
	{name: "eks unsigned", method: "GET", path: "/clusters", status: 403, code: "MissingAuthenticationTokenException", text: `{"message":"Missing Authentication Token"}`},
	{name: "unsigned nonsense", method: "GET", path: "/nonsense", status: 403, code: "MissingAuthenticationTokenException", text: `{"message":"Missing Authentication Token"}`},
	{name: "eks unknown key", creds: aws.Credentials{AccessKeyID: "nobody", SecretAccessKey: "x"}, service: "eks", method: "GET", path: "/clusters", status: 403, code: "UnrecognizedClientException", text: `{"message":"The security token included in the request is invalid."}`},
	{name: "eks wrong secret", creds: aws.Credentials{AccessKeyID: "test", SecretAccessKey: "x"}, service: "eks", method: "GET", path: "/clusters", status: 403, code: "InvalidSignatureException", text: `{"message":"The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details."}`},
	{name: "eks other region", service: "eks", region: "us-east-1", method: "GET", path: "/clusters", status: 403, code: "InvalidSignatureException", text: `{"message":"Credential should be scoped to a valid region, not 'us-east-1'. "}`},
	{name: "eks keys away", creds: aws.Credentials{AccessKeyID: "BROKEN", SecretAccessKey: "x"}, service: "eks", method: "GET", path: "/clusters", status: 500, code: "ServerException", text: `{"message":"The request processing has failed because of an unknown error, exception or failure."}`},
	{name: "eks unknown path", service: "eks", method: "GET", path: "/nonsense", status: 404, code: "UnknownOperationException", text: `{"message":"No operation of this service answers GET /nonsense."}`},
	{name: "eks unknown method", service: "eks", method: "PATCH", path: "/clusters", status: 404, code: "UnknownOperationException", text: `{"message":"No operation of this service answers PATCH /clusters."}`},
	{name: "eks not implemented", service: "eks", method: "DELETE", path: "/clusters/demo", status: 400, code: "NotImplementedException", text: `{"message":"The operation DeleteCluster of eks is not implemented by Berth."}`},
	{name: "eks malformed", service: "eks", method: "POST", path: "/clusters", kind: js, body: `{"name":`, status: 400, code: "SerializationException", text: `{"message":"The request body is not valid JSON."}`},
	{name: "eks two documents", service: "eks", method: "POST", path: "/clusters", kind: js, body: `{} {}`, status: 400, code: "SerializationException", text: `{"message":"The request body is not valid JSON: it goes on after its end."}`},
	{name: "eks list for a body", service: "eks", method: "POST", path: "/clusters", kind: js, body: `[]`, status: 400, code: "SerializationException", text: `{"message":"Start of list found where a structure was expected."}`},
	{name: "eks number for a name", service: "eks", method: "POST", path: "/clusters", kind: js, body: `{"name":1}`, status: 400, code: "SerializationException", text: `{"message":"NUMBER_VALUE cannot be converted to String"}`},
	{name: "eks string for subnets", service: "eks", method: "POST", path: "/clusters", kind: js, body: `{"resourcesVpcConfig":{"subnetIds":"x"}}`, status: 400, code: "SerializationException", text: `{"message":"Expected list or null"}`},
	{name: "eks string for a bool", service: "eks", method: "POST", path: "/clusters", kind: js, body: `{"bootstrapSelfManagedAddons":"true"}`, status: 400, code: "SerializationException", text: `{"message":"STRING_VALUE cannot be converted to Boolean"}`},
	{name: "eks word for a number in the query", service: "eks", method: "GET", path: "/clusters?maxResults=x", status: 400, code: "SerializationException", text: `{"message":"NUMBER_VALUE x cannot be converted to Integer"}`},
	{name: "eks missing", service: "eks", method: "POST", path: "/clusters", kind: js, body: `{"name":"x","roleArn":null,"unknown":{"a":[1]}}`, status: 400, code: "InvalidParameterException", text: `{"message":"2 validation errors detected: Value null at 'resourcesVpcConfig' failed to satisfy constraint: Member must not be null; Value null at 'roleArn' failed to satisfy constraint: Member must not be null"}`},
	{name: "eks bad name", service: "eks", method: "POST", path: "/clusters", kind: js, body: `{"name":"-x","roleArn":"r","resourcesVpcConfig":{}}`, status: 400, code: "InvalidParameterException", text: `{"message":"The parameter name contains invalid characters. It should conform to the regular expression \"^[0-9A-Za-z][A-Za-z0-9-_]*\"In other words, it should start with a number or letter, and can contain numbers, letters, dashes, and underscores."}`},
	{name: "eks range", service: "eks", method: "GET", path: "/clusters?maxResults=101", status: 400, code: "InvalidParameterException", text: `{"message":"1 validation error detected: Value '101' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 100"}`},
	{name: "eks enum", service: "eks", method: "POST", path: "/clusters", kind: js, body: `{"name":"x","roleArn":"r","resourcesVpcConfig":{},"accessConfig":{"authenticationMode":"NO"}}`, status: 400, code: "InvalidParameterException", text: `{"message":"1 validation error detected: Value 'NO' at 'accessConfig.authenticationMode' failed to satisfy constraint: Member must satisfy enum value set: [API, API_AND_CONFIG_MAP, CONFIG_MAP]"}`},
	{name: "eks too large", service: "eks", method: "POST", path: "/clusters", kind: js, body: strings.Repeat(" ", 1<<20+1), status: 413, code: "RequestEntityTooLarge", text: `{"message":"The request body is larger than 1048576 bytes."}`},
	{name: "eks panic", service: "eks", method: "POST", path: "/clusters/demo/update-config", kind: js, body: `{}`, status: 500, code: "ServerException", text: `{"message":"The request processing has failed because of an unknown error, exception or failure."}`},
	{name: "unknown service", service: "s3", method: "GET", path: "/bucket", status: 404, code: "UnknownOperationException", text: `{"message":"No API of the service \"s3\" is served here."}`},
	{name: "bad escape", service: "", method: "GET", path: "/clusters?a=%zz", status: 400, code: "MalformedQueryString", text: `{"message":"The query string contains a syntax error."}`},

	{name: "sts unsigned", method: "POST", path: "/", kind: form, body: "Action=GetCallerIdentity&Version=2011-06-15", status: 403, text: `<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error><Type>Sender</Type><Code>MissingAuthenticationToken</Code><Message>Request is missing Authentication Token</Message></Error><RequestId>REQUEST</RequestId></ErrorResponse>`},
	{name: "iam unknown key", creds: aws.Credentials{AccessKeyID: "nobody", SecretAccessKey: "x"}, service: "iam", method: "POST", path: "/", kind: form, body: "Action=ListRoles&Version=2010-05-08", status: 403, text: `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>InvalidClientTokenId</Code><Message>The security token included in the request is invalid.</Message></Error><RequestId>REQUEST</RequestId></ErrorResponse>`},
	{name: "iam unknown action", service: "iam", method: "POST", path: "/", kind: form, body: "Action=Nonsense&Version=2010-05-08", status: 400, text: `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>Could not find operation Nonsense for version 2010-05-08</Message></Error><RequestId>REQUEST</RequestId></ErrorResponse>`},
	{name: "iam no version", service: "iam", method: "POST", path: "/", kind: form, body: "Action=ListRoles", status: 400, text: `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>Could not find operation ListRoles for version NO_VERSION_SPECIFIED</Message></Error><RequestId>REQUEST</RequestId></ErrorResponse>`},
	{name: "iam not implemented", service: "iam", method: "POST", path: "/", kind: form, body: "Action=CreateUser&Version=2010-05-08", status: 400, text: `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>NotImplemented</Code><Message>The operation CreateUser of iam is not implemented by Berth.</Message></Error><RequestId>REQUEST</RequestId></ErrorResponse>`},
	{name: "iam missing", service: "iam", method: "POST", path: "/", kind: form, body: "Action=DeleteRole&Version=2010-05-08", status: 400, text: `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>ValidationError</Code><Message>1 validation error detected: Value null at &#39;roleName&#39; failed to satisfy constraint: Member must not be null</Message></Error><RequestId>REQUEST</RequestId></ErrorResponse>`},
	{name: "iam wrong type", service: "iam", method: "POST", path: "/", kind: form, body: "Action=ListRoles&Version=2010-05-08&MaxItems=x", status: 400, text: `<ErrorResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><Error><Type>Sender</Type><Code>MalformedInput</Code><Message>Invalid value for parameter MaxItems: it is not a number in range.</Message></Error><RequestId>REQUEST</RequestId></ErrorResponse>`},

	{name: "ec2 unknown key", creds: aws.Credentials{AccessKeyID: "nobody", SecretAccessKey: "x"}, service: "ec2", method: "POST", path: "/", kind: form, body: "Action=DescribeVpcs&Version=2016-11-15", status: 401, text: xmlProlog + `<Response><Errors><Error><Code>AuthFailure</Code><Message>AWS was not able to validate the provided access credentials</Message></Error></Errors><RequestID>REQUEST</RequestID></Response>`},
	{name: "ec2 unknown action", service: "ec2", method: "POST", path: "/", kind: form, body: "Action=Nonsense&Version=2016-11-15", status: 400, text: xmlProlog + `<Response><Errors><Error><Code>InvalidAction</Code><Message>The action Nonsense is not valid for this web service.</Message></Error></Errors><RequestID>REQUEST</RequestID></Response>`},
	{name: "ec2 not implemented", service: "ec2", method: "POST", path: "/", kind: form, body: "Action=RunInstances&Version=2016-11-15", status: 400, text: xmlProlog + `<Response><Errors><Error><Code>NotImplemented</Code><Message>The operation RunInstances of ec2 is not implemented by Berth.</Message></Error></Errors><RequestID>REQUEST</RequestID></Response>`},
	{name: "ec2 missing", service: "ec2", method: "POST", path: "/", kind: form, body: "Action=DeleteVpc&Version=2016-11-15", status: 400, text: xmlProlog + `<Response><Errors><Error><Code>MissingParameter</Code><Message>The request must contain the parameter VpcId</Message></Error></Errors><RequestID>REQUEST</RequestID></Response>`},
	{name: "ec2 wrong type", service: "ec2", method: "POST", path: "/", kind: form, body: "Action=DescribeVpcs&Version=2016-11-15&MaxResults=x", status: 400, text: xmlProlog + `<Response><Errors><Error><Code>InvalidParameterValue</Code><Message>Value (x) for parameter MaxResults is invalid.</Message></Error></Errors><RequestID>REQUEST</RequestID></Response>`},
	{name: "ec2 answer", service: "ec2", method: "POST", path: "/", kind: form, body: "Action=DescribeVpcs&Version=2016-11-15", status: 200, text: xmlProlog + `<DescribeVpcsResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>REQUEST</requestId><vpcSet><item><vpcId>vpc-1</vpcId><tagSet><item><key>Name</key><value>a&amp;b</value></item></tagSet></item></vpcSet></DescribeVpcsResponse>`},
	{name: "ec2 by GET", service: "ec2", method: "GET", path: "/?Action=DeleteVpc&Version=2016-11-15&VpcId=vpc-1", status: 200, text: xmlProlog + `<DeleteVpcResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>REQUEST</requestId><return>true</return></DeleteVpcResponse>`},
}

func TestRefusalsOnTheWire(t *testing.T) {
	for _, tt := range refusals {
		t.Run(tt.name, func(t *testing.T) {
			d := open(t)
			if tt.creds.AccessKeyID == "" {
				tt.creds = aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
			}
			if tt.region == "" {
				tt.region = region
			}
			status, header, text := d.send(t, tt.creds, tt.service, tt.region, tt.method, tt.path, tt.kind, tt.body)
			id := header.Get("x-amzn-RequestId")
			if !regexp.MustCompile(`^[0-9a-f-]{36}$`).MatchString(id) {
				t.Errorf("request id = %q", id)
			}
			if status != tt.status || header.Get("x-amzn-ErrorType") != tt.code {
				t.Errorf("answer = %d %q, want %d %q", status, header.Get("x-amzn-ErrorType"), tt.status, tt.code)
			}
			if want := strings.ReplaceAll(tt.text, "REQUEST", id); text != want {
				t.Errorf("body\n got %s\nwant %s", text, want)
			}
			if status >= http.StatusBadRequest && d.asked != nil {
				t.Errorf("the domain was asked: %v", d.asked)
			}
			if status == http.StatusInternalServerError && !strings.Contains(d.log.String(), id) {
				t.Errorf("the log does not name the request:\n%s", d.log)
			}
		})
	}
}

const xmlProlog = `<?xml version="1.0" encoding="UTF-8"?>` + "\n"
