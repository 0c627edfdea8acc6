package clusterconfig

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const head = "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\nmetadata: {name: demo}\n"

func TestParse(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"the least", head, ""},
		{"JSON", `{"apiVersion":"eksctl.io/v1alpha5","kind":"ClusterConfig","metadata":{"name":"demo"}}`, ""},
		{"empty", "", "the file is empty"},
		{"a list", "[1]", "not a ClusterConfig: want apiVersion, kind and metadata"},
		{"no YAML", "a: [", "line 1: did not find expected node content"},
		{"two documents", head + "---\n" + head, "the file holds more than one document; use a file for each cluster"},
		{"a key twice", head + "vpc: {}\nvpc: {}\n", `line 5: key "vpc" already set in map`},
		{"old version", strings.Replace(head, "v1alpha5", "v1alpha4", 1), `apiVersion: is "eksctl.io/v1alpha4", want eksctl.io/v1alpha5`},
		{"no kind", "apiVersion: eksctl.io/v1alpha5\n", "kind: is not set, want ClusterConfig"},
		{"no name", "apiVersion: eksctl.io/v1alpha5\nkind: ClusterConfig\n", "metadata.name: must be set"},
		{"version as a number", strings.Replace(head, "name: demo", "name: demo, version: 1.36", 1), "metadata.version: is a number, want text: put it in quotes"},
		{"unknown field", head + "fargateProfile: []\n", "fargateProfile: unknown field"},
		{"unknown field within", head + "fargateProfiles:\n- name: a\n  selectors: [{namespaces: b}]\n", "fargateProfiles[0].selectors[0].namespaces: unknown field"},
		{"wrong case", head + "fargateprofiles: []\n", `fargateprofiles: unknown field: did you mean "fargateProfiles"?`},
		{"node groups", head + "managedNodeGroups: []\n", "managedNodeGroups: is not implemented by Berth yet; remove it from the file"},
		{"service accounts", head + "iam: {withOIDC: true}\n", "iam.withOIDC: is not implemented by Berth yet; remove it from the file"},
		{"subnet by block", head + "vpc: {subnets: {private: {a: {cidr: 10.0.0.0/24}}}}\n", "vpc.subnets.private.a.cidr: is not implemented by Berth yet; remove it from the file"},
		{"subnet without id", head + "vpc: {subnets: {private: {a: {}}}}\n", "vpc.subnets.private.a: needs the id of a subnet that exists"},
		{"subnets", head + "vpc: {id: vpc-1, subnets: {private: {a: {id: subnet-1}, b: {id: subnet-2}}}}\n", ""},
		{"VPC without subnets", head + "vpc: {id: vpc-1}\n", "vpc.id: needs the VPC's subnets in vpc.subnets too"},
		{"any key of a map", head + "vpc: {subnets: {public: {anything: {id: subnet-1}}}}\n", ""},
		{"block with host bits", head + "vpc: {cidr: 10.0.0.1/16}\n", `vpc.cidr: "10.0.0.1/16" is not an IPv4 block between /16 and /24, such as 192.168.0.0/16`},
		{"NAT mode", head + "vpc: {nat: {gateway: Two}}\n", `vpc.nat.gateway: "Two" is none of HighlyAvailable, Single, Disable`},
		{"no endpoint", head + "vpc: {clusterEndpoints: {publicAccess: false}}\n", "vpc.clusterEndpoints: Kubernetes API server must have one of public or private access enabled"},
		{"one zone", head + "availabilityZones: [a]\n", "availabilityZones: only 1 zone specified, want at least 2: EKS needs subnets in two"},
		{"zones of a wrong type", head + "availabilityZones: a\n", "availabilityZones: is a string, which is not valid here"},
		{"IPv6", head + "kubernetesNetworkConfig: {ipFamily: IPv6}\n", `kubernetesNetworkConfig.ipFamily: "IPv6" is not implemented by Berth yet; use IPv4`},
		{"access mode", head + "accessConfig: {authenticationMode: ROOT}\n", `accessConfig.authenticationMode: "ROOT" is none of CONFIG_MAP, API_AND_CONFIG_MAP, API`},
		{"reserved profile", head + "fargateProfiles: [{name: eks-a, selectors: [{namespace: b}]}]\n", `fargateProfiles[0]: invalid Fargate profile "eks-a": name should NOT start with "eks-"`},
		{"profile without selector", head + "fargateProfiles: [{name: a}]\n", `fargateProfiles[0]: invalid Fargate profile "a": no profile selector`},
		{"selector without namespace", head + "fargateProfiles: [{name: a, selectors: [{namespace: b}, {labels: {c: d}}]}]\n", `fargateProfiles[0]: invalid Fargate profile "a": invalid profile selector at index #1: empty namespace`},
		{"profile without name", head + "fargateProfiles: [{selectors: [{namespace: b}]}]\n", "fargateProfiles[0]: invalid Fargate profile: empty name"},
		{"profile twice", head + "fargateProfiles: [{name: a, selectors: [{namespace: b}]}, {name: a, selectors: [{namespace: b}]}]\n", `fargateProfiles[1].name: "a" is used twice`},
		{"empty profile", head + "fargateProfiles: [null]\n", "fargateProfiles[0]: is empty"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ""
			if _, err := Parse([]byte(tt.in)); err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(tt.want, strings.ReplaceAll(got, "\n", " ")); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseAll(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("testdata", "all.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	yes, no := true, false
	want := &Config{
		APIVersion: apiVersion, Kind: kind,
		Metadata:                Metadata{Name: "demo", Region: "eu-west-1", Version: "1.36", Tags: map[string]string{"team": "a"}},
		KubernetesNetworkConfig: NetworkConfig{IPFamily: "IPv4", ServiceIPv4CIDR: "10.200.0.0/16"},
		IAM:                     IAM{ServiceRoleARN: "arn:aws:iam::123456789012:role/s", FargatePodExecutionRoleARN: "arn:aws:iam::123456789012:role/f"},
		AccessConfig:            AccessConfig{AuthenticationMode: "API", BootstrapClusterCreatorAdminPermissions: &yes},
		VPC: VPC{
			CIDR: "10.0.0.0/16", NAT: NAT{Gateway: NATDisable}, PublicAccessCIDRs: []string{"203.0.113.0/24"},
			ClusterEndpoints: Endpoints{PublicAccess: &no, PrivateAccess: &yes},
		},
		AvailabilityZones: []string{"eu-west-1a", "eu-west-1b"},
		FargateProfiles: []*FargateProfile{{
			Name: "fp-dev", PodExecutionRoleARN: "arn:aws:iam::123456789012:role/p", Subnets: []string{"subnet-1"},
			Selectors: []Selector{{Namespace: "dev", Labels: map[string]string{"env": "dev"}}}, Tags: map[string]string{"a": "b"},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("config (-want +got):\n%s", diff)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(head))
	f.Add([]byte(head + "vpc: {subnets: {private: {a: {id: b}}}}\nfargateProfiles: [{name: a, selectors: [{namespace: b}]}]\n"))
	f.Add([]byte("a: &a [*a]"))
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := Parse(b)
		if err == nil && c.Metadata.Name == "" {
			t.Error("a cluster without a name")
		}
	})
}
