package profile

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/clusterconfig"
	"berth.dev/berth/internal/cli/kube"
	"berth.dev/berth/internal/cli/network"
	"berth.dev/berth/internal/cli/role"
)

// CreateOptions are those of create fargateprofile.
type CreateOptions struct {
	Options
	Namespace    string
	Labels, Tags map[string]string
}

// NewCreate makes the command create fargateprofile.
func NewCreate(f *cli.Factory) *cobra.Command {
	o := &CreateOptions{Options: Options{Factory: f}}
	c := &cobra.Command{
		Use: "fargateprofile", Short: "Create a Fargate profile",
		Long: "Create a Fargate profile and wait until it is ACTIVE.\n\nFlags make one profile with one selector; a file makes all profiles that it lists.",
		Example: `  berth create fargateprofile --cluster demo --namespace dev
  berth create fargateprofile --cluster demo --name fp-dev --namespace dev --labels env=dev,checks=passed
  berth create fargateprofile -f cluster.yaml`,
		Args: cli.NameArg("name", &o.Name),
	}
	o.flags(c)
	c.Flags().StringVar(&o.Namespace, "namespace", "", "Kubernetes namespace of the workloads to schedule on Fargate")
	c.Flags().StringToStringVarP(&o.Labels, "labels", "l", nil, `Kubernetes selector labels of the workloads to schedule on Fargate, e.g. "k1=v1,k2=v2"`)
	c.Flags().StringToStringVarP(&o.Tags, "tags", "t", nil, `tags of the Fargate profile, e.g. "k1=v1,k2=v2"`)
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		return o.load(c, "name", "namespace", "labels", "tags")
	}
	c.RunE = cli.Run(&o.Timeout, func(ctx context.Context) error { return create(ctx, o) })
	return c
}

// profiles are the profiles to make.
func (o *CreateOptions) profiles() ([]*clusterconfig.FargateProfile, error) {
	if o.config != nil {
		if len(o.config.FargateProfiles) == 0 {
			return nil, fmt.Errorf("%s lists no fargateProfiles", o.File)
		}
		return o.config.FargateProfiles, nil
	}
	if o.Namespace == "" {
		return nil, cli.Usagef("invalid Fargate profile: empty selector namespace: use --namespace")
	}
	if o.Name == "" {
		name, err := GenerateName(o.Random)
		if err != nil {
			return nil, err
		}
		o.Name = name
	}
	p := &clusterconfig.FargateProfile{
		Name: o.Name, Tags: o.Tags, Selectors: []clusterconfig.Selector{{Namespace: o.Namespace, Labels: o.Labels}},
	}
	if err := p.Validate(); err != nil {
		return nil, &cli.UsageError{Message: err.Error()}
	}
	return []*clusterconfig.FargateProfile{p}, nil
}

func create(ctx context.Context, o *CreateOptions) error {
	profiles, err := o.profiles()
	if err != nil {
		return err
	}
	a, err := o.AWS()
	if err != nil {
		return err
	}
	log := o.Log()
	cluster, err := o.describe(ctx, a)
	if err != nil {
		return err
	}
	execution, err := o.executionRole(ctx, a, cluster, profiles)
	if err != nil {
		return err
	}
	if err := o.maker(a, log).Create(ctx, profiles, execution); err != nil {
		return err
	}
	for _, p := range profiles {
		if !p.SelectsCoreDNS() {
			continue
		}
		client, err := kube.Client(a.Target, cluster, o.Clock.Now)
		if err != nil {
			return err
		}
		return kube.CoreDNSOnFargate(ctx, o.Terminal, log, client)
	}
	return nil
}

// executionRole is the role of profiles that name none: the file's, else the one
// that was made with the cluster, else one of its own that is made now.
func (o *CreateOptions) executionRole(ctx context.Context, a *cli.AWS, cluster types.Cluster, profiles []*clusterconfig.FargateProfile) (string, error) {
	needed := false
	for _, p := range profiles {
		needed = needed || p.PodExecutionRoleARN == ""
	}
	if !needed {
		return "", nil
	}
	if o.config != nil && o.config.IAM.FargatePodExecutionRoleARN != "" {
		return o.config.IAM.FargatePodExecutionRoleARN, nil
	}
	roles := role.Roles{IAM: a.IAM, Log: o.Log()}
	of := RoleCluster(cluster, a.Region)
	arn, err := roles.Find(ctx, of.PodExecution())
	if err != nil || arn != "" {
		return arn, err
	}
	return roles.Ensure(ctx, of.Fargate(), network.Tags(o.Cluster, nil))
}
