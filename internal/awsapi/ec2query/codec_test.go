package ec2query

import (
	"net/netip"
	"net/url"
	"reflect"
	"testing"
	"time"

	"berth.dev/berth/internal/awsapi/wire"
	"berth.dev/berth/internal/fault"
	"github.com/google/go-cmp/cmp"
)

type state string

type filter struct {
	Name   string
	Values []string `ec2:"Value"`
}

type tag struct {
	Key   string
	Value string
}

type tagSpecification struct {
	ResourceType string
	Tags         []tag `ec2:"Tag"`
}

type common struct {
	DryRun *bool
}

type permission struct {
	FromPort *int32
	Protocol string `ec2:"IpProtocol"`
	Ranges   []struct {
		CidrIp netip.Prefix
	} `ec2:"IpRanges"`
}

type request struct {
	common
	SubnetIds   []string           `ec2:"SubnetId"`
	Filters     []filter           `ec2:"Filter"`
	TagSpecs    []tagSpecification `ec2:"TagSpecification"`
	CidrBlock   netip.Prefix
	Address     *netip.Addr
	Permissions []permission `ec2:"IpPermissions"`
	Options     *struct{ Enabled *struct{ Value bool } }
	MaxResults  *int32
	Size        uint8
	Ratio       float64
	When        *time.Time
	UserData    []byte
	Internal    int `ec2:"-"`
}

type answer struct {
	Subnets   []item  `ec2:"subnetSet"`
	NextToken *string `ec2:",omitempty"`
	Count     int     `ec2:",omitempty"`
	Range     netip.Addr
}

type item struct {
	common
	SubnetId  string
	State     state
	CidrBlock netip.Prefix
	Tags      []tag      `ec2:"Tag/tagSet"`
	Created   *time.Time `ec2:"createTime"`
	Flag      *bool
	Nested    *tag `ec2:"Nested"`
	Data      []byte
	Ratio     float64 `ec2:",omitempty"`
}

func codec(t testing.TB) *Codec {
	t.Helper()
	c, err := New(Config{Version: "2016-11-15", Known: []string{"RunInstances"}, Bindings: []wire.Binding{
		{Name: "Ask", Input: reflect.TypeFor[request](), Output: reflect.TypeFor[answer]()},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func ptr[T any](x T) *T { return &x }

func TestDecode(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		name, form string
		want       request
		code       string
	}{
		{name: "nothing", form: "Action=Ask&Version=2016-11-15&Unknown.1=x"},
		{name: "embedded", form: "DryRun=true", want: request{common: common{DryRun: ptr(true)}}},
		{name: "list", form: "SubnetId.1=a&SubnetId.2=b", want: request{SubnetIds: []string{"a", "b"}}},
		{name: "list with holes, out of order", form: "SubnetId.10=c&SubnetId.9=b&SubnetId.2=a", want: request{SubnetIds: []string{"a", "b", "c"}}},
		{name: "list with odd numbers", form: "SubnetId.01=x&SubnetId.-1=x&SubnetId.x=x&SubnetId.1=a", want: request{SubnetIds: []string{"a"}}},
		{name: "filters", form: "Filter.1.Name=vpc-id&Filter.1.Value.1=v&Filter.2.Name=n&Filter.2.Value.1=p&Filter.2.Value.2=q",
			want: request{Filters: []filter{{"vpc-id", []string{"v"}}, {"n", []string{"p", "q"}}}}},
		{name: "tags", form: "TagSpecification.1.ResourceType=vpc&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=",
			want: request{TagSpecs: []tagSpecification{{"vpc", []tag{{"k", ""}}}}}},
		{name: "text types", form: "CidrBlock=10.0.0.0/16&Address=10.0.0.1", want: request{CidrBlock: netip.MustParsePrefix("10.0.0.0/16"), Address: ptr(netip.MustParseAddr("10.0.0.1"))}},
		{name: "deep", form: "IpPermissions.1.IpProtocol=tcp&IpPermissions.1.FromPort=-1&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0",
			want: request{Permissions: []permission{{FromPort: ptr(int32(-1)), Protocol: "tcp", Ranges: []struct{ CidrIp netip.Prefix }{{netip.MustParsePrefix("0.0.0.0/0")}}}}}},
		{name: "optional structs", form: "Options.Enabled.Value=true", want: request{Options: &struct{ Enabled *struct{ Value bool } }{&struct{ Value bool }{true}}}},
		{name: "scalars", form: "MaxResults=5&Size=255&Ratio=1.5&When=2026-01-02T03:04:05Z&UserData=AAE%3D&Internal=3",
			want: request{MaxResults: ptr(int32(5)), Size: 255, Ratio: 1.5, When: &when, UserData: []byte{0, 1}}},
		{name: "no number", form: "MaxResults=x", code: "InvalidParameterValue"},
		{name: "too big", form: "Size=256", code: "InvalidParameterValue"},
		{name: "no bool", form: "DryRun=yes", code: "InvalidParameterValue"},
		{name: "no prefix", form: "CidrBlock=10", code: "InvalidParameterValue"},
		{name: "no time", form: "When=now", code: "InvalidParameterValue"},
		{name: "no base64", form: "UserData=!", code: "InvalidParameterValue"},
	}
	c := codec(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			form, err := url.ParseQuery(tt.form)
			if err != nil {
				t.Fatal(err)
			}
			var got request
			err = c.Decode(&wire.Request{Form: form}, wire.Call{}, &got)
			if fault.Code(err) != tt.code || err != nil && tt.code == "" {
				t.Fatalf("error = %v, want code %q", err, tt.code)
			}
			if err != nil {
				return
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(request{}), cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestEncode(t *testing.T) {
	when := time.Date(2026, 1, 2, 3, 4, 5, 6e6, time.UTC)
	tests := []struct {
		name string
		in   answer
		want string
	}{
		{"empty", answer{}, `<subnetSet/>`},
		{"bare item", answer{Subnets: []item{{}}}, `<subnetSet><item><subnetId></subnetId><state></state></item></subnetSet>`},
		{"full", answer{NextToken: ptr("n"), Count: 2, Range: netip.MustParseAddr("::1"), Subnets: []item{{
			common: common{DryRun: ptr(false)}, SubnetId: "<&>", State: "available", CidrBlock: netip.MustParsePrefix("10.0.0.0/24"),
			Tags: []tag{{"k", ""}, {"l", "m"}}, Created: &when, Flag: ptr(true), Nested: &tag{"a", "b"}, Data: []byte{1}, Ratio: 0.5,
		}}}, `<subnetSet><item><dryRun>false</dryRun><subnetId>&lt;&amp;&gt;</subnetId><state>available</state><cidrBlock>10.0.0.0/24</cidrBlock>` +
			`<tagSet><item><key>k</key><value></value></item><item><key>l</key><value>m</value></item></tagSet><createTime>2026-01-02T03:04:05.006Z</createTime>` +
			`<flag>true</flag><nested><key>a</key><value>b</value></nested><data>AQ==</data><ratio>0.5</ratio></item></subnetSet><nextToken>n</nextToken><count>2</count><range>::1</range>`},
		{"empty inner list", answer{Subnets: []item{{Tags: []tag{}}}}, `<subnetSet><item><subnetId></subnetId><state></state><tagSet/></item></subnetSet>`},
	}
	c := codec(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := c.Encode(wire.Call{Operation: "Ask"}, &tt.in, "id")
			if err != nil {
				t.Fatal(err)
			}
			want := prolog + `<AskResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>id</requestId>` + tt.want + `</AskResponse>`
			if string(got.Body) != want {
				t.Errorf("\n got %s\nwant %s", got.Body, want)
			}
		})
	}
}

func TestNewRefuses(t *testing.T) {
	tests := []struct {
		name string
		typ  reflect.Type
	}{
		{"a channel", reflect.TypeFor[struct{ C chan int }]()},
		{"a map", reflect.TypeFor[struct{ M map[string]string }]()},
		{"an interface", reflect.TypeFor[struct{ A any }]()},
		{"a tag with an unknown option", reflect.TypeFor[struct {
			A string `ec2:"A,requird"`
		}]()},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := New(Config{Bindings: []wire.Binding{{Name: "X", Input: tt.typ, Output: reflect.TypeFor[struct{}]()}}}); err == nil {
				t.Errorf("New took %s", tt.typ)
			}
		})
	}
}

func FuzzDecode(f *testing.F) {
	f.Add("SubnetId.1=a&Filter.1.Name=x&Filter.1.Value.1=v&IpPermissions.1.IpRanges.1.CidrIp=0.0.0.0/0&Options.Enabled.Value=true")
	f.Add("SubnetId.99999999999999999999=a&Filter.1=&.=&Filter..Name=x")
	c := codec(f)
	f.Fuzz(func(t *testing.T, body string) {
		form, err := url.ParseQuery(body)
		if err != nil {
			return
		}
		var in request
		if err := c.Decode(&wire.Request{Form: form}, wire.Call{}, &in); err != nil && fault.Code(err) == "" {
			t.Errorf("decoding %q: %v is no refusal", body, err)
		}
	})
}
