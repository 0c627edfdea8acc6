package cluster

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"berth.dev/berth/internal/cli"
)

const execVersion = "client.authentication.k8s.io/v1beta1"

// TokenOptions are those of token.
type TokenOptions struct {
	*cli.Factory
	Cluster string
}

// NewToken makes the command token.
func NewToken(f *cli.Factory) *cobra.Command {
	o := &TokenOptions{Factory: f}
	c := &cobra.Command{
		Use: "token", Short: "Print a token for a cluster's Kubernetes API",
		Long: `Print an ExecCredential with a token for a cluster's Kubernetes API, as
'aws eks get-token' does. kubectl runs this by itself. No call is made.`,
		Example: "  berth token --cluster-name demo",
		Args:    cli.NoArgs,
		PreRunE: func(*cobra.Command, []string) error {
			if o.Cluster == "" {
				return cli.Usagef("--cluster-name must be set")
			}
			return nil
		},
		RunE: func(c *cobra.Command, _ []string) error { return token(c.Context(), o) },
	}
	c.Flags().StringVar(&o.Cluster, "cluster-name", "", "EKS cluster name")
	c.Flags().StringVarP(&o.Cluster, "cluster-id", "i", "", "the same as --cluster-name")
	return c
}

// execCredential is what kubectl reads.
type execCredential struct {
	Kind       string   `json:"kind"`
	APIVersion string   `json:"apiVersion"`
	Spec       struct{} `json:"spec"`
	Status     struct {
		Expiration string `json:"expirationTimestamp"`
		Token      string `json:"token"`
	} `json:"status"`
}

func token(ctx context.Context, o *TokenOptions) error {
	target, err := o.Target()
	if err != nil {
		return err
	}
	t, err := cli.NewToken(ctx, target, o.Cluster, o.Clock.Now())
	if err != nil {
		return err
	}
	out := execCredential{Kind: "ExecCredential", APIVersion: wanted(o.Env("KUBERNETES_EXEC_INFO"))}
	out.Status.Expiration, out.Status.Token = t.Expires.Format(time.RFC3339), t.Value
	b, err := json.Marshal(out)
	if err != nil {
		return fmt.Errorf("encoding the token: %w", err)
	}
	_, err = fmt.Fprintln(o.Out, string(b))
	return err
}

// wanted is the version of ExecCredential that kubectl asks for.
func wanted(info string) string {
	var asked struct{ APIVersion string }
	if err := json.Unmarshal([]byte(info), &asked); err == nil && asked.APIVersion == "client.authentication.k8s.io/v1" {
		return asked.APIVersion
	}
	return execVersion
}
