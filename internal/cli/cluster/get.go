package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/profile"
)

// GetOptions are those of get cluster.
type GetOptions struct {
	*cli.Factory
	Name, File string
	Output     cli.Output
	Timeout    time.Duration
	// ChunkSize is how many clusters are asked for at once, 0 for all.
	ChunkSize int32
}

// NewGet makes the command get cluster.
func NewGet(f *cli.Factory) *cobra.Command {
	o := &GetOptions{Factory: f}
	c := &cobra.Command{
		Use: "cluster", Aliases: []string{"clusters"}, Short: "Get cluster(s)",
		Example: `  berth get cluster
  berth get cluster --name demo -o yaml`,
		Args: cli.NameArg("name", &o.Name),
	}
	c.Flags().StringVarP(&o.Name, "name", "n", "", "EKS cluster name")
	c.Flags().StringVarP(&o.File, "config-file", "f", "", "load configuration from a file (or stdin if set to '-')")
	c.Flags().Int32Var(&o.ChunkSize, "chunk-size", 100, "return large lists in chunks rather than all at once, pass 0 to disable")
	cli.AddOutputFlag(c, &o.Output)
	cli.AddTimeoutFlag(c, &o.Timeout)
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if o.File != "" {
			config, err := cli.LoadConfig(f, c, o.File, "name", "region")
			if err != nil {
				return err
			}
			o.Name = config.Metadata.Name
		}
		return o.Output.Check()
	}
	c.RunE = cli.Run(&o.Timeout, func(ctx context.Context) error { return get(ctx, o) })
	return c
}

func get(ctx context.Context, o *GetOptions) error {
	a, err := o.AWS()
	if err != nil {
		return err
	}
	if o.Name != "" {
		c, err := profile.DescribeCluster(ctx, a, o.Name)
		if err != nil {
			return err
		}
		return printOut(o, one, []types.Cluster{c})
	}
	all, err := list(ctx, o, a)
	if err != nil {
		return err
	}
	return printOut(o, many, all)
}

func printOut[T any](o *GetOptions, t cli.Table[T], items []T) error {
	if o.Output == cli.OutputTable {
		return t.Write(o.Out, items)
	}
	return cli.WriteData(o.Out, o.Output, items)
}

// Description is a cluster in a list; the names of the fields are eksctl's.
type Description struct {
	Name   string
	Region string
	// Owned is True or False: whether eksctl, or this command, made the cluster.
	Owned string
}

func list(ctx context.Context, o *GetOptions, a *cli.AWS) ([]Description, error) {
	in := &eks.ListClustersInput{Include: []string{"all"}}
	if o.ChunkSize > 0 {
		in.MaxResults = aws.Int32(min(o.ChunkSize, 100))
	}
	all := []Description{}
	for pages := eks.NewListClustersPaginator(a.EKS, in); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing clusters: %w", err)
		}
		for _, name := range page.Clusters {
			out, err := a.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
			if cli.NotFound(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("unable to describe control plane %q: %w", name, err)
			}
			d := Description{Name: name, Region: a.Region, Owned: "False"}
			if owned(*out.Cluster) {
				d.Owned = "True"
			}
			all = append(all, d)
		}
	}
	return all, nil
}

var many = cli.Table[Description]{Kind: "clusters", Columns: []cli.Column[Description]{
	{Name: "NAME", Value: func(d Description) string { return d.Name }},
	{Name: "REGION", Value: func(d Description) string { return d.Region }},
	{Name: "EKSCTL CREATED", Value: func(d Description) string { return d.Owned }},
}}

var one = cli.Table[types.Cluster]{Kind: "clusters", Columns: []cli.Column[types.Cluster]{
	{Name: "NAME", Value: func(c types.Cluster) string { return orDash(aws.ToString(c.Name)) }},
	{Name: "VERSION", Value: func(c types.Cluster) string { return orDash(aws.ToString(c.Version)) }},
	{Name: "STATUS", Value: func(c types.Cluster) string { return orDash(string(c.Status)) }},
	{Name: "CREATED", Value: func(c types.Cluster) string {
		if c.CreatedAt == nil {
			return "-"
		}
		return c.CreatedAt.UTC().Format(time.RFC3339)
	}},
	{Name: "VPC", Value: func(c types.Cluster) string { return orDash(aws.ToString(vpcOf(c).VpcId)) }},
	{Name: "SUBNETS", Value: func(c types.Cluster) string { return orDash(sorted(vpcOf(c).SubnetIds)) }},
	{Name: "SECURITYGROUPS", Value: func(c types.Cluster) string { return orDash(sorted(vpcOf(c).SecurityGroupIds)) }},
	{Name: "PROVIDER", Value: func(c types.Cluster) string {
		if c.ConnectorConfig != nil {
			return aws.ToString(c.ConnectorConfig.Provider)
		}
		return "EKS"
	}},
}}

func vpcOf(c types.Cluster) types.VpcConfigResponse {
	if c.ResourcesVpcConfig == nil {
		return types.VpcConfigResponse{}
	}
	return *c.ResourcesVpcConfig
}

func sorted(s []string) string { return strings.Join(slices.Sorted(slices.Values(s)), ",") }

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
