// Package app turns the arguments of berth-kube into one of its applets.
//
// It holds no Kubernetes logic of its own: an applet is an upstream command,
// or package dataplane. Only cmd/berth-kube imports it.
package app

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"

	"berth.dev/berth/kube/internal/dataplane"
	"berth.dev/berth/kube/internal/lifeline"
)

const usage = `berth-kube runs the Kubernetes components of Berth.

  berth-kube apiserver FLAGS...                       kube-apiserver
  berth-kube controllers KCM-FLAGS... -- SCHED-FLAGS...  kube-controller-manager and kube-scheduler
  berth-kube dataplane --config FILE                  the kubelets and kube-proxy of a cluster on a host
  berth-kube kubectl ...                              kubectl
  berth-kube flags COMPONENT                          the upstream flags of apiserver, controller-manager,
                                                      scheduler, kubelet or proxy, one name a line
`

// Main runs the applet that args (with the program's name first) ask for and
// returns the process's exit code.
func Main(args []string) int {
	if filepath.Base(args[0]) == "kubectl" {
		return runKubectl()
	}
	if len(args) < 2 {
		fmt.Fprint(os.Stderr, usage)
		return 2
	}
	applet, rest := args[1], args[2:]
	// cobra, klog and kubectl's plugin handling all read os.Args.
	os.Args = append([]string{"berth-kube " + applet}, rest...)
	switch applet {
	case "kubectl":
		os.Args[0] = "kubectl"
		return runKubectl()
	case "flags":
		return report(printFlags(os.Stdout, rest))
	case "help", "-h", "--help":
		fmt.Print(usage)
		return 0
	}
	if err := hold(); err != nil {
		return report(err)
	}
	switch applet {
	case "apiserver":
		os.Args[0] = "kube-apiserver"
		return cli.Run(apiserver.NewAPIServerCommand())
	case "controllers":
		return report(runControllers(rest))
	case "dataplane":
		return report(dataplane.Main(rest))
	}
	fmt.Fprintf(os.Stderr, "berth-kube: unknown applet %q\n\n%s", applet, usage)
	return 2
}

// hold ties this process to its parent, and keeps the variable from what it starts.
func hold() error {
	value := os.Getenv(lifeline.Env)
	if err := os.Unsetenv(lifeline.Env); err != nil {
		return err
	}
	return lifeline.Watch(value, func() { os.Exit(0) })
}

func report(err error) int {
	if err == nil {
		return 0
	}
	fmt.Fprintf(os.Stderr, "berth-kube: %v\n", err)
	return 1
}

func runKubectl() int {
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		// Prints as kubectl does, and exits with kubectl's own codes.
		kubectlutil.CheckErr(err)
	}
	return 0
}

func printFlags(out io.Writer, args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("flags wants one component, one of %v", components())
	}
	names, err := flagNames(args[0])
	if err != nil {
		return err
	}
	for _, name := range names {
		if _, err := fmt.Fprintln(out, name); err != nil {
			return err
		}
	}
	return nil
}
