package cluster

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/clusterconfig"
	"berth.dev/berth/internal/cli/kube"
	"berth.dev/berth/internal/cli/network"
	"berth.dev/berth/internal/cli/profile"
	"berth.dev/berth/internal/cli/role"
)

// CreateOptions are those of create cluster.
type CreateOptions struct {
	*cli.Factory
	Kubeconfig KubeconfigOptions
	File       string
	Timeout    time.Duration
	// Fargate adds the default profile; WithoutNodeGroup says that none is meant.
	Fargate, WithoutNodeGroup bool
	PrivateSubnets            []string
	PublicSubnets             []string
	// Config is the cluster that is asked for, from flags or from the file.
	Config *clusterconfig.Config
}

// incompatible are the flags that say what a file says.
var incompatible = []string{
	"name", "region", "version", "zones", "tags", "fargate", "without-nodegroup",
	"vpc-cidr", "vpc-nat-mode", "vpc-private-subnets", "vpc-public-subnets",
}

// NewCreate makes the command create cluster.
func NewCreate(f *cli.Factory) *cobra.Command {
	o := &CreateOptions{Factory: f, Config: &clusterconfig.Config{}}
	c := &cobra.Command{
		Use: "cluster", Short: "Create a cluster",
		Long: `Create an EKS cluster: a VPC with public and private subnets, the roles, the
control plane and its Fargate profiles. An interrupted run goes on when the
command is run again.`,
		Example: `  berth create cluster --fargate --name demo
  berth create cluster --fargate --name demo --version 1.35 --zones us-west-2a,us-west-2b
  berth create cluster -f cluster.yaml`,
		Args: cli.NameArg("name", &o.Config.Metadata.Name),
	}
	o.flags(c)
	c.PreRunE = func(c *cobra.Command, _ []string) error { return o.complete(c) }
	c.RunE = cli.Run(&o.Timeout, func(ctx context.Context) error { return create(ctx, o) })
	return c
}

func (o *CreateOptions) flags(c *cobra.Command) {
	fs, m := c.Flags(), &o.Config.Metadata
	fs.StringVarP(&m.Name, "name", "n", "", "EKS cluster name (generated if unspecified)")
	fs.StringVar(&m.Version, "version", "", "Kubernetes version (default: the newest that is offered)")
	fs.StringToStringVar(&m.Tags, "tags", nil, `tags of all AWS resources, e.g. "Owner=John Doe,Team=Some Team"`)
	fs.StringVarP(&o.File, "config-file", "f", "", "load configuration from a file (or stdin if set to '-')")
	fs.BoolVar(&o.Fargate, "fargate", false, "create a Fargate profile for the namespaces default and kube-system")
	fs.BoolVar(&o.WithoutNodeGroup, "without-nodegroup", false, "create the control plane alone")
	fs.StringSliceVar(&o.Config.AvailabilityZones, "zones", nil, "availability zones (default: three of the region)")
	fs.StringVar(&o.Config.VPC.CIDR, "vpc-cidr", "", "block of the VPC (default "+network.DefaultCIDR+")")
	fs.StringVar(&o.Config.VPC.NAT.Gateway, "vpc-nat-mode", clusterconfig.NATSingle, "NAT gateways: HighlyAvailable, Single or Disable")
	fs.StringSliceVar(&o.PrivateSubnets, "vpc-private-subnets", nil, "re-use private subnets of an existing VPC")
	fs.StringSliceVar(&o.PublicSubnets, "vpc-public-subnets", nil, "re-use public subnets of an existing VPC")
	fs.BoolVar(&o.Kubeconfig.Write, "write-kubeconfig", true, "write a kubeconfig")
	o.Kubeconfig.flags(c)
	cli.AddTimeoutFlag(c, &o.Timeout)
}

// complete turns flags or a file into the cluster that is asked for.
func (o *CreateOptions) complete(c *cobra.Command) error {
	if err := o.Kubeconfig.complete(c); err != nil {
		return err
	}
	if o.File != "" {
		if o.Config.Metadata.Name != "" && !c.Flag("name").Changed {
			return cli.Usagef("cannot use argument %s when --config-file/-f is set", o.Config.Metadata.Name)
		}
		config, err := cli.LoadConfig(o.Factory, c, o.File, incompatible...)
		if err != nil {
			return err
		}
		o.Config = config
		return nil
	}
	if o.Fargate {
		o.Config.FargateProfiles = []*clusterconfig.FargateProfile{clusterconfig.DefaultProfile()}
	} else if !o.WithoutNodeGroup {
		return cli.Usagef("node groups are not implemented by Berth yet: use --fargate, or --without-nodegroup for the control plane alone")
	}
	if o.Config.Metadata.Name == "" {
		name, err := generateName(o.Random, o.Clock.Now())
		if err != nil {
			return err
		}
		o.Config.Metadata.Name = name
	}
	o.Config.VPC.Subnets = clusterconfig.Subnets{Private: byIndex(o.PrivateSubnets), Public: byIndex(o.PublicSubnets)}
	if err := o.Config.Validate(); err != nil {
		return &cli.UsageError{Message: err.Error()}
	}
	return nil
}

func byIndex(ids []string) map[string]clusterconfig.Subnet {
	m := map[string]clusterconfig.Subnet{}
	for i, id := range ids {
		m[fmt.Sprintf("%03d", i)] = clusterconfig.Subnet{ID: id}
	}
	return m
}

// creation is one run of the command.
type creation struct {
	*CreateOptions
	aws      *cli.AWS
	log      *cli.Log
	name     string
	identity *sts.GetCallerIdentityOutput
	roles    role.Roles
	of       role.Cluster
	// service and execution are the ARNs of the roles.
	service, execution string
	cluster            *types.Cluster
}

func create(ctx context.Context, o *CreateOptions) error {
	r, err := o.begin(ctx)
	if err != nil {
		return err
	}
	if err := r.find(ctx); err != nil {
		return err
	}
	for _, step := range []func(context.Context) error{r.ensureRoles, r.ensureCluster, r.writeKubeconfig, r.ensureProfiles} {
		if err := step(ctx); err != nil {
			return fmt.Errorf("%w (to remove what has been made: berth delete cluster --region=%s --name=%s)", err, r.aws.Region, r.name)
		}
	}
	r.log.Successf("all EKS cluster resources for %q have been created", r.name)
	if path := r.Kubeconfig.Written; path != "" {
		r.log.Infof("kubectl command should work with %q, try 'kubectl get nodes'", path)
	}
	r.log.Successf("EKS cluster %q in %q region is ready", r.name, r.aws.Region)
	return nil
}

// begin checks what can be checked before anything is made.
func (o *CreateOptions) begin(ctx context.Context) (*creation, error) {
	a, err := o.AWS()
	if err != nil {
		return nil, err
	}
	r := &creation{CreateOptions: o, aws: a, log: o.Log(), name: o.Config.Metadata.Name}
	if r.identity, err = a.STS.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{}); err != nil {
		return nil, fmt.Errorf("checking the AWS credentials: %w", err)
	}
	r.roles = role.Roles{IAM: a.IAM, Log: r.log}
	r.of = role.Cluster{Name: r.name, Region: a.Region, Partition: partition(aws.ToString(r.identity.Arn)), Account: aws.ToString(r.identity.Account)}
	if err := r.chooseVersion(ctx); err != nil {
		return nil, err
	}
	r.log.Infof("using region %s", a.Region)
	r.log.Infof("using Kubernetes version %s", o.Config.Metadata.Version)
	with := ""
	if len(o.Config.FargateProfiles) > 0 {
		with = " with Fargate profile"
	}
	r.log.Infof("creating EKS cluster %q in %q region%s", r.name, a.Region, with)
	return r, nil
}

func partition(arn string) string {
	if parts := strings.Split(arn, ":"); len(parts) > 1 {
		return parts[1]
	}
	return "aws"
}

// chooseVersion checks the version that is asked for, or takes the default one.
func (r *creation) chooseVersion(ctx context.Context) error {
	out, err := r.aws.EKS.DescribeClusterVersions(ctx, &eks.DescribeClusterVersionsInput{})
	if err != nil {
		return fmt.Errorf("describing the Kubernetes versions: %w", err)
	}
	var offered []string
	want := r.Config.Metadata.Version
	for _, v := range out.ClusterVersions {
		version := aws.ToString(v.ClusterVersion)
		offered = append(offered, version)
		if version == want || want == "" && v.DefaultVersion {
			r.Config.Metadata.Version = version
			return nil
		}
	}
	return fmt.Errorf("invalid version %q, supported values: %s", want, strings.Join(offered, ", "))
}

// find looks for the cluster of an earlier run.
func (r *creation) find(ctx context.Context) error {
	out, err := r.aws.EKS.DescribeCluster(ctx, &eks.DescribeClusterInput{Name: &r.name})
	if cli.NotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("unable to describe control plane %q: %w", r.name, err)
	}
	if !owned(*out.Cluster) {
		return fmt.Errorf("EKS cluster %q exists already and was not made by this command: choose another name", r.name)
	}
	r.cluster = out.Cluster
	r.log.Infof("EKS cluster %q exists already (%s): going on with it", r.name, out.Cluster.Status)
	return nil
}

// owned says whether this command, or eksctl, made a cluster.
func owned(c types.Cluster) bool { return c.Tags[network.ClusterTag] == aws.ToString(c.Name) }

// ensureRoles makes the roles that the configuration does not name.
func (r *creation) ensureRoles(ctx context.Context) error {
	tags := network.Tags(r.name, r.Config.Metadata.Tags)
	var err error
	if r.service = r.Config.IAM.ServiceRoleARN; r.service == "" {
		if r.service, err = r.roles.Ensure(ctx, r.of.Service(), tags); err != nil {
			return err
		}
	}
	if r.execution = r.Config.IAM.FargatePodExecutionRoleARN; r.execution == "" && len(r.Config.FargateProfiles) > 0 {
		r.execution, err = r.roles.Ensure(ctx, r.of.PodExecution(), tags)
	}
	return err
}

// ensureProfiles makes the Fargate profiles, and puts CoreDNS onto Fargate if
// one of them takes it.
func (r *creation) ensureProfiles(ctx context.Context) error {
	client, err := kube.Client(r.aws.Target, *r.cluster, r.Clock.Now)
	if err != nil {
		return err
	}
	if err := kube.WaitReady(ctx, r.Terminal, r.log, client); err != nil {
		return err
	}
	m := profile.Maker{EKS: r.aws.EKS, Terminal: r.Terminal, Log: r.log, Cluster: r.name}
	if err := m.Create(ctx, r.Config.FargateProfiles, r.execution); err != nil {
		return err
	}
	for _, p := range r.Config.FargateProfiles {
		if p.SelectsCoreDNS() {
			return kube.CoreDNSOnFargate(ctx, r.Terminal, r.log, client)
		}
	}
	return nil
}
