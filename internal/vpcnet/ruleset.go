package vpcnet

import "strings"

// The rulesets are written word for word as nft lists them, so that comparing
// texts tells whether the kernel still has them. A version of nft with other
// words costs a superfluous replacement and nothing else.

// routerRuleset translates what leaves by a NAT gateway, and nothing else: every
// other source address stays the sender's. Nothing comes in by the uplink that
// was not asked for, and a service address without a service is refused rather
// than sent in circles.
func routerRuleset() string {
	return ruleset(TableName,
		chain{"forward", "filter hook forward priority filter", []string{
			`oifname "lo" reject with icmp host-unreachable`,
			`iifname "uplink" ct state established,related accept`,
			`iifname "uplink" drop`,
		}},
		chain{"postrouting", "nat hook postrouting priority srcnat", []string{
			`oifname "uplink" masquerade`,
		}},
	)
}

// hostRuleset lets the instance's VPCs out of the host and nothing in, and keeps
// them apart from each other. Its accept ends only this table: a FORWARD policy
// of drop in another table still drops.
func hostRuleset(i Instance) string {
	links := `"` + i.LinkPrefix() + `*"`
	return ruleset(i.Table(),
		chain{"forward", "filter hook forward priority filter", []string{
			`iifname ` + links + ` oifname ` + links + ` drop`,
			`iifname ` + links + ` accept`,
			`oifname ` + links + ` ct state established,related accept`,
			`oifname ` + links + ` drop`,
		}},
		chain{"postrouting", "nat hook postrouting priority srcnat", []string{
			`ip saddr ` + TransitRange.String() + ` oifname != ` + links + ` masquerade`,
		}},
	)
}

type chain struct {
	name, hook string
	rules      []string
}

func ruleset(table string, chains ...chain) string {
	var b strings.Builder
	b.WriteString("table ip " + table + " {\n")
	for i, c := range chains {
		if i > 0 {
			b.WriteString("\n")
		}
		b.WriteString("\tchain " + c.name + " {\n\t\ttype " + c.hook + "; policy accept;\n")
		for _, r := range c.rules {
			b.WriteString("\t\t" + r + "\n")
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}
