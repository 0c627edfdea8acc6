// Package kubelet runs upstream's kubelet as one of many in a process: it puts
// together what a kubelet depends on, starts it, and stops it without a trace.
//
// The kubelet is the real one. Its dependencies are real too, but for those that
// describe the machine, which is the node's share and not the host (machine,
// podcgroup), and the part of the runtime that it sees (criview). It relies on
// the edits of command patch. Only package dataplane imports it.
package kubelet

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace/noop"
	v1 "k8s.io/api/core/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"
	internalapi "k8s.io/cri-api/pkg/apis"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/pkg/api/legacyscheme"
	kubeletconfig "k8s.io/kubernetes/pkg/kubelet/apis/config"
	"k8s.io/kubernetes/pkg/kubelet/server"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/kube/internal/podcgroup"
)

// Host is what the kubelets of a process share.
type Host struct {
	Config  dataplane.Config
	Runtime func(node dataplane.Node) internalapi.RuntimeService
	Images  internalapi.ImageManagerService
	Cgroups *podcgroup.Cgroups
	Now     func() time.Time
}

// Kubelet is one running kubelet.
type Kubelet struct {
	host    *Host
	node    dataplane.Node
	started time.Time

	cancel      context.CancelFunc
	runtime     internalapi.RuntimeService
	cgroups     *podcgroup.Manager
	transport   *transport
	broadcaster record.EventBroadcaster
	server      *http.Server
	running     sync.WaitGroup
	halt        sync.Once

	mu         sync.Mutex
	registered bool
	address    string
	failure    string
}

// Node is the node that the kubelet was started for.
func (k *Kubelet) Node() dataplane.Node { return k.node }

// Root is the node's directory.
func (k *Kubelet) Root() string { return filepath.Join(k.host.Config.StateDir, k.node.Name) }

// logs is the node's own directory of logs: a kubelet removes those of pods
// that it does not know.
func (k *Kubelet) logs() string { return filepath.Join(k.host.Config.PodLogsDir, k.node.Name) }

// Start starts a kubelet. Starts must not overlap: upstream's constructors
// write to package variables. It returns before the node is registered.
func Start(host *Host, node dataplane.Node) (*Kubelet, error) {
	k := &Kubelet{host: host, node: node, started: host.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	k.cancel = cancel
	ctx = klog.NewContext(ctx, klog.Background().WithValues("node", node.Name))
	if err := k.start(ctx); err != nil {
		cancel()
		if k.transport != nil {
			k.transport.close()
		}
		k.running.Wait()
		return nil, fmt.Errorf("starting kubelet of node %s: %w", node.Name, err)
	}
	return k, nil
}

func (k *Kubelet) start(ctx context.Context) error {
	config, err := configuration(k.host.Config, k.node)
	if err != nil {
		return err
	}
	serving, err := servingTLS(k.node, k.host.Config.CAData)
	if err != nil {
		return err
	}
	if k.transport, err = newTransport(k.host.Config, k.node); err != nil {
		return err
	}
	clients, err := newClients(k.host.Config, k.node, k.transport, k.sawRegistration)
	if err != nil {
		return err
	}
	listener, err := k.listenEarly(ctx, config)
	if err != nil {
		return err
	}
	k.broadcaster = record.NewBroadcaster(record.WithContext(ctx))
	recorder := k.broadcaster.NewRecorder(legacyscheme.Scheme, v1.EventSource{Component: server.ComponentKubelet, Host: k.node.Name})
	k.broadcaster.StartRecordingToSink(&corev1.EventSinkImpl{Interface: clients.events.CoreV1().Events("")})

	k.cgroups = podcgroup.New(k.host.Cgroups, k.host.Config.CgroupParent, k.node)
	k.runtime = k.cgroups.Runtime(k.host.Runtime(k.node))
	// A pod that is there already may have been started by a kubelet that was
	// killed before it could throttle it.
	if err := k.cgroups.Throttle(klog.FromContext(ctx)); err != nil {
		return err
	}
	deps := k.dependencies(clients, recorder)
	if deps.Auth, err = auth(k.node, k.host.Config.CAData, clients.kube, config); err != nil {
		return err
	}
	klet, err := k.construct(ctx, config, deps)
	if err != nil {
		return err
	}
	klet.BirthCry()
	klet.StartGarbageCollection(ctx)
	k.running.Go(func() { klet.Run(ctx, deps.PodConfig.Updates()) })

	handler := server.NewServer(ctx, klet, analyzer(ctx, klet, config, recorder), k.cgroups.GetHealthCheckers(), nil, deps.Auth, config)
	handler.InstallTracingFilter(noop.NewTracerProvider())
	k.server = newHTTPServer(&handler, serving)
	k.running.Go(func() { k.serve(ctx, listener) })
	return nil
}

// listenEarly binds a loopback port where kubelets have no address of their
// own: the port must be known when the node is registered.
func (k *Kubelet) listenEarly(ctx context.Context, config *kubeletconfig.KubeletConfiguration) (net.Listener, error) {
	if !k.host.Config.HostNetwork {
		return nil, nil
	}
	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("binding a loopback port: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return nil, err
	}
	number, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	config.Address, config.Port = "127.0.0.1", int32(number)
	return listener, nil
}

func (k *Kubelet) serve(ctx context.Context, listener net.Listener) {
	if listener == nil {
		var err error
		if listener, err = listenUntil(ctx, k.node.IP); err != nil {
			return // the node was removed meanwhile
		}
	}
	k.mu.Lock()
	k.address = listener.Addr().String()
	k.mu.Unlock()
	if err := k.server.ServeTLS(listener, "", ""); !errors.Is(err, http.ErrServerClosed) {
		k.fail(fmt.Errorf("serving %s: %w", listener.Addr(), err))
	}
}

func (k *Kubelet) sawRegistration() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.registered = true
}

func (k *Kubelet) fail(err error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.failure = err.Error()
}

// Status is what is known of the node.
func (k *Kubelet) Status() dataplane.NodeStatus {
	k.mu.Lock()
	defer k.mu.Unlock()
	status := dataplane.NodeStatus{Name: k.node.Name, Phase: dataplane.Starting, KubeletAddress: k.address, StartedAt: k.started}
	if k.registered && k.address != "" {
		status.Phase = dataplane.Running
	}
	if k.failure != "" {
		status.Phase, status.Reason = dataplane.Failed, k.failure
	}
	return status
}

// Sandboxes lists what of the node is left in the runtime.
func (k *Kubelet) Sandboxes(ctx context.Context) ([]*runtimeapi.PodSandbox, error) {
	sandboxes, err := k.runtime.ListPodSandbox(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("listing sandboxes of node %s: %w", k.node.Name, err)
	}
	return sandboxes, nil
}

// Stop stops the kubelet, waits for it, and removes what it left on the host and
// in the runtime. It may be called again when it failed.
func (k *Kubelet) Stop(ctx context.Context) error {
	k.halt.Do(k.end)
	if err := k.removeSandboxes(ctx); err != nil {
		return err
	}
	if err := unmountBelow(k.Root()); err != nil {
		return err
	}
	logger := klog.Background()
	return errors.Join(k.cgroups.Remove(logger), os.RemoveAll(k.Root()), os.RemoveAll(k.logs()))
}

// end stops what runs in this process, and waits for it.
func (k *Kubelet) end() {
	k.cancel()
	// Streams (exec, logs) are hijacked or long: the node's end is theirs. An
	// error of Close is a listener's that is closed already.
	_ = k.server.Close()
	k.transport.close()
	k.broadcaster.Shutdown()
	k.running.Wait()
}

func (k *Kubelet) removeSandboxes(ctx context.Context) error {
	sandboxes, err := k.Sandboxes(ctx)
	if err != nil {
		return err
	}
	for _, sandbox := range sandboxes {
		if err := k.runtime.StopPodSandbox(ctx, sandbox.GetId()); err != nil {
			return fmt.Errorf("stopping sandbox %s: %w", sandbox.GetId(), err)
		}
		if err := k.runtime.RemovePodSandbox(ctx, sandbox.GetId()); err != nil {
			return fmt.Errorf("removing sandbox %s: %w", sandbox.GetId(), err)
		}
	}
	return nil
}
