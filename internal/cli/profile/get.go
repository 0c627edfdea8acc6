package profile

import (
	"context"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/clusterconfig"
)

// GetOptions are those of get fargateprofile.
type GetOptions struct {
	Options
	Output cli.Output
}

// NewGet makes the command get fargateprofile.
func NewGet(f *cli.Factory) *cobra.Command {
	o := &GetOptions{Options: Options{Factory: f}}
	c := &cobra.Command{
		Use: "fargateprofile", Aliases: []string{"fargateprofiles"}, Short: "Get Fargate profile(s)",
		Example: `  berth get fargateprofile --cluster demo
  berth get fargateprofile --cluster demo --name fp-default -o yaml`,
		Args: cli.NameArg("name", &o.Name),
	}
	o.flags(c)
	cli.AddOutputFlag(c, &o.Output)
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if err := o.Output.Check(); err != nil {
			return err
		}
		return o.load(c)
	}
	c.RunE = cli.Run(&o.Timeout, func(ctx context.Context) error { return get(ctx, o) })
	return c
}

func get(ctx context.Context, o *GetOptions) error {
	a, err := o.AWS()
	if err != nil {
		return err
	}
	m := o.maker(a, o.LogFor(o.Output))
	names := []string{o.Name}
	if o.Name == "" {
		if _, err := o.describe(ctx, a); err != nil {
			return err
		}
		if names, err = m.Names(ctx); err != nil {
			return err
		}
	}
	profiles := make([]*clusterconfig.FargateProfile, 0, len(names))
	for _, name := range names {
		p, err := m.describe(ctx, name)
		if cli.NotFound(err) && o.Name == "" {
			continue
		}
		if err != nil {
			return err
		}
		profiles = append(profiles, fromAPI(p))
	}
	if o.Output == cli.OutputTable {
		return table.Write(o.Out, rows(profiles))
	}
	return cli.WriteData(o.Out, o.Output, profiles)
}

func fromAPI(p types.FargateProfile) *clusterconfig.FargateProfile {
	out := &clusterconfig.FargateProfile{
		Name: aws.ToString(p.FargateProfileName), PodExecutionRoleARN: aws.ToString(p.PodExecutionRoleArn),
		Subnets: p.Subnets, Tags: p.Tags, Status: string(p.Status), Selectors: []clusterconfig.Selector{},
	}
	for _, s := range p.Selectors {
		out.Selectors = append(out.Selectors, clusterconfig.Selector{Namespace: aws.ToString(s.Namespace), Labels: s.Labels})
	}
	return out
}

// row is a selector of a profile.
type row struct {
	*clusterconfig.FargateProfile
	selector clusterconfig.Selector
}

func rows(profiles []*clusterconfig.FargateProfile) []row {
	var all []row
	for _, p := range profiles {
		for _, s := range p.Selectors {
			all = append(all, row{p, s})
		}
	}
	return all
}

var table = cli.Table[row]{Kind: "fargateprofiles", Columns: []cli.Column[row]{
	{Name: "NAME", Value: func(r row) string { return r.Name }},
	{Name: "SELECTOR_NAMESPACE", Value: func(r row) string { return r.selector.Namespace }},
	{Name: "SELECTOR_LABELS", Value: func(r row) string { return cli.Pairs(r.selector.Labels) }},
	{Name: "POD_EXECUTION_ROLE_ARN", Value: func(r row) string { return r.PodExecutionRoleARN }},
	{Name: "SUBNETS", Value: func(r row) string {
		if len(r.Subnets) == 0 {
			return "<none>"
		}
		return strings.Join(r.Subnets, ",")
	}},
	{Name: "TAGS", Value: func(r row) string { return cli.Pairs(r.Tags) }},
	{Name: "STATUS", Value: func(r row) string { return r.Status }},
}}
