// Package dataplane is the child process that runs a cluster's kubelets, and
// its kube-proxy, on one host: the server of the protocol in module dataplane.
//
// It keeps nothing about nodes: the agent puts them again after a restart. It
// does not supervise itself and knows no AWS. Only package app imports it.
package dataplane

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"go.opentelemetry.io/otel/trace/noop"
	utilfeature "k8s.io/apiserver/pkg/util/feature"
	internalapi "k8s.io/cri-api/pkg/apis"
	remote "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/capabilities"

	protocol "berth.dev/berth/dataplane"
	"berth.dev/berth/kube/internal/criview"
	"berth.dev/berth/kube/internal/hollow"
	"berth.dev/berth/kube/internal/kubelet"
	"berth.dev/berth/kube/internal/podcgroup"
	"berth.dev/berth/kube/internal/portforward"
	"berth.dev/berth/kube/internal/proxy"
)

// runtimeTimeout bounds one call to the container runtime, as upstream does.
const runtimeTimeout = 2 * time.Minute

// Main runs the dataplane that args (--config FILE) describe until a signal.
func Main(args []string) error {
	flags := flag.NewFlagSet("dataplane", flag.ContinueOnError)
	path := flags.String("config", "", "configuration, a JSON file")
	verbose := flags.Bool("verbose", false, "log what kubelets do, not only what goes wrong")
	if err := flags.Parse(args); err != nil {
		return err
	}
	config, err := loadConfig(*path)
	if err != nil {
		return fmt.Errorf("starting dataplane: %w", err)
	}
	setUpLogging(*verbose)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	return run(ctx, config)
}

// setUpLogging keeps a hundred kubelets from telling their lives: one logs about
// forty lines before its pod runs.
func setUpLogging(verbose bool) {
	level := slog.LevelWarn
	if verbose {
		level = slog.LevelInfo
	}
	klog.SetSlogLogger(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})))
}

func run(ctx context.Context, config protocol.Config) error {
	if err := prepareProcess(); err != nil {
		return err
	}
	host, err := newHost(ctx, config)
	if err != nil {
		return err
	}
	healthy := func() bool { return true }
	if config.Proxy != nil {
		p, err := proxy.Start(ctx, config)
		if err != nil {
			return err
		}
		healthy = p.Synced
	}
	listener, err := listen(config.Socket)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: newHandler(newNodes(host), healthy), ReadHeaderTimeout: 10 * time.Second}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	fmt.Println(protocol.ReadyLine)
	select {
	case err := <-ended:
		return fmt.Errorf("serving %s: %w", config.Socket, err)
	case <-ctx.Done():
	}
	// Pods outlive their kubelets on purpose: nothing is stopped but the socket.
	return errors.Join(server.Close(), removeSocket(config.Socket))
}

// prepareProcess sets what upstream keeps per process, once for all kubelets.
func prepareProcess() error {
	if err := utilfeature.DefaultMutableFeatureGate.SetFromMap(kubelet.FeatureGates()); err != nil {
		return fmt.Errorf("setting feature gates: %w", err)
	}
	capabilities.Initialize(capabilities.Capabilities{AllowPrivileged: true})
	return nil
}

func newHost(ctx context.Context, config protocol.Config) (*kubelet.Host, error) {
	for _, dir := range []string{config.StateDir, config.PodLogsDir} {
		if err := os.MkdirAll(dir, 0o750); err != nil {
			return nil, err
		}
	}
	host := &kubelet.Host{Config: config, Now: time.Now}
	if config.Runtime == protocol.Hollow {
		host.Images = criview.NewImages(hollow.NewImages(config.StateDir), host.Now)
		host.Runtime = func(node protocol.Node) internalapi.RuntimeService {
			return criview.NewRuntime(hollow.New(node.IP, host.Now), node.Name, "")
		}
		return host, nil
	}
	cgroups, err := podcgroup.OpenCgroups(klog.Background())
	if err != nil {
		return nil, err
	}
	host.Cgroups = cgroups
	runtime, err := remote.NewRemoteRuntimeService(ctx, config.RuntimeEndpoint, runtimeTimeout, noop.NewTracerProvider(), false)
	if err != nil {
		return nil, fmt.Errorf("connecting to container runtime %s: %w", config.RuntimeEndpoint, err)
	}
	images, err := remote.NewRemoteImageService(ctx, config.RuntimeEndpoint, runtimeTimeout, noop.NewTracerProvider(), false)
	if err != nil {
		return nil, fmt.Errorf("connecting to image service %s: %w", config.RuntimeEndpoint, err)
	}
	host.Images = criview.NewImages(images, host.Now)
	shared := criview.NewShared(runtime, host.Now)
	forwards, err := portforward.Start(ctx)
	if err != nil {
		return nil, err
	}
	host.Runtime = func(node protocol.Node) internalapi.RuntimeService {
		view := criview.NewRuntime(shared, node.Name, config.Runtime.Handler())
		if config.Runtime == protocol.GVisor {
			return forwards.Runtime(view, node.IP)
		}
		return view
	}
	return host, nil
}

// listen takes the socket over from a predecessor: there is one dataplane per
// cluster and host, which its supervisor sees to.
func listen(path string) (net.Listener, error) {
	if err := removeSocket(path); err != nil {
		return nil, err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, errors.Join(err, listener.Close())
	}
	return listener, nil
}

func removeSocket(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
