package clusterconfig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"slices"
	"strings"

	yamlv3 "gopkg.in/yaml.v3"
	"sigs.k8s.io/yaml"
)

// maxSize is the largest file that is read, in bytes.
const maxSize = 1 << 20

// Parse reads a ClusterConfig in YAML or JSON and checks all that can be
// checked without asking AWS.
func Parse(b []byte) (*Config, error) {
	if len(b) > maxSize {
		return nil, wrong("", "the file is larger than %d bytes", maxSize)
	}
	if err := oneDocument(b); err != nil {
		return nil, err
	}
	j, err := yaml.YAMLToJSONStrict(b)
	if err != nil {
		return nil, wrong("", "%s", yamlMessage(err))
	}
	var tree any
	if err := json.Unmarshal(j, &tree); err != nil {
		return nil, wrong("", "%s", err)
	}
	top, ok := tree.(map[string]any)
	if !ok {
		return nil, wrong("", "not a ClusterConfig: want apiVersion, kind and metadata")
	}
	if v := top["apiVersion"]; v != apiVersion {
		return nil, wrong("apiVersion", "is %v, want %s", quoted(v), apiVersion)
	}
	if k := top["kind"]; k != kind {
		return nil, wrong("kind", "is %v, want %s", quoted(k), kind)
	}
	if err := known(tree, reflect.TypeFor[Config](), "", ""); err != nil {
		return nil, err
	}
	var c Config
	if err := json.Unmarshal(j, &c); err != nil {
		return nil, typeError(err)
	}
	return &c, c.Validate()
}

// yamlMessage is what a YAML parser says, in one line and without its name.
func yamlMessage(err error) string {
	text := err.Error()
	for _, noise := range []string{"error converting YAML to JSON: ", "yaml: ", "unmarshal errors:"} {
		text = strings.TrimPrefix(text, noise)
	}
	return strings.Join(strings.Fields(text), " ")
}

func quoted(v any) string {
	if v == nil {
		return "not set"
	}
	return fmt.Sprintf("%q", fmt.Sprint(v))
}

func oneDocument(b []byte) error {
	d := yamlv3.NewDecoder(bytes.NewReader(b))
	for n := 0; ; n++ {
		var doc yamlv3.Node
		err := d.Decode(&doc)
		switch {
		case errors.Is(err, io.EOF) && n == 0:
			return wrong("", "the file is empty")
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return wrong("", "%s", yamlMessage(err))
		case n > 0:
			return wrong("", "the file holds more than one document; use a file for each cluster")
		}
	}
}

// typeError says where a value is of another type than it should be.
func typeError(err error) error {
	var t *json.UnmarshalTypeError
	if !errors.As(err, &t) {
		return wrong("", "%s", err)
	}
	if t.Type.Kind() == reflect.String {
		return wrong(t.Field, "is a %s, want text: put it in quotes", t.Value)
	}
	return wrong(t.Field, "is a %s, which is not valid here", t.Value)
}

// known walks a decoded file beside the type that it is read into. path is where
// a reader finds the value; schema is the same without indexes and keys.
func known(v any, t reflect.Type, path, schema string) error {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			if err := knownMember(v[key], t, key, path, schema); err != nil {
				return err
			}
		}
	case []any:
		if t.Kind() != reflect.Slice {
			return nil
		}
		for i, x := range v {
			if err := known(x, t.Elem(), fmt.Sprintf("%s[%d]", path, i), schema+"[]"); err != nil {
				return err
			}
		}
	}
	return nil
}

func knownMember(v any, t reflect.Type, key, path, schema string) error {
	switch t.Kind() {
	case reflect.Map:
		return known(v, t.Elem(), path+"."+key, schema+".*")
	case reflect.Struct:
	default:
		return nil
	}
	at, in := strings.TrimPrefix(path+"."+key, "."), strings.TrimPrefix(schema+"."+key, ".")
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name == key {
			return known(v, t.Field(i).Type, at, in)
		}
	}
	if slices.Contains(later[schema], key) {
		return wrong(at, "is not implemented by Berth yet; remove it from the file")
	}
	return wrong(at, "unknown field%s", near(t, later[schema], key))
}

// near suggests a field that differs in case alone.
func near(t reflect.Type, more []string, key string) string {
	names := slices.Clone(more)
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		names = append(names, name)
	}
	for _, name := range names {
		if strings.EqualFold(name, key) {
			return fmt.Sprintf(": did you mean %q?", name)
		}
	}
	return ""
}

// later are the fields of eksctl that Berth does not have, by where they are.
var later = map[string][]string{
	"": {
		"addons", "addonsConfig", "autoModeConfig", "capabilities", "cloudWatch", "controlPlaneScalingConfig", "flux", "git", "gitops",
		"iamIdentityMappings", "identityProviders", "karpenter", "kubernetesControlPlaneConfig", "localZones", "managedNodeGroups", "nodeGroups", "outpost",
		"privateCluster", "remoteNetworkConfig", "secretsEncryption", "status", "upgradePolicy", "zonalShiftConfig",
	},
	"metadata": {"accountID", "annotations", "forceUpdateVersion"},
	"iam": {
		"autoCreatePodIdentityAssociations", "fargatePodExecutionRolePermissionsBoundary", "podIdentityAssociations",
		"serviceAccounts", "serviceRolePermissionsBoundary", "vpcResourceControllerPolicy", "withOIDC",
	},
	"accessConfig": {"accessEntries"},
	"vpc": {
		"autoAllocateIPv6", "controlPlaneEgressMode", "controlPlaneSecurityGroupIDs", "controlPlaneSubnetIDs", "extraCIDRs", "extraIPv6CIDRs", "hostnameType",
		"ipv6Cidr", "ipv6Pool", "localZoneSubnets", "manageSharedNodeSecurityGroupRules", "network", "securityGroup", "sharedNodeSecurityGroup",
	},
	"vpc.subnets.private.*": {"az", "cidr", "cidrIndex", "outpostARN", "stackName"},
	"vpc.subnets.public.*":  {"az", "cidr", "cidrIndex", "outpostARN", "stackName"},
}
