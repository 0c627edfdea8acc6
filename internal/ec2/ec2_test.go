package ec2_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/ec2"
	"berth.dev/berth/internal/fault"
	"berth.dev/berth/internal/id"
	"berth.dev/berth/internal/store/storetest"
)

// cloud is a service with a clock and a Realizer that a test holds.
type cloud struct {
	*ec2.Service
	config   ec2.Config
	t        testing.TB
	ctx      context.Context
	now      time.Time
	realized error
	asked    []int64
}

func newCloud(t testing.TB) *cloud {
	t.Helper()
	c := &cloud{t: t, ctx: t.Context(), now: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}
	c.config = ec2.Config{
		Store: storetest.New(t),
		Scope: arn.Scope{Partition: "aws", Region: "eu-central-1", Account: "123456789012"},
		Now:   func() time.Time { return c.now },
		IDs:   id.Source{Random: newRandom(t.Name())},
		Realizer: ec2.RealizerFunc(func(_ context.Context, _ string, generation int64) error {
			c.asked = append(c.asked, generation)
			return c.realized
		}),
	}
	c.Service = ec2.New(c.config)
	return c
}

// another is a second service on the same records.
func (c *cloud) another() *ec2.Service { return ec2.New(c.config) }

// must is the output of an operation that should succeed.
func must[I, O any](c *cloud, op func(context.Context, *I) (*O, error), in I) *O {
	c.t.Helper()
	out, err := op(c.ctx, &in)
	if err != nil {
		c.t.Fatalf("%T: %v", in, err)
	}
	return out
}

// refused wants an operation to fail with an AWS code, and a message unless empty.
func refused[I, O any](c *cloud, op func(context.Context, *I) (*O, error), in I, code, message string) {
	c.t.Helper()
	_, err := op(c.ctx, &in)
	wantFault(c.t, err, code, message)
}

func wantFault(t testing.TB, err error, code, message string) {
	t.Helper()
	if fault.Code(err) != code {
		t.Errorf("got error %v, want code %s", err, code)
		return
	}
	if f := asFault(err); message != "" && f.Message != message {
		t.Errorf("%s says %q, want %q", code, f.Message, message)
	}
}

func (c *cloud) vpc(cidr string) string {
	c.t.Helper()
	return must(c, c.CreateVpc, ec2.CreateVpcInput{CidrBlock: cidr}).Vpc.VpcId
}

func (c *cloud) subnet(vpcID, cidr string) string {
	c.t.Helper()
	return must(c, c.CreateSubnet, ec2.CreateSubnetInput{VpcId: vpcID, CidrBlock: cidr}).Subnet.SubnetId
}

func (c *cloud) gateway(vpcID string) string {
	c.t.Helper()
	g := must(c, c.CreateInternetGateway, ec2.CreateInternetGatewayInput{}).InternetGateway.InternetGatewayId
	must(c, c.AttachInternetGateway, ec2.AttachInternetGatewayInput{InternetGatewayId: g, VpcId: vpcID})
	return g
}

func (c *cloud) nat(subnetID string) (natID, allocationID string) {
	c.t.Helper()
	a := must(c, c.AllocateAddress, ec2.AllocateAddressInput{Domain: "vpc"}).AllocationId
	return must(c, c.CreateNatGateway, ec2.CreateNatGatewayInput{SubnetId: subnetID, AllocationId: a}).NatGateway.NatGatewayId, a
}

func (c *cloud) reconcile(vpcID string) time.Duration {
	c.t.Helper()
	again, err := c.Reconcile(c.ctx, vpcID)
	if err != nil {
		c.t.Fatalf("Reconcile(%s): %v", vpcID, err)
	}
	return again
}

// random is a known sequence that goroutines may share.
type random struct {
	mu sync.Mutex
	r  *rand.ChaCha8
}

func newRandom(name string) *random {
	return &random{r: rand.NewChaCha8(sha256.Sum256([]byte(name)))}
}

func (r *random) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.r.Read(p)
}

func ptr[T any](v T) *T { return &v }

func addr(s string) netip.Addr { return netip.MustParseAddr(s) }

// snapshot is what every description answers, as one text; a group that a
// refused delete closes and opens again is the same group.
func snapshot(c *cloud) string {
	c.t.Helper()
	var all []any
	vpcs := must(c, c.DescribeVpcs, ec2.DescribeVpcsInput{})
	all = append(all, vpcs,
		must(c, c.DescribeSubnets, ec2.DescribeSubnetsInput{}),
		must(c, c.DescribeInternetGateways, ec2.DescribeInternetGatewaysInput{}),
		must(c, c.DescribeAddresses, ec2.DescribeAddressesInput{}),
		must(c, c.DescribeNatGateways, ec2.DescribeNatGatewaysInput{}),
		must(c, c.DescribeRouteTables, ec2.DescribeRouteTablesInput{}),
		must(c, c.DescribeSecurityGroups, ec2.DescribeSecurityGroupsInput{}),
		must(c, c.DescribeSecurityGroupRules, ec2.DescribeSecurityGroupRulesInput{}),
		must(c, c.DescribeNetworkInterfaces, ec2.DescribeNetworkInterfacesInput{}),
		must(c, c.DescribeTags, ec2.DescribeTagsInput{}))
	for _, v := range vpcs.Vpcs {
		n, err := c.Network(c.ctx, v.VpcId)
		if err != nil {
			c.t.Fatal(err)
		}
		n.Generation = 0
		all = append(all, n)
	}
	b, err := json.Marshal(all)
	if err != nil {
		c.t.Fatal(err)
	}
	return string(b)
}
