package restjson

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"berth.dev/berth/internal/awsapi/model"
	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	smithy "github.com/aws/smithy-go"
	"github.com/aws/smithy-go/traits"
)

var update = flag.Bool("update", false, "write the goldens")

func codec(t testing.TB) *Codec {
	t.Helper()
	c, err := New(model.EKS(), []wire.Binding{
		{Name: "CreateCluster", Input: reflect.TypeFor[eks.CreateClusterInput](), Output: reflect.TypeFor[eks.CreateClusterOutput]()},
		{Name: "ListClusters", Input: reflect.TypeFor[eks.ListClustersInput](), Output: reflect.TypeFor[eks.ListClustersOutput]()},
		{Name: "TagResource", Input: reflect.TypeFor[eks.TagResourceInput](), Output: reflect.TypeFor[eks.TagResourceOutput]()},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEveryOperationIsRouted holds the whole table of routes as a golden: a
// newer SDK shows here what it adds.
func TestEveryOperationIsRouted(t *testing.T) {
	c := codec(t)
	routes := c.routes.all("")
	var b strings.Builder
	for _, route := range slices.Sorted(maps.Keys(routes)) {
		fmt.Fprintf(&b, "%s %s\n", routes[route], route)
	}
	golden := filepath.Join("testdata", "routes.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("routes differ from %s (write it with -update):\n%s", golden, b.String())
	}
	for _, op := range model.EKS() {
		http, _ := smithy.SchemaTrait[*traits.HTTP](op.Schema)
		labels := map[string]string{}
		path := http.URI
		for name, m := range op.Input.Members() {
			if _, ok := smithy.SchemaTrait[*traits.HTTPLabel](m); ok {
				labels[name] = "arn:aws:x/" + name + " %2F"
				path = strings.ReplaceAll(path, "{"+name+"}", url.PathEscape(labels[name]))
			}
		}
		call, err := c.Route(&wire.Request{Method: http.Method, Path: path})
		if err != nil || call.Operation != op.ID().Name || !maps.Equal(call.Labels, labels) {
			t.Errorf("%s %s: %+v, %v; want %s %v", http.Method, path, call, err, op.ID().Name, labels)
		}
	}
}

func TestUnroutedPaths(t *testing.T) {
	for _, path := range []string{"", "clusters", "/", "/clusters/", "/clusters//addons", "/clusters/%zz", "/clusters/a/b/c/d/e", "/Clusters", "//clusters"} {
		_, err := codec(t).Route(&wire.Request{Method: http.MethodGet, Path: path})
		if fault.Code(err) != "UnknownOperationException" {
			t.Errorf("GET %q: %v", path, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	output := reflect.TypeFor[eks.CreateClusterOutput]()
	tests := []struct {
		name    string
		binding wire.Binding
	}{
		{"an unknown operation", wire.Binding{Name: "Nonsense", Input: output, Output: output}},
		{"an input of another shape", wire.Binding{Name: "CreateCluster", Input: reflect.TypeFor[eks.ListClustersInput](), Output: output}},
		{"an output that is no shape", wire.Binding{Name: "CreateCluster", Input: reflect.TypeFor[eks.CreateClusterInput](), Output: reflect.TypeFor[struct{}]()}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(model.EKS(), []wire.Binding{tt.binding}); err == nil {
				t.Error("New took it")
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(`{"name":"x","resourcesVpcConfig":{"subnetIds":["a",null]},"tags":{"a":"b","c":null},"logging":{"clusterLogging":[{"types":["api"],"enabled":true}]}}`)
	f.Add(`{"kubernetesNetworkConfig":1e400}`)
	f.Add(`[[[[`)
	c := codec(f)
	f.Fuzz(func(t *testing.T, body string) {
		var in eks.CreateClusterInput
		if err := c.Decode(&wire.Request{Body: []byte(body)}, wire.Call{Operation: "CreateCluster"}, &in); err != nil && fault.Code(err) != "SerializationException" {
			t.Errorf("decoding %q: %v is no refusal", body, err)
		}
	})
}

func FuzzRoute(f *testing.F) {
	f.Add("GET", "/clusters/a%2Fb/access-entries/arn%3Aaws/access-policies/x")
	c := codec(f)
	f.Fuzz(func(t *testing.T, method, path string) {
		call, err := c.Route(&wire.Request{Method: method, Path: path})
		if (err == nil) == (call.Operation == "") {
			t.Errorf("%s %s: %+v, %v", method, path, call, err)
		}
	})
}

func FuzzEncodeString(f *testing.F) {
	f.Add("a\"\\\n\x00\u2028☃\xff")
	f.Fuzz(func(t *testing.T, s string) {
		var w writer
		w.string(s)
		var back string
		if err := json.Unmarshal(w.buf, &back); err != nil {
			t.Fatalf("%q became %s: %v", s, w.buf, err)
		}
		if utf8.ValidString(s) && back != s {
			t.Errorf("%q became %q", s, back)
		}
	})
}
