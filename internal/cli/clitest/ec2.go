package clitest

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// thing is any EC2 resource: its members are kept as they are answered.
type thing struct {
	kind, id, state string
	vpc, subnet     string
	members         map[string]string
	tags            [][2]string
	// routes are default routes, joined the subnets of a route table.
	route  string
	joined []string
}

// kinds are the resources: the operations that make, list and remove them, the
// member of the identifier, and the parameter that names one.
var kinds = map[string]struct{ set, element, prefix, id, param string }{
	"Vpc":             {"vpcSet", "vpc", "vpc", "vpcId", "VpcId"},
	"Subnet":          {"subnetSet", "subnet", "subnet", "subnetId", "SubnetId"},
	"InternetGateway": {"internetGatewaySet", "internetGateway", "igw", "internetGatewayId", "InternetGatewayId"},
	"NatGateway":      {"natGatewaySet", "natGateway", "nat", "natGatewayId", "NatGatewayId"},
	"RouteTable":      {"routeTableSet", "routeTable", "rtb", "routeTableId", "RouteTableId"},
	"Address":         {"addressesSet", "", "eipalloc", "allocationId", "AllocationId"},
}

// irregular are the operations that do not follow the pattern of the others.
var irregular = map[string]string{"AllocateAddress": "CreateAddress", "ReleaseAddress": "DeleteAddress", "DescribeAddresses": "DescribeAddresss"}

func (t *thing) xml() string {
	var b strings.Builder
	fmt.Fprintf(&b, "<%[1]s>%[2]s</%[1]s>", kinds[t.kind].id, t.id)
	for k, v := range t.members {
		fmt.Fprintf(&b, "<%[1]s>%[2]s</%[1]s>", k, v)
	}
	if t.state != "" {
		fmt.Fprintf(&b, "<state>%s</state>", t.state)
	}
	if t.vpc != "" && t.kind == "InternetGateway" {
		fmt.Fprintf(&b, "<attachmentSet><item><vpcId>%s</vpcId></item></attachmentSet>", t.vpc)
	} else if t.vpc != "" {
		fmt.Fprintf(&b, "<vpcId>%s</vpcId>", t.vpc)
	}
	if t.kind == "RouteTable" {
		b.WriteString("<routeSet><item><destinationCidrBlock>192.168.0.0/16</destinationCidrBlock><gatewayId>local</gatewayId></item>" + t.route + "</routeSet><associationSet>")
		for _, s := range t.joined {
			fmt.Fprintf(&b, "<item><routeTableAssociationId>%[1]s/%[2]s</routeTableAssociationId><subnetId>%[2]s</subnetId><main>false</main></item>", t.id, s)
		}
		b.WriteString("</associationSet>")
	}
	b.WriteString("<tagSet>")
	for _, tag := range t.tags {
		fmt.Fprintf(&b, "<item><key>%s</key><value>%s</value></item>", tag[0], tag[1])
	}
	b.WriteString("</tagSet>")
	return b.String()
}

func (a *Account) ec2(op string, form url.Values) (body, code string) {
	if op == "DescribeAvailabilityZones" {
		return "<availabilityZoneInfo><item><zoneName>us-east-1c</zoneName></item><item><zoneName>us-east-1a</zoneName></item><item><zoneName>us-east-1b</zoneName></item><item><zoneName>us-east-1d</zoneName></item></availabilityZoneInfo>", ""
	}
	if name, ok := irregular[op]; ok {
		op = name
	}
	for kind, k := range kinds {
		switch op {
		case "Create" + kind:
			t := a.create(kind, form)
			if k.element == "" {
				return t.xml(), ""
			}
			return fmt.Sprintf("<%[1]s>%[2]s</%[1]s>", k.element, t.xml()), ""
		case "Describe" + kind + "s":
			var items strings.Builder
			for _, t := range a.things {
				if t.kind == kind && t.matches(form) {
					items.WriteString("<item>" + t.xml() + "</item>")
				}
			}
			return fmt.Sprintf("<%[1]s>%[2]s</%[1]s>", k.set, items.String()), ""
		case "Delete" + kind:
			return "", a.remove(kind, form.Get(k.param))
		}
	}
	return "", a.change(op, form)
}

func (a *Account) create(kind string, form url.Values) *thing {
	a.next++
	t := &thing{kind: kind, id: fmt.Sprintf("%s-%04d", kinds[kind].prefix, a.next), members: map[string]string{}}
	t.vpc, t.subnet = form.Get("VpcId"), form.Get("SubnetId")
	for param, member := range map[string]string{"CidrBlock": "cidrBlock", "AvailabilityZone": "availabilityZone"} {
		if v := form.Get(param); v != "" {
			t.members[member] = v
		}
	}
	for i := 1; form.Has("TagSpecification.1.Tag." + strconv.Itoa(i) + ".Key"); i++ {
		prefix := "TagSpecification.1.Tag." + strconv.Itoa(i)
		t.tags = append(t.tags, [2]string{form.Get(prefix + ".Key"), form.Get(prefix + ".Value")})
	}
	if kind == "NatGateway" {
		t.state = "pending"
	}
	a.things = append(a.things, t)
	return t
}

// matches applies identifiers and filters; a NAT gateway moves on once it is
// looked at.
func (t *thing) matches(form url.Values) bool {
	var ids []string
	for i := 1; form.Has(kinds[t.kind].param + "." + strconv.Itoa(i)); i++ {
		ids = append(ids, form.Get(kinds[t.kind].param+"."+strconv.Itoa(i)))
	}
	if len(ids) > 0 && !slices.Contains(ids, t.id) {
		return false
	}
	for i := 1; form.Has("Filter." + strconv.Itoa(i) + ".Name"); i++ {
		prefix := "Filter." + strconv.Itoa(i)
		var values []string
		for j := 1; form.Has(prefix + ".Value." + strconv.Itoa(j)); j++ {
			values = append(values, form.Get(prefix+".Value."+strconv.Itoa(j)))
		}
		if !slices.Contains(values, t.attribute(form.Get(prefix+".Name"))) {
			return false
		}
	}
	switch t.state {
	case "pending":
		t.state = "available"
	case "deleting":
		t.state = "deleted"
	}
	return true
}

func (t *thing) attribute(name string) string {
	switch name {
	case "state":
		return t.state
	case "nat-gateway-id":
		return t.id
	}
	for _, tag := range t.tags {
		if "tag:"+tag[0] == name {
			return tag[1]
		}
	}
	return ""
}

func (a *Account) find(kind, id string) *thing {
	i := slices.IndexFunc(a.things, func(t *thing) bool { return t.kind == kind && t.id == id })
	if i < 0 {
		return nil
	}
	return a.things[i]
}

// remove refuses what others depend on, as far as it matters to an order.
func (a *Account) remove(kind, id string) (code string) {
	t := a.find(kind, id)
	if t == nil {
		return "Invalid" + kind + "ID.NotFound"
	}
	if kind == "NatGateway" {
		t.state = "deleting"
		return ""
	}
	for _, x := range a.things {
		depends := kind == "Vpc" && x.vpc == id || kind == "Subnet" && x.subnet == id && x.state != "deleted" ||
			kind == "RouteTable" && x == t && len(t.joined) > 0 || kind == "InternetGateway" && x == t && t.vpc != "" ||
			kind == "Address" && x.kind == "NatGateway" && x.state != "deleted"
		if depends && (x != t || kind == "RouteTable" || kind == "InternetGateway") {
			return "DependencyViolation"
		}
	}
	a.things = slices.DeleteFunc(a.things, func(x *thing) bool { return x == t })
	return ""
}

func (a *Account) change(op string, form url.Values) (code string) {
	table := a.find("RouteTable", form.Get("RouteTableId"))
	switch op {
	case "ModifyVpcAttribute", "ModifySubnetAttribute":
	case "AttachInternetGateway":
		a.find("InternetGateway", form.Get("InternetGatewayId")).vpc = form.Get("VpcId")
	case "DetachInternetGateway":
		a.find("InternetGateway", form.Get("InternetGatewayId")).vpc = ""
	case "CreateRoute", "ReplaceRoute":
		table.route = fmt.Sprintf("<item><destinationCidrBlock>%s</destinationCidrBlock><gatewayId>%s</gatewayId><natGatewayId>%s</natGatewayId></item>",
			form.Get("DestinationCidrBlock"), form.Get("GatewayId"), form.Get("NatGatewayId"))
	case "AssociateRouteTable":
		table.joined = append(table.joined, form.Get("SubnetId"))
	case "DisassociateRouteTable":
		id, subnet, _ := strings.Cut(form.Get("AssociationId"), "/")
		table := a.find("RouteTable", id)
		table.joined = slices.DeleteFunc(table.joined, func(s string) bool { return s == subnet })
	default:
		return "InvalidAction"
	}
	return ""
}
