package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/kubeconfig"
	"berth.dev/berth/internal/cli/network"
	"berth.dev/berth/internal/cli/profile"
	"berth.dev/berth/internal/cli/role"
)

// DeleteOptions are those of delete cluster.
type DeleteOptions struct {
	*cli.Factory
	Name, File string
	Timeout    time.Duration
	// Wait is accepted because eksctl has it; deletion is always waited for.
	Wait bool
}

// NewDelete makes the command delete cluster.
func NewDelete(f *cli.Factory) *cobra.Command {
	o := &DeleteOptions{Factory: f}
	c := &cobra.Command{
		Use: "cluster", Short: "Delete a cluster",
		Long: `Delete an EKS cluster with its Fargate profiles and with everything that was made
for it: network, roles and kubeconfig entries. The network of a cluster that
this command did not make is left alone. The command waits until all is gone;
an interrupted run goes on when it is run again.`,
		Example: "  berth delete cluster --name demo",
		Args:    cli.NameArg("name", &o.Name),
	}
	c.Flags().StringVarP(&o.Name, "name", "n", "", "EKS cluster name")
	c.Flags().StringVarP(&o.File, "config-file", "f", "", "load configuration from a file (or stdin if set to '-')")
	c.Flags().BoolVarP(&o.Wait, "wait", "w", true, "accepted for eksctl's sake: the deletion of all resources is always waited for")
	cli.AddTimeoutFlag(c, &o.Timeout)
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if o.File != "" {
			config, err := cli.LoadConfig(f, c, o.File, "name", "region")
			if err != nil {
				return err
			}
			o.Name = config.Metadata.Name
		}
		if o.Name == "" {
			return cli.Usagef("--name must be set")
		}
		return nil
	}
	c.RunE = cli.Run(&o.Timeout, func(ctx context.Context) error { return remove(ctx, o) })
	return c
}

// deletion is one run of the command.
type deletion struct {
	*DeleteOptions
	aws *cli.AWS
	log *cli.Log
	// any says that there was something to delete, ours that the cluster, if it
	// exists, was made by this command.
	any, ours bool
}

func remove(ctx context.Context, o *DeleteOptions) error {
	a, err := o.AWS()
	if err != nil {
		return err
	}
	r := &deletion{DeleteOptions: o, aws: a, log: o.Log(), ours: true}
	r.log.Infof("deleting EKS cluster %q", o.Name)
	for _, step := range []func(context.Context) error{r.controlPlane, r.dropRoles, r.dropNetwork, r.dropKubeconfig} {
		if err := step(ctx); err != nil {
			return err
		}
	}
	if !r.any {
		return fmt.Errorf("no EKS cluster resources were found for %q in %s: see 'berth get cluster'", o.Name, a.Region)
	}
	r.log.Successf("all cluster resources were deleted")
	return nil
}

// controlPlane deletes the profiles, one after another, and then the cluster.
func (r *deletion) controlPlane(ctx context.Context) error {
	out, err := r.aws.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &r.Name})
	if cli.NotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("unable to describe control plane %q: %w", r.Name, err)
	}
	r.any, r.ours = true, owned(*out.Cluster)
	m := profile.Maker{EKS: r.aws.EKS, Terminal: r.Terminal, Log: r.log, Cluster: r.Name}
	n, err := m.DeleteAll(ctx)
	if err != nil {
		return err
	}
	r.log.Infof("deleted %d Fargate profile(s)", n)
	if out.Cluster.Status != types.ClusterStatusDeleting {
		if _, err := r.aws.EKS.DeleteCluster(ctx, &eks.DeleteClusterInput{Name: &r.Name}); err != nil && !cli.NotFound(err) {
			return fmt.Errorf("deleting EKS cluster %q: %w", r.Name, err)
		}
	}
	return r.waitGone(ctx)
}

func (r *deletion) waitGone(ctx context.Context) error {
	err := r.Until(ctx, r.log, fmt.Sprintf("control plane %q to be deleted", r.Name), func(ctx context.Context) (bool, error) {
		out, err := r.aws.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &r.Name})
		switch {
		case cli.NotFound(err):
			return true, nil
		case err != nil:
			return false, fmt.Errorf("unable to describe control plane %q: %w", r.Name, err)
		case out.Cluster.Status == types.ClusterStatusFailed:
			return false, fmt.Errorf("EKS cluster %q is %s%s", r.Name, out.Cluster.Status, clusterIssue(out.Cluster))
		}
		return false, nil
	})
	if err == nil {
		r.log.Infof("deleted control plane %q", r.Name)
	}
	return err
}

func (r *deletion) dropRoles(ctx context.Context) error {
	identity, err := r.aws.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return fmt.Errorf("checking the AWS credentials: %w", err)
	}
	of := role.Cluster{Name: r.Name, Region: r.aws.Region, Partition: partition(aws.ToString(identity.Arn)), Account: aws.ToString(identity.Account)}
	roles := role.Roles{IAM: r.aws.IAM, Log: r.log}
	for _, x := range []role.Role{of.Fargate(), of.PodExecution(), of.Service()} {
		gone, err := roles.Delete(ctx, x)
		if err != nil {
			return err
		}
		r.any = r.any || gone
	}
	return nil
}

func (r *deletion) dropNetwork(ctx context.Context) error {
	if !r.ours {
		return nil
	}
	b := network.Builder{EC2: r.aws.EC2, Terminal: r.Terminal, Log: r.log}
	gone, err := b.Delete(ctx, r.Name)
	r.any = r.any || gone
	return err
}

func (r *deletion) dropKubeconfig(context.Context) error {
	if err := os.Remove(autoPath(r.Factory, r.Name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		r.log.Warnf("unable to remove kubeconfig: %v", err)
	}
	changed, err := kubeconfig.Remove(files(r.Factory, ""), r.Name, r.aws.Region)
	if err != nil {
		r.log.Warnf("unable to update kubeconfig: %v", err)
	}
	if changed {
		r.log.Successf("kubeconfig has been updated")
	}
	return nil
}
