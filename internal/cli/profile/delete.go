package profile

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/role"
)

// DeleteOptions are those of delete fargateprofile.
type DeleteOptions struct {
	Options
	Wait bool
}

// NewDelete makes the command delete fargateprofile.
func NewDelete(f *cli.Factory) *cobra.Command {
	o := &DeleteOptions{Options: Options{Factory: f}}
	c := &cobra.Command{
		Use: "fargateprofile", Short: "Delete a Fargate profile",
		Long:    "Delete a Fargate profile. The pods that run because of it are deleted with it.",
		Example: "  berth delete fargateprofile --cluster demo --name fp-dev --wait",
		Args:    cli.NameArg("name", &o.Name),
	}
	o.flags(c)
	c.Flags().BoolVarP(&o.Wait, "wait", "w", false, "wait until the Fargate profile is deleted, which may take from a couple of seconds to a couple of minutes")
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if err := o.load(c); err != nil {
			return err
		}
		if o.Name == "" {
			return cli.Usagef("invalid Fargate profile: empty name: use --name")
		}
		return nil
	}
	c.RunE = cli.Run(&o.Timeout, func(ctx context.Context) error { return remove(ctx, o) })
	return c
}

func remove(ctx context.Context, o *DeleteOptions) error {
	a, err := o.AWS()
	if err != nil {
		return err
	}
	log := o.Log()
	cluster, err := o.describe(ctx, a)
	if err != nil {
		return err
	}
	m := o.maker(a, log)
	if o.Wait {
		log.Infof("deleting Fargate profile %q on EKS cluster %q", o.Name, o.Cluster)
	}
	if err := m.Delete(ctx, o.Name, o.Wait); err != nil {
		return err
	}
	if o.Wait {
		log.Infof("deleted Fargate profile %q on EKS cluster %q", o.Name, o.Cluster)
	} else {
		log.Infof("deleting Fargate profile %q on EKS cluster %q: it goes on after this command ends; use --wait to wait for it", o.Name, o.Cluster)
	}
	return o.dropRole(ctx, a, m, RoleCluster(cluster, a.Region))
}

// dropRole removes the role that was made for profiles alone when the last of
// them has gone; a profile that still is being deleted keeps it.
func (o *DeleteOptions) dropRole(ctx context.Context, a *cli.AWS, m Maker, of role.Cluster) error {
	names, err := m.Names(ctx)
	if err != nil {
		return err
	}
	left := slices.DeleteFunc(names, func(n string) bool { return o.Wait && n == o.Name })
	if len(left) > 0 {
		return nil
	}
	_, err = role.Roles{IAM: a.IAM, Log: m.Log}.Delete(ctx, of.Fargate())
	return err
}
