package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	cliflag "k8s.io/component-base/cli/flag"
	logsapi "k8s.io/component-base/logs/api/v1"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	controlleroptions "k8s.io/kubernetes/cmd/kube-controller-manager/app/options"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	scheduleroptions "k8s.io/kubernetes/cmd/kube-scheduler/app/options"

	utilfeature "k8s.io/apiserver/pkg/util/feature"
)

// runControllers runs kube-controller-manager and kube-scheduler in this
// process. The upstream commands are not used whole, because each of them wants
// to be the one that handles the process's signals and logging.
//
// Feature gates, the emulated version and logging are the process's: the
// controller manager's flags decide them, and the scheduler's must not differ.
func runControllers(args []string) error {
	managerArgs, schedulerArgs := splitArgs(args)
	managerOptions, err := controlleroptions.NewKubeControllerManagerOptions()
	if err != nil {
		return fmt.Errorf("preparing kube-controller-manager: %w", err)
	}
	known, disabled, aliases := controllermanager.KnownControllers(), controllermanager.ControllersDisabledByDefault(), controllermanager.ControllerAliases()
	managerFlags := managerOptions.Flags(known, disabled, aliases)
	managerOptions.ParsedFlags = &managerFlags
	if err := parse("kube-controller-manager", managerFlags, managerArgs); err != nil {
		return err
	}
	schedulerOptions := scheduleroptions.NewOptions()
	if err := parse("kube-scheduler", *schedulerOptions.Flags, schedulerArgs); err != nil {
		return err
	}
	rest.SetDefaultWarningHandler(rest.NoWarnings{})
	if err := managerOptions.ComponentGlobalsRegistry.Set(); err != nil {
		return fmt.Errorf("setting feature gates: %w", err)
	}
	if err := logsapi.ValidateAndApply(managerOptions.Logs, utilfeature.DefaultFeatureGate); err != nil {
		return fmt.Errorf("setting up logging: %w", err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()

	config, err := managerOptions.Config(ctx, known, disabled, aliases)
	if err != nil {
		return fmt.Errorf("configuring kube-controller-manager: %w", err)
	}
	schedulerConfig, sched, err := scheduler.Setup(ctx, schedulerOptions)
	if err != nil {
		return fmt.Errorf("configuring kube-scheduler: %w", err)
	}
	awaitAPIServer(ctx, config.Client)
	ended := make(chan error, 2)
	go func() {
		err := controllermanager.Run(ctx, config.Complete())
		ended <- named("kube-controller-manager", err)
	}()
	go func() {
		ended <- named("kube-scheduler", scheduler.Run(ctx, schedulerConfig, sched))
	}()
	// Neither serves without the other: the first to end ends the process. After
	// a signal nothing is waited for, as upstream's controller manager does not.
	select {
	case err := <-ended:
		return stopped(ctx, err)
	case <-ctx.Done():
		return nil
	}
}

// awaitAPIServer returns once the API server is healthy, or ctx ends. Upstream
// looks once a second, which a new cluster would wait for.
func awaitAPIServer(ctx context.Context, client kubernetes.Interface) {
	_ = wait.PollUntilContextCancel(ctx, 25*time.Millisecond, true, func(ctx context.Context) (bool, error) {
		return client.Discovery().RESTClient().Get().AbsPath("/healthz").Do(ctx).Error() == nil, nil
	})
}

func named(component string, err error) error {
	if err == nil {
		return errors.New(component + " ended")
	}
	return fmt.Errorf("running %s: %w", component, err)
}

func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// splitArgs divides args at the first "--".
func splitArgs(args []string) (before, after []string) {
	if i := slices.Index(args, "--"); i >= 0 {
		return args[:i], args[i+1:]
	}
	return args, nil
}

func parse(component string, sets cliflag.NamedFlagSets, args []string) error {
	flags := pflag.NewFlagSet(component, pflag.ContinueOnError)
	flags.SetNormalizeFunc(cliflag.WordSepNormalizeFunc)
	for _, set := range sets.FlagSets {
		flags.AddFlagSet(set)
	}
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("parsing flags of %s: %w", component, err)
	}
	if flags.NArg() > 0 {
		return fmt.Errorf("parsing flags of %s: unexpected argument %q", component, flags.Arg(0))
	}
	return nil
}
