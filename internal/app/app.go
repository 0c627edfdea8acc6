// Package app turns the arguments of berth into a command and runs it. It is
// what main and the tests call; it holds no logic of any command.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/utils/clock"

	"berth.dev/berth/internal/cli"
	"berth.dev/berth/internal/cli/cluster"
	"berth.dev/berth/internal/cli/local"
	"berth.dev/berth/internal/cli/profile"
	"berth.dev/berth/internal/demo"
	"berth.dev/berth/internal/server"
)

const (
	exitFailure = 1
	exitUsage   = 2
)

// App is berth with what a test replaces.
type App struct {
	// Server is the server that up, down and server manage.
	Server local.Server
	// Clock and Poll are the real clock and half a second if they are zero.
	Clock clock.Clock
	Poll  time.Duration
	// Random is crypto/rand if it is nil.
	Random io.Reader
	// Executable is this program if it is empty.
	Executable string
}

// Main runs berth with the server of package server; args begins with the name
// of the program, env holds KEY=VALUE. It returns the exit code.
func Main(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	return App{Server: local.Server{Run: server.Run, Purge: server.Purge}}.Main(ctx, args, env, stdin, stdout, stderr)
}

// Main runs a command and returns the exit code: 1 if it failed, 2 if the
// command line cannot be meant.
func (a App) Main(ctx context.Context, args, env []string, stdin io.Reader, stdout, stderr io.Writer) int {
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	t, err := a.terminal(env, stdin, stdout, stderr)
	if err != nil {
		fmt.Fprintf(stderr, "Error: %v\n", err)
		return exitFailure
	}
	root := Root(&cli.Factory{Terminal: t, Global: &cli.Global{}}, a.Server)
	root.SetArgs(args[1:])
	err = root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintf(stderr, "Error: %s\n", cli.Explain(err))
	var usage *cli.UsageError
	if errors.As(err, &usage) {
		return exitUsage
	}
	return exitFailure
}

func (a App) terminal(env []string, stdin io.Reader, stdout, stderr io.Writer) (*cli.Terminal, error) {
	if a.Clock == nil {
		a.Clock = clock.RealClock{}
	}
	if a.Poll == 0 {
		a.Poll = 500 * time.Millisecond
	}
	if a.Random == nil {
		a.Random = rand.Reader
	}
	if a.Executable == "" {
		path, err := os.Executable()
		if err != nil {
			return nil, fmt.Errorf("finding the path of this program: %w", err)
		}
		if a.Executable, err = filepath.EvalSymlinks(path); err != nil {
			return nil, fmt.Errorf("finding the path of this program: %w", err)
		}
	}
	return &cli.Terminal{
		In: stdin, Out: stdout, Err: stderr, Env: cli.Environ(env), Environ: env, Clock: a.Clock, Random: a.Random,
		Poll: a.Poll, Executable: a.Executable, Installation: installation,
	}, nil
}

func installation(dataDir string) (cli.Installation, error) {
	s, err := server.ReadState(dataDir)
	if err != nil {
		return cli.Installation{}, err
	}
	return cli.Installation{Endpoint: s.Endpoint, Region: s.Region, AccessKeyID: s.AccessKeyID, SecretAccessKey: s.SecretAccessKey}, nil
}

const long = `Berth is EKS with Fargate on your own machine: every pod gets its own berth.

Start it with 'berth up', point any AWS client to it with 'eval "$(berth env)"',
and create a cluster with 'berth create cluster --fargate --name demo'. The
commands create, get, delete and utils have eksctl's grammar.`

// Root is the command tree of berth.
func Root(f *cli.Factory, s local.Server) *cobra.Command {
	root := cli.Group("berth", "EKS with Fargate on your own machine",
		cli.Group("create", "Create a cluster or a Fargate profile", cluster.NewCreate(f), profile.NewCreate(f)),
		cli.Group("get", "Get clusters or Fargate profiles", cluster.NewGet(f), profile.NewGet(f)),
		cli.Group("delete", "Delete a cluster or a Fargate profile", cluster.NewDelete(f), profile.NewDelete(f)),
		cli.Group("utils", "Various utils", cluster.NewWriteKubeconfig(f)),
		cluster.NewToken(f),
		local.NewUp(f, s), local.NewDown(f, s), local.NewServer(f, s), local.NewEnv(f), local.NewStatus(f),
		local.NewDoctor(f), local.NewImage(f), newVersion(f), demo.NewCommand(f),
	)
	root.Long = long
	root.SilenceErrors, root.SilenceUsage = true, true
	root.SetIn(f.In)
	root.SetOut(f.Out)
	root.SetErr(f.Err)
	root.SetFlagErrorFunc(cli.FlagError)
	f.Global.Add(root)
	return root
}
