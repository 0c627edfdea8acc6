package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli/ec2client"
)

// DefaultDataDir is the data folder of a Berth about which nothing is said.
const DefaultDataDir = "/var/lib/berth"

// Global are the flags that every command has.
type Global struct {
	// DataDir is --data-dir, empty when it is not given.
	DataDir string
	// Region is --region, empty when it is not given.
	Region string
}

// Add adds the flags to the root command.
func (g *Global) Add(c *cobra.Command) {
	c.PersistentFlags().StringVar(&g.DataDir, "data-dir", "", "data folder of the Berth that is meant (default: BERTH_DATA_DIR, or "+DefaultDataDir+")")
	c.PersistentFlags().StringVarP(&g.Region, "region", "r", "", "AWS region (default: AWS_REGION, or the region of the Berth)")
}

// Factory makes what a command needs; each command gets the same one.
type Factory struct {
	*Terminal
	Global *Global
}

// DataDir is the folder that is meant: the flag's, else the environment's, else
// the default one.
func (f *Factory) DataDir() string {
	dir := firstOf(f.Global.DataDir, f.Env("BERTH_DATA_DIR"), DefaultDataDir)
	if abs, err := filepath.Abs(dir); err == nil {
		return abs
	}
	return dir
}

func firstOf(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// Target is where AWS calls go and who makes them.
type Target struct {
	Endpoint, Region string
	Credentials      aws.Credentials
	// DataDir is the folder from which the credentials are, empty when they are
	// the environment's own.
	DataDir string
}

// Target finds the endpoint, the region and the credentials. A --data-dir that
// is given goes before the environment (AWS_ENDPOINT_URL, AWS_REGION, AWS_*
// keys), which goes before the Berth of the default folder. AWS itself is
// never called: without an endpoint there is none.
func (f *Factory) Target() (Target, error) {
	here, err := f.Installation(f.DataDir())
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, fs.ErrPermission) {
		return Target{}, err
	}
	endpoint, key := f.Env("AWS_ENDPOINT_URL"), f.Env("AWS_ACCESS_KEY_ID")
	if f.Global.DataDir != "" {
		if err != nil {
			return Target{}, fmt.Errorf("reading the Berth in %s: %w: start it with 'berth up --data-dir %[1]s'", f.Global.DataDir, err)
		}
		endpoint, key = "", ""
	}
	t := Target{
		Endpoint: strings.TrimSuffix(firstOf(endpoint, here.Endpoint), "/"),
		Region:   firstOf(f.Global.Region, f.Env("AWS_REGION"), f.Env("AWS_DEFAULT_REGION"), here.Region),
	}
	if t.Endpoint == "" && errors.Is(err, fs.ErrPermission) {
		return t, fmt.Errorf(`the Berth in %s belongs to another user, and AWS_ENDPOINT_URL is not set: run: eval "$(sudo berth env)"`, f.DataDir())
	}
	if t.Endpoint == "" {
		return t, fmt.Errorf("no Berth runs in %s and AWS_ENDPOINT_URL is not set: start one with 'berth up'", f.DataDir())
	}
	if t.Region == "" {
		return t, errors.New("no region: set AWS_REGION or use --region")
	}
	t.Credentials = aws.Credentials{AccessKeyID: key, SecretAccessKey: f.Env("AWS_SECRET_ACCESS_KEY"), SessionToken: f.Env("AWS_SESSION_TOKEN")}
	if key == "" || key == here.AccessKeyID && t.Credentials.SecretAccessKey == here.SecretAccessKey {
		t.Credentials = aws.Credentials{AccessKeyID: here.AccessKeyID, SecretAccessKey: here.SecretAccessKey}
		t.DataDir = f.DataDir()
	}
	if t.Credentials.AccessKeyID == "" {
		return t, fmt.Errorf(`no credentials: AWS_ACCESS_KEY_ID is not set and %s/server.json cannot be read; run: eval "$(berth env)"`, f.DataDir())
	}
	return t, nil
}

// AWS are the clients of one account and region.
type AWS struct {
	Target
	EKS *eks.Client
	IAM *iam.Client
	STS *sts.Client
	EC2 *ec2client.Client
}

// AWS makes clients; it calls nothing.
func (f *Factory) AWS() (*AWS, error) {
	t, err := f.Target()
	if err != nil {
		return nil, err
	}
	c := aws.Config{
		Region: t.Region, BaseEndpoint: aws.String(t.Endpoint), HTTPClient: &http.Client{},
		Credentials: credentials.StaticCredentialsProvider{Value: t.Credentials},
	}
	return &AWS{
		Target: t, EKS: eks.NewFromConfig(c), IAM: iam.NewFromConfig(c), STS: sts.NewFromConfig(c),
		EC2: &ec2client.Client{Endpoint: t.Endpoint, Region: t.Region, Credentials: t.Credentials, HTTP: http.DefaultClient, Now: f.Clock.Now},
	}, nil
}
