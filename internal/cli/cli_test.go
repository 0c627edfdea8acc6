package cli

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/smithy-go"
	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
	"k8s.io/utils/clock"
	clocktesting "k8s.io/utils/clock/testing"
)

var now = time.Date(2023, 6, 17, 14, 33, 44, 0, time.UTC)

func TestLogLines(t *testing.T) {
	var out, errs bytes.Buffer
	term := &Terminal{Out: &out, Err: &errs, Clock: clocktesting.NewFakeClock(now)}
	log := term.Log()
	log.Infof("creating %q", "a")
	log.Successf("done")
	log.Warnf("careful")
	term.LogFor(OutputJSON).Infof("aside")
	want := "2023-06-17 14:33:44 [ℹ]  creating \"a\"\n2023-06-17 14:33:44 [✔]  done\n2023-06-17 14:33:44 [!]  careful\n"
	if diff := cmp.Diff(want, out.String()); diff != "" {
		t.Errorf("stdout (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff("2023-06-17 14:33:44 [ℹ]  aside\n", errs.String()); diff != "" {
		t.Errorf("stderr (-want +got):\n%s", diff)
	}
}

func TestTable(t *testing.T) {
	table := Table[[]string]{Kind: "things", Columns: []Column[[]string]{
		{"NAME", func(r []string) string { return r[0] }},
		{"LABELS", func(r []string) string { return r[1] }},
		{"STATUS", func(r []string) string { return r[2] }},
	}}
	tests := []struct {
		name string
		rows [][]string
		want string
	}{
		{"none", nil, "No things found\n"},
		{"sorted, at tab stops", [][]string{{"fp-test", "a=b,c=d", "ACTIVE"}, {"fp", "<none>", "DELETING"}}, "NAME\tLABELS\tSTATUS\nfp\t<none>\tDELETING\nfp-test\ta=b,c=d\tACTIVE\n"},
		{"as wide as a stop", [][]string{{"12345678", "x", "y"}}, "NAME\t\tLABELS\tSTATUS\n12345678\tx\ty\n"},
		{"with a tab in a cell", [][]string{{"a\tb", "x", "y"}}, "NAME\tLABELS\tSTATUS\na b\tx\ty\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			if err := table.Write(&out, tt.rows); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, out.String()); diff != "" {
				t.Errorf("table (-want +got):\n%s", diff)
			}
		})
	}
}

func TestUntil(t *testing.T) {
	tests := []struct {
		name    string
		after   time.Duration
		timeout time.Duration
		want    string
		lines   int
	}{
		{"soon", time.Second, time.Minute, "", 0},
		{"late", 40 * time.Second, time.Minute, "", 2},
		{"too late", time.Hour, time.Minute, `timed out after 1m0s while waiting for "x" to end: run the command again to go on, or give it more time with --timeout`, 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var out bytes.Buffer
				term := &Terminal{Out: &out, Clock: clock.RealClock{}, Poll: 500 * time.Millisecond}
				ctx, cancel := context.WithTimeout(t.Context(), tt.timeout)
				defer cancel()
				started := time.Now()
				err := term.Until(ctx, term.Log(), `"x" to end`, func(context.Context) (bool, error) {
					return time.Since(started) >= tt.after, nil
				})
				got := ""
				if err != nil {
					got = err.Error()
				}
				if diff := cmp.Diff(tt.want, got); diff != "" {
					t.Errorf("error (-want +got):\n%s", diff)
				}
				if n := strings.Count(out.String(), "\n"); n != tt.lines {
					t.Errorf("%d lines of progress, want %d:\n%s", n, tt.lines, out.String())
				}
			})
		})
	}
}

func TestUntilStopsAtAnError(t *testing.T) {
	term := &Terminal{Out: &bytes.Buffer{}, Clock: clock.RealClock{}, Poll: time.Millisecond}
	want := errors.New("broken")
	if err := term.Until(t.Context(), term.Log(), "x", func(context.Context) (bool, error) { return false, want }); err != want {
		t.Errorf("error = %v, want %v", err, want)
	}
}

func TestTarget(t *testing.T) {
	here := Installation{Endpoint: "http://127.0.0.1:4566", Region: "us-east-1", AccessKeyID: "test", SecretAccessKey: "test"}
	own := aws.Credentials{AccessKeyID: "AKIA", SecretAccessKey: "s"}
	root := aws.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	tests := []struct {
		name   string
		global Global
		env    []string
		here   Installation
		err    error
		want   Target
		refuse string
	}{
		{name: "the Berth of this machine", here: here, want: Target{here.Endpoint, "us-east-1", root, "/var/lib/berth"}},
		{name: "the environment", env: []string{"AWS_ENDPOINT_URL=http://h:1/", "AWS_REGION=eu-west-1", "AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_ACCESS_KEY=s"}, err: fs.ErrNotExist, want: Target{"http://h:1", "eu-west-1", own, ""}},
		{name: "the environment that berth env prints", env: []string{"AWS_ENDPOINT_URL=http://127.0.0.1:4566", "AWS_ACCESS_KEY_ID=test", "AWS_SECRET_ACCESS_KEY=test"}, here: here, want: Target{here.Endpoint, "us-east-1", root, "/var/lib/berth"}},
		{name: "a key of one's own", env: []string{"AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_ACCESS_KEY=s"}, here: here, want: Target{here.Endpoint, "us-east-1", own, ""}},
		{name: "a folder that is named goes first", global: Global{DataDir: "/d"}, env: []string{"AWS_ENDPOINT_URL=http://h:1", "AWS_ACCESS_KEY_ID=AKIA", "AWS_SECRET_ACCESS_KEY=s"}, here: here, want: Target{here.Endpoint, "us-east-1", root, "/d"}},
		{name: "a region that is named", global: Global{Region: "ap-northeast-1"}, here: here, want: Target{here.Endpoint, "ap-northeast-1", root, "/var/lib/berth"}},
		{name: "nothing", err: fs.ErrNotExist, refuse: "no Berth runs in /var/lib/berth and AWS_ENDPOINT_URL is not set: start one with 'berth up'"},
		{name: "another user's", err: fs.ErrPermission, refuse: `the Berth in /var/lib/berth belongs to another user, and AWS_ENDPOINT_URL is not set: run: eval "$(sudo berth env)"`},
		{name: "keys without an endpoint never reach AWS", env: []string{"AWS_ACCESS_KEY_ID=AKIA", "AWS_REGION=us-east-1"}, err: fs.ErrNotExist, refuse: "no Berth runs in /var/lib/berth and AWS_ENDPOINT_URL is not set: start one with 'berth up'"},
		{name: "no region", env: []string{"AWS_ENDPOINT_URL=http://h:1"}, err: fs.ErrNotExist, refuse: "no region: set AWS_REGION or use --region"},
		{name: "no key", env: []string{"AWS_ENDPOINT_URL=http://h:1", "AWS_REGION=us-east-1"}, err: fs.ErrPermission, refuse: `no credentials: AWS_ACCESS_KEY_ID is not set and /var/lib/berth/server.json cannot be read; run: eval "$(berth env)"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := &Factory{Global: &tt.global, Terminal: &Terminal{
				Env: Environ(tt.env), Installation: func(string) (Installation, error) { return tt.here, tt.err },
			}}
			got, err := f.Target()
			if tt.refuse != "" {
				if err == nil || err.Error() != tt.refuse {
					t.Errorf("error = %v, want %s", err, tt.refuse)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("target (-want +got):\n%s", diff)
			}
		})
	}
}

func TestToken(t *testing.T) {
	got, err := NewToken(t.Context(), Target{Region: "eu-west-1", Credentials: aws.Credentials{AccessKeyID: "a", SecretAccessKey: "b", SessionToken: "c"}}, "demo", now)
	if err != nil {
		t.Fatal(err)
	}
	if want := now.Add(14 * time.Minute); !got.Expires.Equal(want) {
		t.Errorf("expires at %s, want %s", got.Expires, want)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(got.Value, "k8s-aws-v1."))
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	if u.Host != "sts.eu-west-1.amazonaws.com" || u.Path != "/" {
		t.Errorf("URL = %s", u)
	}
	q := u.Query()
	q.Del("X-Amz-Signature")
	want := url.Values{
		"Action": {"GetCallerIdentity"}, "Version": {"2011-06-15"}, "X-Amz-Algorithm": {"AWS4-HMAC-SHA256"},
		"X-Amz-Credential": {"a/20230617/eu-west-1/sts/aws4_request"}, "X-Amz-Date": {"20230617T143344Z"}, "X-Amz-Expires": {"60"},
		"X-Amz-Security-Token": {"c"}, "X-Amz-SignedHeaders": {"host;x-k8s-aws-id"},
	}
	if diff := cmp.Diff(want, q); diff != "" {
		t.Errorf("parameters (-want +got):\n%s", diff)
	}
}

func TestExplain(t *testing.T) {
	op := func(err error) error {
		return fmt.Errorf("doing: %w", &smithy.OperationError{ServiceID: "EKS", OperationName: "X", Err: fmt.Errorf("https response error StatusCode: 400, RequestID: 1, %w", err)})
	}
	tests := []struct {
		name string
		err  error
		want string
	}{
		{"an AWS error", op(&smithy.GenericAPIError{Code: "LimitExceeded", Message: "too\nmany"}), "doing: LimitExceeded: too many"},
		{"an unknown key", op(&smithy.GenericAPIError{Code: "UnrecognizedClientException", Message: "The security token is invalid."}), `doing: UnrecognizedClientException: The security token is invalid: this Berth does not know the key that was used; take its own with: eval "$(berth env)"`},
		{"another region", op(&smithy.GenericAPIError{Code: "InvalidSignatureException", Message: "Credential should be scoped to a valid region, not 'x'"}), "doing: InvalidSignatureException: Credential should be scoped to a valid region, not 'x': this Berth serves another region, the one that 'berth env' prints; leave out --region and unset AWS_REGION, or start a second Berth with 'berth up --region … --data-dir … --listen …'"},
		{"nobody listens", op(&net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}), "doing: dial tcp: connection refused: nothing listens there; start Berth with 'berth up', or point AWS_ENDPOINT_URL to one that runs"},
		{"two lines", errors.New("a\n b"), "a b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, Explain(tt.err)); diff != "" {
				t.Errorf("text (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFlagError(t *testing.T) {
	c := &cobra.Command{Use: "x"}
	c.Flags().String("cluster", "", "")
	for in, want := range map[string]string{
		"unknown flag: --clutser": "unknown flag: --clutser: did you mean --cluster?",
		"unknown flag: --nothing": "unknown flag: --nothing: see 'x --help'",
		"bad value":               "bad value: see 'x --help'",
	} {
		if got := FlagError(c, errors.New(in)).Error(); got != want {
			t.Errorf("FlagError(%s) = %s, want %s", in, got, want)
		}
	}
}
