package profile

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/clusterconfig"
	"berth.dev/berth/internal/cli/role"
)

// Options are what the three commands have in common.
type Options struct {
	*cli.Factory
	Cluster, Name, File string
	Timeout             time.Duration
	// config is the file, nil if there is none.
	config *clusterconfig.Config
}

func (o *Options) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.Cluster, "cluster", "", "EKS cluster name")
	c.Flags().StringVar(&o.Name, "name", "", "Fargate profile's name")
	c.Flags().StringVarP(&o.File, "config-file", "f", "", "load configuration from a file (or stdin if set to '-')")
	cli.AddTimeoutFlag(c, &o.Timeout)
}

// load reads the file, if one is given, and takes the cluster's name from it.
func (o *Options) load(c *cobra.Command, incompatible ...string) error {
	if o.File == "" {
		if o.Cluster == "" {
			return cli.Usagef("--cluster must be set")
		}
		return nil
	}
	config, err := cli.LoadConfig(o.Factory, c, o.File, append(incompatible, "cluster", "region")...)
	if err != nil {
		return err
	}
	o.config, o.Cluster = config, config.Metadata.Name
	return nil
}

func (o *Options) maker(a *cli.AWS, log *cli.Log) Maker {
	return Maker{EKS: a.EKS, Terminal: o.Terminal, Log: log, Cluster: o.Cluster}
}

func (o *Options) describe(ctx context.Context, a *cli.AWS) (types.Cluster, error) {
	return DescribeCluster(ctx, a, o.Cluster)
}

// DescribeCluster reads a cluster, with a message that says what to do when
// there is none.
func DescribeCluster(ctx context.Context, a *cli.AWS, name string) (types.Cluster, error) {
	out, err := a.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &name})
	if cli.NotFound(err) {
		return types.Cluster{}, fmt.Errorf("unable to describe control plane %q: %w: see 'berth get cluster' for those in %s", name, err, a.Region)
	}
	if err != nil {
		return types.Cluster{}, fmt.Errorf("unable to describe control plane %q: %w", name, err)
	}
	return *out.Cluster, nil
}

// RoleCluster is a cluster as its roles know it.
func RoleCluster(c types.Cluster, region string) role.Cluster {
	parts := strings.SplitN(aws.ToString(c.Arn), ":", 6)
	if len(parts) < 6 {
		parts = []string{"arn", "aws", "eks", region, "", ""}
	}
	return role.Cluster{Name: aws.ToString(c.Name), Region: region, Partition: parts[1], Account: parts[4]}
}
