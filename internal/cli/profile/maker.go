package profile

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/clusterconfig"
)

// Maker makes and removes the profiles of a cluster.
type Maker struct {
	EKS      *eks.Client
	Terminal *cli.Terminal
	Log      *cli.Log
	Cluster  string
}

// GenerateName makes a name such as fp-9bfc77ad.
func GenerateName(random io.Reader) (string, error) {
	var b [4]byte
	if _, err := io.ReadFull(random, b[:]); err != nil {
		return "", fmt.Errorf("generating the name of a Fargate profile: %w", err)
	}
	return "fp-" + hex.EncodeToString(b[:]), nil
}

// Names lists the profiles of the cluster.
func (m Maker) Names(ctx context.Context) ([]string, error) {
	var names []string
	pages := eks.NewListFargateProfilesPaginator(m.EKS, &eks.ListFargateProfilesInput{ClusterName: &m.Cluster})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, fmt.Errorf("listing the Fargate profiles of EKS cluster %q: %w", m.Cluster, err)
		}
		names = append(names, page.FargateProfileNames...)
	}
	return names, nil
}

// Create makes the profiles one after another, since a cluster makes one at a
// time, and waits until each is ACTIVE. One that exists already is left as it
// is. role is for those that name none.
func (m Maker) Create(ctx context.Context, profiles []*clusterconfig.FargateProfile, role string) error {
	existing, err := m.Names(ctx)
	if err != nil {
		return err
	}
	for _, p := range profiles {
		if slices.Contains(existing, p.Name) {
			m.Log.Infof("Fargate profile %q already exists on EKS cluster %q", p.Name, m.Cluster)
		} else {
			m.Log.Infof("creating Fargate profile %q on EKS cluster %q", p.Name, m.Cluster)
			if err := m.create(ctx, p, role); err != nil {
				return err
			}
		}
		if err := m.waitActive(ctx, p.Name); err != nil {
			return err
		}
		if !slices.Contains(existing, p.Name) {
			m.Log.Infof("created Fargate profile %q on EKS cluster %q", p.Name, m.Cluster)
		}
	}
	return nil
}

func (m Maker) create(ctx context.Context, p *clusterconfig.FargateProfile, role string) error {
	if p.PodExecutionRoleARN != "" {
		role = p.PodExecutionRoleARN
	}
	in := &eks.CreateFargateProfileInput{
		ClusterName: &m.Cluster, FargateProfileName: &p.Name, PodExecutionRoleArn: &role, Subnets: p.Subnets, Tags: p.Tags,
	}
	for _, s := range p.Selectors {
		in.Selectors = append(in.Selectors, types.FargateProfileSelector{Namespace: aws.String(s.Namespace), Labels: s.Labels})
	}
	if _, err := m.EKS.CreateFargateProfile(ctx, in); err != nil {
		return fmt.Errorf("creating Fargate profile %q on EKS cluster %q: %w", p.Name, m.Cluster, err)
	}
	return nil
}

func (m Maker) waitActive(ctx context.Context, name string) error {
	return m.Terminal.Until(ctx, m.Log, fmt.Sprintf("Fargate profile %q to become ACTIVE", name), func(ctx context.Context) (bool, error) {
		p, err := m.describe(ctx, name)
		if err != nil {
			return false, err
		}
		switch p.Status {
		case types.FargateProfileStatusActive:
			return true, nil
		case types.FargateProfileStatusCreating:
			return false, nil
		default:
			return false, fmt.Errorf("Fargate profile %q is %s%s: delete it with 'berth delete fargateprofile --cluster %s --name %[1]s'", name, p.Status, issues(p), m.Cluster)
		}
	})
}

func issues(p types.FargateProfile) string {
	if p.Health == nil || len(p.Health.Issues) == 0 {
		return ""
	}
	i := p.Health.Issues[0]
	return fmt.Sprintf(" (%s: %s)", i.Code, aws.ToString(i.Message))
}

func (m Maker) describe(ctx context.Context, name string) (types.FargateProfile, error) {
	out, err := m.EKS.DescribeFargateProfile(ctx, &eks.DescribeFargateProfileInput{ClusterName: &m.Cluster, FargateProfileName: &name})
	if err != nil {
		return types.FargateProfile{}, fmt.Errorf("describing Fargate profile %q: %w", name, err)
	}
	return *out.FargateProfile, nil
}

// Delete asks for the end of a profile and, if told to, waits for it.
func (m Maker) Delete(ctx context.Context, name string, wait bool) error {
	if _, err := m.EKS.DeleteFargateProfile(ctx, &eks.DeleteFargateProfileInput{ClusterName: &m.Cluster, FargateProfileName: &name}); err != nil {
		return fmt.Errorf("deleting Fargate profile %q: %w", name, err)
	}
	if !wait {
		return nil
	}
	return m.waitGone(ctx, name)
}

func (m Maker) waitGone(ctx context.Context, name string) error {
	return m.Terminal.Until(ctx, m.Log, fmt.Sprintf("Fargate profile %q to be deleted", name), func(ctx context.Context) (bool, error) {
		p, err := m.describe(ctx, name)
		switch {
		case cli.NotFound(err):
			return true, nil
		case err != nil:
			return false, err
		case p.Status == types.FargateProfileStatusDeleteFailed:
			return false, fmt.Errorf("Fargate profile %q is %s%s", name, p.Status, issues(p))
		}
		return false, nil
	})
}

// DeleteAll removes every profile, one after another, and returns how many.
func (m Maker) DeleteAll(ctx context.Context) (int, error) {
	names, err := m.Names(ctx)
	if err != nil {
		return 0, err
	}
	for _, name := range names {
		m.Log.Infof("deleting Fargate profile %q", name)
		p, err := m.describe(ctx, name)
		if err == nil && p.Status == types.FargateProfileStatusDeleting {
			err = m.waitGone(ctx, name)
		} else if err == nil {
			err = m.Delete(ctx, name, true)
		}
		if err != nil && !cli.NotFound(err) {
			return 0, err
		}
		m.Log.Infof("deleted Fargate profile %q", name)
	}
	return len(names), nil
}
