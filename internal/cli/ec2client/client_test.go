package ec2client

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
)

// serve answers bodies one after another and keeps the requests' parameters.
func serve(t *testing.T, status int, bodies ...string) (*Client, *[]string) {
	t.Helper()
	var seen []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(r.Header.Get("Authorization"), "/20260304/eu-west-1/ec2/aws4_request") {
			t.Errorf("Authorization = %q", r.Header.Get("Authorization"))
		}
		seen = append(seen, r.PostForm.Encode())
		w.WriteHeader(status)
		fmt.Fprint(w, bodies[min(len(seen), len(bodies))-1])
	}))
	t.Cleanup(s.Close)
	return &Client{
		Endpoint: s.URL, Region: "eu-west-1", Credentials: aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b"}, HTTP: s.Client(),
		Now: func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) },
	}, &seen
}

func TestCreateSubnet(t *testing.T) {
	c, seen := serve(t, 200, `<?xml version="1.0"?><CreateSubnetResponse xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><subnet><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId><cidrBlock>10.0.0.0/24</cidrBlock><availabilityZone>eu-west-1a</availabilityZone><mapPublicIpOnLaunch>true</mapPublicIpOnLaunch><tagSet><item><key>k</key><value>v</value></item></tagSet></subnet></CreateSubnetResponse>`)
	got, err := c.CreateSubnet(t.Context(), Subnet{VPCID: "vpc-1", CIDR: "10.0.0.0/24", Zone: "eu-west-1a", Tags: []Tag{{"k", "v"}, {"e", ""}}})
	if err != nil {
		t.Fatal(err)
	}
	want := Subnet{ID: "subnet-1", VPCID: "vpc-1", CIDR: "10.0.0.0/24", Zone: "eu-west-1a", PublicIPs: true, Tags: []Tag{{"k", "v"}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subnet (-want +got):\n%s", diff)
	}
	form := "Action=CreateSubnet&AvailabilityZone=eu-west-1a&CidrBlock=10.0.0.0%2F24&TagSpecification.1.ResourceType=subnet&TagSpecification.1.Tag.1.Key=k&TagSpecification.1.Tag.1.Value=v&TagSpecification.1.Tag.2.Key=e&TagSpecification.1.Tag.2.Value=&Version=2016-11-15&VpcId=vpc-1"
	if diff := cmp.Diff([]string{form}, *seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestListFollowsPages(t *testing.T) {
	page := `<DescribeRouteTablesResponse><requestId>r</requestId><routeTableSet><item><routeTableId>rtb-%d</routeTableId><routeSet><item><destinationCidrBlock>0.0.0.0/0</destinationCidrBlock><natGatewayId>nat-1</natGatewayId></item></routeSet><associationSet><item><routeTableAssociationId>a</routeTableAssociationId><main>true</main></item></associationSet></item></routeTableSet>%s</DescribeRouteTablesResponse>`
	c, seen := serve(t, 200, fmt.Sprintf(page, 1, "<nextToken>next</nextToken>"), fmt.Sprintf(page, 2, "<nextToken/>"))
	got, err := c.RouteTables(t.Context(), TagFilter("k", "v"), Filter{Name: "vpc-id", Values: []string{"a", "b"}})
	if err != nil {
		t.Fatal(err)
	}
	table := func(id string) RouteTable {
		return RouteTable{ID: id, Routes: []Route{{Destination: "0.0.0.0/0", NATGatewayID: "nat-1"}}, Associations: []Association{{ID: "a", Main: true}}}
	}
	if diff := cmp.Diff([]RouteTable{table("rtb-1"), table("rtb-2")}, got); diff != "" {
		t.Errorf("tables (-want +got):\n%s", diff)
	}
	const form = "Action=DescribeRouteTables&Filter.1.Name=tag%3Ak&Filter.1.Value.1=v&Filter.2.Name=vpc-id&Filter.2.Value.1=a&Filter.2.Value.2=b"
	if diff := cmp.Diff([]string{form + "&Version=2016-11-15", form + "&NextToken=next&Version=2016-11-15"}, *seen); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}

func TestErrors(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		code       string
		fault      smithy.ErrorFault
	}{
		{"EC2's document", `<Response><Errors><Error><Code>DependencyViolation</Code><Message>in use</Message></Error></Errors><RequestID>r</RequestID></Response>`, 400, "DependencyViolation", smithy.FaultClient},
		{"something else", "<html>", 502, "UnknownError", smithy.FaultServer},
		{"empty", "", 400, "UnknownError", smithy.FaultClient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c, _ := serve(t, tt.status, tt.body)
			err := c.DeleteVPC(t.Context(), "vpc-1")
			var api smithy.APIError
			if !errors.As(err, &api) || api.ErrorCode() != tt.code || api.ErrorFault() != tt.fault {
				t.Errorf("error = %#v, want code %s", err, tt.code)
			}
		})
	}
}

func TestAnswerThatIsNoXML(t *testing.T) {
	c, _ := serve(t, 200, "{}")
	if _, err := c.VPCs(t.Context()); err == nil {
		t.Error("no error for an answer that is no XML")
	}
}

func FuzzAnswer(f *testing.F) {
	f.Add([]byte(`<R><requestId>r</requestId><set><item><natGatewayId>a</natGatewayId></item></set><nextToken>n</nextToken></R>`))
	f.Add([]byte(`<Response><Errors><Error><Code>c</Code></Error></Errors></Response>`))
	f.Fuzz(func(t *testing.T, b []byte) {
		var p page[NATGateway]
		_ = xml.Unmarshal(b, &p)
		if err := parseError("op", 400, b); err.Error() == ": " {
			t.Error("an error without a code")
		}
	})
}
