package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"net/netip"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	clocktesting "k8s.io/utils/clock/testing"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/awsapi/sigv4"
	"berth.dev/berth/internal/ec2"
	"berth.dev/berth/internal/eks"
	"berth.dev/berth/internal/fargate/scheduler"
	"berth.dev/berth/internal/iam"
	"berth.dev/berth/internal/iam/credential"
	"berth.dev/berth/internal/id"
	"berth.dev/berth/internal/store/storetest"
)

var (
	epoch = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	scope = arn.Scope{Partition: "aws", Region: "eu-central-1", Account: "123456789012"}
)

func TestKeys(t *testing.T) {
	clock := clocktesting.NewFakePassiveClock(epoch)
	s, err := iam.New(iam.Config{
		Store: storetest.New(t), Scope: scope, Clock: clock, IDs: id.Source{Random: rand.Reader}, Log: slog.New(slog.DiscardHandler),
		Root: iam.Key{ID: "test", Secret: "secret"},
	})
	if err != nil {
		t.Fatal(err)
	}
	temporary, err := s.IssueSession(t.Context(), credential.Session{
		Owner: scope.Global("iam", "root"), OwnerID: scope.Account, Duration: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	k := keys{s}
	got, err := k.Lookup(t.Context(), "test")
	if err != nil || got.Secret != "secret" || got.SessionToken != "" || got.Principal.ARN.String() != "arn:aws:iam::123456789012:root" {
		t.Errorf("root key = %+v, %v", got, err)
	}
	got, err = k.Lookup(t.Context(), temporary.AccessKeyID)
	if err != nil || string(got.SessionToken) != temporary.Token.Reveal() || string(got.Secret) != temporary.Secret.Reveal() {
		t.Errorf("temporary key = %v, %v; want its secret and token", got.Principal, err)
	}
	if _, err := k.Lookup(t.Context(), "AKIAUNKNOWN"); !errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("unknown key: %v, want %v", err, sigv4.ErrUnknownKey)
	}
	clock.SetTime(epoch.Add(time.Hour))
	got, err = k.Lookup(t.Context(), temporary.AccessKeyID)
	if !errors.Is(err, sigv4.ErrExpiredKey) || got.Secret != "" {
		t.Errorf("expired key: %v, want %v and no secret, with which anyone could sign", err, sigv4.ErrExpiredKey)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := k.Lookup(ctx, "AKIAUNKNOWN"); err == nil || errors.Is(err, sigv4.ErrUnknownKey) {
		t.Errorf("a store that does not answer: %v, want its error: the key may be valid", err)
	}
}

// newVPC makes a VPC with one subnet.
func newVPC(t *testing.T, s *ec2.Service, cidr, subnet string) (vpcID, subnetID string) {
	t.Helper()
	v, err := s.CreateVpc(t.Context(), &ec2.CreateVpcInput{CidrBlock: cidr})
	if err != nil {
		t.Fatal(err)
	}
	sn, err := s.CreateSubnet(t.Context(), &ec2.CreateSubnetInput{VpcId: v.Vpc.VpcId, CidrBlock: subnet, AvailabilityZone: "eu-central-1b"})
	if err != nil {
		t.Fatal(err)
	}
	return v.Vpc.VpcId, sn.Subnet.SubnetId
}

func newEC2(t *testing.T) *ec2.Service {
	t.Helper()
	return ec2.New(ec2.Config{Store: storetest.New(t), Scope: scope, IDs: id.Source{Random: rand.Reader}, Log: slog.New(slog.DiscardHandler)})
}

func TestInterfaces(t *testing.T) {
	s := newEC2(t)
	vpcID, subnet := newVPC(t, s, "10.0.0.0/16", "10.0.1.0/28")
	i := interfaces{ec2: s, region: "eu-central-1"}
	request := func(token string) scheduler.InterfaceRequest {
		return scheduler.InterfaceRequest{Subnet: subnet, Token: token, Description: "AWS Fargate pod default/" + token}
	}
	first, err := i.Allocate(t.Context(), request("a"))
	if err != nil {
		t.Fatal(err)
	}
	if first.Subnet != subnet || first.AvailabilityZone != "eu-central-1b" || !netip.MustParsePrefix("10.0.1.0/28").Contains(first.IP) {
		t.Errorf("interface = %+v", first)
	}
	if first.PrivateDNSName != "" {
		t.Errorf("private DNS name = %q in a VPC without DNS hostnames", first.PrivateDNSName)
	}
	again, err := i.Allocate(t.Context(), request("a"))
	if err != nil || again != first {
		t.Errorf("the same token gives %+v, %v; want %+v", again, err, first)
	}
	_, err = s.ModifyVpcAttribute(t.Context(), &ec2.ModifyVpcAttributeInput{VpcId: vpcID, EnableDnsHostnames: &ec2.BooleanValue{Value: true}})
	if err != nil {
		t.Fatal(err)
	}
	named, err := i.Allocate(t.Context(), request("b"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "ip-10-0-1-" + named.IP.String()[len("10.0.1."):] + ".eu-central-1.compute.internal"; named.PrivateDNSName != want {
		t.Errorf("private DNS name = %q, want %q", named.PrivateDNSName, want)
	}
	n, err := s.Network(t.Context(), vpcID)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range n.Interfaces {
		if !isPod(e) {
			t.Errorf("%s is not known as a pod's: kubelets behind it could not be reached", e.ID)
		}
	}
	taken := 2
	for err = nil; err == nil && taken < 100; taken++ {
		_, err = i.Allocate(t.Context(), request("more-"+string(rune('a'+taken))))
	}
	if !errors.Is(err, scheduler.ErrNoAddress) {
		t.Errorf("a full subnet: %v, want %v", err, scheduler.ErrNoAddress)
	}
	for range 2 {
		if err := i.Release(t.Context(), first.ID); err != nil {
			t.Errorf("releasing: %v", err)
		}
	}
}

func TestNetworkLeavesOutWhatIsMissing(t *testing.T) {
	s := newEC2(t)
	vpcID, subnet := newVPC(t, s, "10.0.0.0/16", "10.0.1.0/24")
	got, err := network{s}.Subnets(t.Context(), []string{subnet, "subnet-00000000000000000"})
	if err != nil {
		t.Fatal(err)
	}
	want := []eks.Subnet{{ID: subnet, VPC: vpcID, AvailabilityZone: "eu-central-1b"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("subnets (-want +got):\n%s", diff)
	}
	groups, err := network{s}.SecurityGroups(t.Context(), []string{"sg-00000000000000000"})
	if err != nil || len(groups) != 0 {
		t.Errorf("missing security groups = %v, %v; want none", groups, err)
	}
}

func TestRoutes(t *testing.T) {
	all := netip.MustParsePrefix("0.0.0.0/0")
	for _, tt := range []struct {
		name  string
		route ec2.NetworkRoute
		want  string
		nat   string
	}{
		{"within the VPC", ec2.NetworkRoute{Route: ec2.Route{Destination: all, GatewayID: "local"}}, "local", ""},
		{"internet gateway", ec2.NetworkRoute{Route: ec2.Route{Destination: all, GatewayID: "igw-1"}}, "internet-gateway", ""},
		{"NAT gateway", ec2.NetworkRoute{Route: ec2.Route{Destination: all, NATID: "nat-1"}}, "nat-gateway", "nat-1"},
		{"a gateway that is gone", ec2.NetworkRoute{Route: ec2.Route{Destination: all, NATID: "nat-1"}, State: ec2.RouteBlackhole}, "blackhole", ""},
		{"a target that is not carried", ec2.NetworkRoute{Route: ec2.Route{Destination: all}}, "blackhole", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := route(tt.route)
			if string(got.Target) != tt.want || got.NATGateway != tt.nat || got.Destination != all {
				t.Errorf("route = %+v, want target %s through %q", got, tt.want, tt.nat)
			}
		})
	}
}
