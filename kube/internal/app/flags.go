package app

import (
	"context"
	"fmt"
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeletapp "k8s.io/kubernetes/cmd/kubelet/app"
	kubeletoptions "k8s.io/kubernetes/cmd/kubelet/app/options"
)

func components() []string {
	return []string{"apiserver", "controller-manager", "kubelet", "proxy", "scheduler"}
}

// flagNames lists the flags of an upstream component, sorted, without dashes.
func flagNames(component string) ([]string, error) {
	var flags *pflag.FlagSet
	switch component {
	case "apiserver":
		flags = commandFlags(apiserver.NewAPIServerCommand())
	case "controller-manager":
		flags = commandFlags(controllermanager.NewControllerManagerCommand())
	case "scheduler":
		flags = commandFlags(scheduler.NewSchedulerCommand())
	case "proxy":
		flags = commandFlags(proxy.NewProxyCommand())
	case "kubelet":
		var err error
		if flags, err = kubeletFlags(); err != nil {
			return nil, err
		}
	default:
		return nil, fmt.Errorf("listing flags: no component %q, one of %v", component, components())
	}
	var names []string
	flags.VisitAll(func(flag *pflag.Flag) { names = append(names, flag.Name) })
	slices.Sort(names)
	return names, nil
}

func commandFlags(command *cobra.Command) *pflag.FlagSet { return command.Flags() }

// kubeletFlags rebuilds the kubelet's flag set, which its command parses by
// itself and does not attach to the cobra command.
func kubeletFlags() (*pflag.FlagSet, error) {
	command := kubeletapp.NewKubeletCommand(context.Background())
	flags := pflag.NewFlagSet("kubelet", pflag.ContinueOnError)
	flags.AddFlagSet(command.Flags())
	config, err := kubeletoptions.NewKubeletConfiguration()
	if err != nil {
		return nil, fmt.Errorf("listing flags of kubelet: %w", err)
	}
	kubeletoptions.NewKubeletFlags().AddFlags(flags)
	kubeletoptions.AddKubeletConfigFlags(flags, config)
	kubeletoptions.AddGlobalFlags(flags)
	return flags, nil
}
