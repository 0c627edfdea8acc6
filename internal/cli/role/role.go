// Package role makes and removes the IAM roles of a cluster, with the names,
// policies and trust that eksctl's templates give them. The end of a name is
// made of the cluster's name and region, so that every run finds the same role.
// The cluster and fargateprofile commands import it.
package role

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"berth.dev/berth/internal/cli"
)

// maxName is IAM's limit of a role name.
const maxName = 64

// Cluster is whose roles are meant.
type Cluster struct{ Name, Region, Partition, Account string }

// Role is a role to make.
type Role struct {
	Name     string
	policies []string
	trust    document
}

type document struct {
	Version   string
	Statement []statement
}

type statement struct {
	Effect    string
	Principal map[string][]string
	Action    []string
	Condition map[string]map[string]string `json:",omitempty"`
}

// name is {stack}-{resource}-{12 letters}, with the stack cut to fit.
func (c Cluster) name(stack, resource string) string {
	sum := sha256.Sum256([]byte(c.Region + "/" + c.Name + "/" + stack + "/" + resource))
	end := "-" + resource + "-" + base32.StdEncoding.EncodeToString(sum[:])[:12]
	return stack[:min(len(stack), maxName-len(end))] + end
}

// Service is the role that EKS assumes.
func (c Cluster) Service() Role {
	return Role{
		Name:     c.name("eksctl-"+c.Name+"-cluster", "ServiceRole"),
		policies: []string{c.policy("AmazonEKSClusterPolicy"), c.policy("AmazonEKSVPCResourceController")},
		trust:    trust("eks.amazonaws.com", []string{"sts:AssumeRole", "sts:TagSession"}, nil),
	}
}

// PodExecution is the role of Fargate pods, made with the cluster.
func (c Cluster) PodExecution() Role { return c.podExecution("eksctl-" + c.Name + "-cluster") }

// Fargate is the same role for a cluster that was made without one.
func (c Cluster) Fargate() Role { return c.podExecution("eksctl-" + c.Name + "-fargate") }

func (c Cluster) podExecution(stack string) Role {
	source := fmt.Sprintf("arn:%s:eks:%s:%s:fargateprofile/%s/*", c.Partition, c.Region, c.Account, c.Name)
	return Role{
		Name:     c.name(stack, "FargatePodExecutionRole"),
		policies: []string{c.policy("AmazonEKSFargatePodExecutionRolePolicy")},
		trust:    trust("eks-fargate-pods.amazonaws.com", []string{"sts:AssumeRole"}, map[string]map[string]string{"ArnLike": {"aws:SourceArn": source}}),
	}
}

func (c Cluster) policy(name string) string {
	return fmt.Sprintf("arn:%s:iam::aws:policy/%s", c.Partition, name)
}

func trust(service string, actions []string, condition map[string]map[string]string) document {
	return document{Version: "2012-10-17", Statement: []statement{{
		Effect: "Allow", Principal: map[string][]string{"Service": {service}}, Action: actions, Condition: condition,
	}}}
}

// Roles makes and removes roles.
type Roles struct {
	IAM *iam.Client
	Log *cli.Log
}

// Find is the ARN of a role, empty if there is none.
func (r Roles) Find(ctx context.Context, role Role) (string, error) {
	out, err := r.IAM.GetRole(ctx, &iam.GetRoleInput{RoleName: &role.Name})
	if cli.NotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("looking for role %q: %w", role.Name, err)
	}
	return aws.ToString(out.Role.Arn), nil
}

// Ensure makes a role with its policies if it is missing, and returns its ARN.
func (r Roles) Ensure(ctx context.Context, role Role, tags map[string]string) (string, error) {
	arn, err := r.Find(ctx, role)
	if err != nil {
		return "", err
	}
	if arn == "" {
		if arn, err = r.create(ctx, role, tags); err != nil {
			return "", err
		}
	}
	for _, p := range role.policies {
		if _, err := r.IAM.AttachRolePolicy(ctx, &iam.AttachRolePolicyInput{RoleName: &role.Name, PolicyArn: &p}); err != nil {
			return "", fmt.Errorf("attaching %s to role %q: %w", p, role.Name, err)
		}
	}
	return arn, nil
}

func (r Roles) create(ctx context.Context, role Role, tags map[string]string) (string, error) {
	trust, err := json.Marshal(role.trust)
	if err != nil {
		return "", fmt.Errorf("encoding the trust policy of role %q: %w", role.Name, err)
	}
	in := &iam.CreateRoleInput{RoleName: &role.Name, AssumeRolePolicyDocument: aws.String(string(trust))}
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		in.Tags = append(in.Tags, types.Tag{Key: aws.String(k), Value: aws.String(tags[k])})
	}
	out, err := r.IAM.CreateRole(ctx, in)
	if err != nil {
		return "", fmt.Errorf("creating role %q: %w", role.Name, err)
	}
	r.Log.Infof("created IAM role %q", role.Name)
	return aws.ToString(out.Role.Arn), nil
}

// Delete removes a role and says whether there was one.
func (r Roles) Delete(ctx context.Context, role Role) (bool, error) {
	for _, p := range role.policies {
		_, err := r.IAM.DetachRolePolicy(ctx, &iam.DetachRolePolicyInput{RoleName: &role.Name, PolicyArn: &p})
		if err != nil && !cli.NotFound(err) {
			return false, fmt.Errorf("detaching %s from role %q: %w", p, role.Name, err)
		}
	}
	_, err := r.IAM.DeleteRole(ctx, &iam.DeleteRoleInput{RoleName: &role.Name})
	if cli.NotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("deleting role %q: %w", role.Name, err)
	}
	r.Log.Infof("deleted IAM role %q", role.Name)
	return true, nil
}
