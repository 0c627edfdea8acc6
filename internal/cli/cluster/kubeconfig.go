package cluster

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/kube"
	"berth.dev/berth/internal/cli/kubeconfig"
	"berth.dev/berth/internal/cli/profile"
)

// KubeconfigOptions say where a kubeconfig is written.
type KubeconfigOptions struct {
	Write, SetContext, Auto bool
	Path                    string
	// Written is the file that has been written, empty if none has.
	Written string
}

func (o *KubeconfigOptions) flags(c *cobra.Command) {
	c.Flags().StringVar(&o.Path, "kubeconfig", "", "path to write kubeconfig (default: KUBECONFIG, or ~/.kube/config)")
	c.Flags().BoolVar(&o.SetContext, "set-kubeconfig-context", true, "make the cluster the current context")
	c.Flags().BoolVar(&o.Auto, "auto-kubeconfig", false, "save kubeconfig file by cluster name, e.g. ~/.kube/eksctl/clusters/demo")
}

func (o *KubeconfigOptions) complete(c *cobra.Command) error {
	if o.Auto && c.Flag("kubeconfig").Changed {
		return cli.Usagef("--kubeconfig and --auto-kubeconfig cannot be used at the same time")
	}
	return nil
}

func files(f *cli.Factory, explicit string) kubeconfig.Files {
	return kubeconfig.Files{Explicit: explicit, List: f.Env("KUBECONFIG"), Home: f.Env("HOME")}
}

func autoPath(f *cli.Factory, cluster string) string {
	return filepath.Join(f.Env("HOME"), ".kube", "eksctl", "clusters", cluster)
}

// user is the caller's name in a kubeconfig, as eksctl makes it of the ARN.
func user(arn string) string {
	if i := strings.LastIndex(arn, "/"); i >= 0 {
		return arn[i+1:]
	}
	return "iam-root-account"
}

// write writes the kubeconfig of a cluster.
func (o *KubeconfigOptions) write(f *cli.Factory, t cli.Target, c types.Cluster, arn string) error {
	ca, err := kube.CA(c)
	if err != nil {
		return err
	}
	name := aws.ToString(c.Name)
	path := o.Path
	if o.Auto {
		path = autoPath(f, name)
	}
	config := kubeconfig.Config(
		kubeconfig.Cluster{Name: name, Region: t.Region, Endpoint: aws.ToString(c.Endpoint), CA: ca, User: user(arn)},
		exec(f, t, name),
	)
	o.Written, err = kubeconfig.Write(files(f, path), config, o.SetContext)
	return err
}

// exec is berth as the plugin that makes tokens. It needs no other tool, and no
// environment when the key is the one of a Berth on this machine; another key
// is the environment's, as with the AWS CLI.
func exec(f *cli.Factory, t cli.Target, cluster string) kubeconfig.Exec {
	e := kubeconfig.Exec{Command: f.Executable, Args: []string{"token", "--cluster-name", cluster, "--region", t.Region}}
	if t.DataDir != "" {
		e.Args = append(e.Args, "--data-dir", t.DataDir)
	} else {
		e.Env = []kubeconfig.EnvVar{{Name: "AWS_ENDPOINT_URL", Value: t.Endpoint}}
	}
	return e
}

func (r *creation) writeKubeconfig(context.Context) error {
	if !r.Kubeconfig.Write {
		return nil
	}
	if err := r.Kubeconfig.write(r.Factory, r.aws.Target, *r.cluster, aws.ToString(r.identity.Arn)); err != nil {
		r.log.Warnf("unable to write kubeconfig, please retry with 'berth utils write-kubeconfig --cluster=%s': %v", r.name, err)
		return nil
	}
	r.log.Successf("saved kubeconfig as %q", r.Kubeconfig.Written)
	return nil
}

// WriteOptions are those of utils write-kubeconfig.
type WriteOptions struct {
	*cli.Factory
	Cluster, File string
	Kubeconfig    KubeconfigOptions
	Timeout       time.Duration
}

// NewWriteKubeconfig makes the command utils write-kubeconfig.
func NewWriteKubeconfig(f *cli.Factory) *cobra.Command {
	o := &WriteOptions{Factory: f}
	c := &cobra.Command{
		Use: "write-kubeconfig", Short: "Write kubeconfig file for a given cluster",
		Example: "  berth utils write-kubeconfig --cluster demo",
		Args:    cli.NameArg("cluster", &o.Cluster),
	}
	c.Flags().StringVarP(&o.Cluster, "cluster", "c", "", "EKS cluster name")
	c.Flags().StringVarP(&o.File, "config-file", "f", "", "load configuration from a file (or stdin if set to '-')")
	o.Kubeconfig.flags(c)
	cli.AddTimeoutFlag(c, &o.Timeout)
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if o.File != "" {
			config, err := cli.LoadConfig(f, c, o.File, "cluster", "region")
			if err != nil {
				return err
			}
			o.Cluster = config.Metadata.Name
		}
		if o.Cluster == "" {
			return cli.Usagef("--cluster must be set")
		}
		return o.Kubeconfig.complete(c)
	}
	c.RunE = cli.Run(&o.Timeout, func(ctx context.Context) error { return writeKubeconfig(ctx, o) })
	return c
}

func writeKubeconfig(ctx context.Context, o *WriteOptions) error {
	a, err := o.AWS()
	if err != nil {
		return err
	}
	identity, err := a.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return fmt.Errorf("checking the AWS credentials: %w", err)
	}
	c, err := profile.DescribeCluster(ctx, a, o.Cluster)
	if err != nil {
		return err
	}
	if err := o.Kubeconfig.write(o.Factory, a.Target, c, aws.ToString(identity.Arn)); err != nil {
		return err
	}
	o.Log().Successf("saved kubeconfig as %q", o.Kubeconfig.Written)
	return nil
}
