package demo

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"berth.dev/berth/internal/cli/ec2client"
	"berth.dev/berth/internal/cli/network"
)

const (
	webName  = "web"
	webURL   = "http://web.default.svc.cluster.local/"
	replicas = 2
	// asks is how often the Service is asked until another pod answers.
	asks = 20
)

// waitForWeb returns once the replicas serve.
func (s *session) waitForWeb(ctx context.Context) error {
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	err = s.Until(ctx, s.log, fmt.Sprintf("the %d pods of deployment %q to run", replicas, webName), func(ctx context.Context) (bool, error) {
		d, err := client.AppsV1().Deployments(metav1.NamespaceDefault).Get(ctx, webName, metav1.GetOptions{})
		if err != nil {
			return false, fmt.Errorf("reading deployment %q: %w", webName, err)
		}
		if d.Status.ObservedGeneration < d.Generation || d.Status.UpdatedReplicas != replicas {
			return false, nil
		}
		pods, err := s.webPods(ctx, client)
		return len(pods) == replicas, err
	})
	if err != nil {
		return fmt.Errorf("%w (see: KUBECONFIG=%s %s describe pods)", err, s.tools.kubeconfig, short(s.tools.kubectl))
	}
	return nil
}

// webPods are the pods that serve, by name.
func (s *session) webPods(ctx context.Context, client kubernetes.Interface) ([]corev1.Pod, error) {
	list, err := client.CoreV1().Pods(metav1.NamespaceDefault).List(ctx, metav1.ListOptions{LabelSelector: "app=" + webName})
	if err != nil {
		return nil, fmt.Errorf("listing the pods of deployment %q: %w", webName, err)
	}
	pods := slices.DeleteFunc(list.Items, func(p corev1.Pod) bool { return !serves(&p) })
	slices.SortFunc(pods, func(a, b corev1.Pod) int { return strings.Compare(a.Name, b.Name) })
	return pods, nil
}

// serves says whether a pod is what the demo waits for.
func serves(p *corev1.Pod) bool {
	return p.DeletionTimestamp == nil && p.Status.Phase == corev1.PodRunning && p.Status.PodIP != "" && condition(p, corev1.PodReady)
}

// show shows what runs, and checks it.
func (s *session) show(ctx context.Context) error {
	client, err := s.client(ctx)
	if err != nil {
		return err
	}
	s.heading("One pod, one node")
	if err := s.tools.show(ctx, "get", "nodes,pods", "-A", "-o", "wide"); err != nil {
		return err
	}
	pods, err := s.checkPlacement(ctx, client)
	if err != nil {
		return err
	}
	if s.plan.hollow() {
		s.heading("Left out, because pods execute nothing with --runtime hollow")
		s.say("- a request through the Service, "+webURL, "- kubectl logs", "- kubectl exec … uname -a", "- probes: what runs is called ready")
	} else if err := s.showRunning(ctx, pods); err != nil {
		return err
	}
	return s.showTimeline(ctx, client)
}

func (s *session) checkPlacement(ctx context.Context, client kubernetes.Interface) ([]corev1.Pod, error) {
	pods, err := s.webPods(ctx, client)
	if err != nil {
		return nil, err
	}
	if len(pods) != replicas {
		return nil, fmt.Errorf("deployment %q has %d pods that run, not %d", webName, len(pods), replicas)
	}
	nodes, err := client.CoreV1().Nodes().List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("listing nodes: %w", err)
	}
	private, err := s.privateSubnets(ctx)
	if err != nil {
		return nil, err
	}
	s.say("")
	lines, err := placement{pods: pods, nodes: nodes.Items, private: private, region: s.state.Region}.check()
	for _, l := range lines {
		s.log.Successf("%s", l)
	}
	return pods, err
}

// privateSubnets are the blocks of the subnets that the cluster's network has
// for pods, by id.
func (s *session) privateSubnets(ctx context.Context) (map[string]netip.Prefix, error) {
	subnets, err := s.aws.EC2.Subnets(ctx,
		ec2client.TagFilter(network.ClusterTag, clusterName), ec2client.TagFilter("kubernetes.io/role/internal-elb", "1"))
	if err != nil {
		return nil, fmt.Errorf("describing the private subnets: %w", err)
	}
	blocks := map[string]netip.Prefix{}
	for _, sn := range subnets {
		block, err := netip.ParsePrefix(sn.CIDR)
		if err != nil {
			return nil, fmt.Errorf("reading the block of subnet %s: %w", sn.ID, err)
		}
		blocks[sn.ID] = block
	}
	return blocks, nil
}

// showRunning shows that the pods execute.
func (s *session) showRunning(ctx context.Context, pods []corev1.Pod) error {
	from, other := pods[0].Name, pods[1].Name
	s.heading("A request through the Service, by its DNS name, from pod %s to the other one", from)
	if err := s.request(ctx, from, other); err != nil {
		return err
	}
	s.heading("The log of the pod that answered")
	if _, err := s.reach(ctx, "logs", other, "--tail=5"); err != nil {
		return err
	}
	s.heading("The kernel of the pod, and the host's")
	inPod, err := s.reach(ctx, "exec", from, "--", "uname", "-a")
	if err != nil {
		return err
	}
	host, err := hostKernel()
	if err != nil {
		return err
	}
	s.say("$ uname -a", host)
	if s.state.Runtime == "gvisor" && release(inPod) == release(host) {
		return errors.New("the pod has the host's kernel: it is not in a sandbox")
	}
	return nil
}

// request asks the Service until another pod than the asking one answers.
func (s *session) request(ctx context.Context, from, other string) error {
	for range asks {
		answer, err := s.reach(ctx, "exec", from, "--", "hello", "get", webURL)
		if err != nil {
			return err
		}
		if strings.Contains(answer, "pod="+other+" ") {
			return nil
		}
		s.say("(the Service chose the asking pod itself; once more)")
	}
	return fmt.Errorf("the Service %q never chose the pod %s in %d requests", webName, other, asks)
}

// hostKernel is what `uname -a` says on the host.
func hostKernel() (string, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return "", fmt.Errorf("asking for the host's kernel: %w", err)
	}
	var words []string
	for _, field := range [][]byte{u.Sysname[:], u.Nodename[:], u.Release[:], u.Version[:], u.Machine[:]} {
		words = append(words, unix.ByteSliceToString(field))
	}
	return strings.Join(append(words, "GNU/Linux"), " "), nil
}

// release is the third word of `uname -a`.
func release(uname string) string {
	if words := strings.Fields(uname); len(words) > 2 {
		return words[2]
	}
	return ""
}

// showTimeline says how long each step took.
func (s *session) showTimeline(ctx context.Context, client kubernetes.Interface) error {
	list, err := client.CoreV1().Pods("").List(ctx, metav1.ListOptions{})
	if err != nil {
		return fmt.Errorf("listing pods: %w", err)
	}
	there := map[string]bool{}
	for _, p := range list.Items {
		there[string(p.UID)] = p.Annotations[capacityProvisioned] != ""
	}
	s.heading("What happened when, and how long each step took (~: from an API, which keeps whole seconds)")
	if h := s.watcher.snapshot(); h != nil {
		render(s.Out, timelines(h, func(uid string) bool { return there[uid] }))
	}
	return nil
}
