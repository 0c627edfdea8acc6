package awsapi_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestCommandLine runs the AWS command line, another implementation of every
// protocol, where it is installed.
func TestCommandLine(t *testing.T) {
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Skip("the aws command line is not installed")
	}
	if testing.Short() {
		t.Skip("the aws command line takes a second a call")
	}
	d := open(t)
	tests := []struct {
		name, args, want string
		fails            bool
	}{
		{name: "eks", args: "eks describe-cluster --name demo --query cluster.[status,createdAt,resourcesVpcConfig.subnetIds[1]] --output text", want: "ACTIVE\t1760000000.123\tsubnet-2"},
		{name: "eks refusal", args: "eks delete-cluster --name demo", want: "(NotImplementedException) when calling the DeleteCluster operation: The operation DeleteCluster of eks is not implemented by Berth.", fails: true},
		{name: "iam", args: "iam create-role --role-name r --assume-role-policy-document {} --tags Key=a,Value=b --query Role.Tags[0].Key --output text", want: "<k>"},
		{name: "iam without a result", args: "iam delete-role --role-name r"},
		{name: "sts", args: "sts get-caller-identity --query Account --output text", want: "123456789012"},
		{name: "ec2", args: "ec2 describe-vpcs --vpc-ids vpc-1 --query Vpcs[0].Tags[0].Value --output text", want: "a&b"},
		{name: "ec2 refusal", args: "ec2 run-instances --image-id ami-1", want: "(NotImplemented) when calling the RunInstances operation", fails: true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), aws, strings.Fields(tt.args)...)
			cmd.Env = append(os.Environ(), "AWS_ENDPOINT_URL="+d.url, "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test", "AWS_REGION="+region,
				"AWS_DEFAULT_REGION="+region, "AWS_MAX_ATTEMPTS=1", "AWS_PAGER=", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "NO_PROXY=127.0.0.1")
			out, err := cmd.CombinedOutput()
			if (err != nil) != tt.fails || !strings.Contains(string(out), tt.want) {
				t.Errorf("aws %s: %v\n%s\nwant %q, failure %v", tt.args, err, out, tt.want, tt.fails)
			}
		})
	}
}
