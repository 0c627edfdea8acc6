package rules

import (
	"strings"
	"testing"
)

// A wall keeps imports out of packages.
type wall struct {
	name string
	// of are the packages that it stands around; forbids the imports that it
	// keeps out; except those that it lets in all the same.
	of, forbids, except []string
	reason              string
	// tests says that it keeps the imports out of tests too.
	tests bool
}

var domain = []string{"internal/iam/...", "internal/sts/...", "internal/ec2/...", "internal/eks/..."}

// impure are the imports through which a package could do more than compute.
var impure = []string{
	"context", "net/http/...", "os/...", "log/...", "sync/...", "math/rand/...", "crypto/rand", "syscall", "golang.org/x/sys/...",
	"k8s.io/client-go/...", "k8s.io/utils/clock/...", "google.golang.org/...", "github.com/aws/...", "go.etcd.io/...",
	"internal/store/...", "internal/work",
}

var walls = []wall{
	{
		name: "domain services know no wire", of: domain,
		forbids: []string{"net/http/...", "encoding/xml", "internal/awsapi/...", "google.golang.org/..."},
		reason:  "protocols are the front door's: a service is tested without a wire, and a new protocol changes no service",
	},
	{
		name: "domain services know no Kubernetes", of: domain,
		forbids: []string{"k8s.io/...", "sigs.k8s.io/..."}, except: []string{"k8s.io/utils/clock"},
		reason: "records are kept and refused without a cluster; what runs is behind an interface that the service declares",
	},
	{
		name: "iam imports no other service", of: []string{"internal/iam/..."},
		forbids: []string{"internal/sts/...", "internal/ec2/...", "internal/eks/..."},
		reason:  "services meet through interfaces that the consumer declares; the composition root joins them",
	},
	{
		name: "sts imports no other service but IAM's vocabulary", of: []string{"internal/sts/..."},
		forbids: []string{"internal/iam/...", "internal/ec2/...", "internal/eks/..."},
		except:  []string{"internal/iam/credential", "internal/iam/policy"},
		reason:  "credential is the words that both speak, and policy is a pure function; neither is a service",
	},
	{
		name: "ec2 imports no other service", of: []string{"internal/ec2/..."},
		forbids: []string{"internal/iam/...", "internal/sts/...", "internal/eks/..."},
		reason:  "services meet through interfaces that the consumer declares; the composition root joins them",
	},
	{
		name: "eks imports no other service", of: []string{"internal/eks/..."},
		forbids: []string{"internal/iam/...", "internal/sts/...", "internal/ec2/...", "internal/cluster", "internal/agent/..."},
		reason:  "services meet through interfaces that the consumer declares; the composition root joins them",
	},
	{
		name: "the front door and its codecs know no domain", of: []string{"internal/awsapi/..."},
		forbids: append([]string{"internal/cluster", "internal/fargate/...", "internal/agent/...", "internal/server", "k8s.io/..."}, domain...),
		except:  []string{"k8s.io/utils/clock"},
		reason:  "an operation is a method that is handed over; a codec that knows one service's shapes is wrong for the next",
	},
	{
		name:    "pure packages compute and nothing else",
		of:      []string{"internal/fargate/profile", "internal/fargate/sizing", "internal/fargate/validation", "internal/fargate/admission", "internal/iam/policy", "internal/vpcnet"},
		forbids: impure,
		reason:  "decisions are compared as text in tests and are the same after every restart, because nothing but their arguments goes into them",
	},
	{
		name: "vocabulary imports nothing but vocabulary", of: []string{"internal/arn", "internal/id", "internal/fault", "internal/principal"},
		forbids: []string{"internal/...", "k8s.io/...", "github.com/...", "net/http/...", "os/..."}, except: []string{"internal/arn"},
		reason: "every package may speak these words, so they must drag nothing along",
	},
	{
		name: "the command line is a foreign client", of: []string{"internal/cli/...", "internal/console/..."},
		forbids: append([]string{
			"internal/store/...", "internal/awsapi/...", "internal/cluster", "internal/fargate/...", "internal/kubeauth", "internal/vpcnet/...",
			"internal/server", "internal/agent/...",
		}, domain...),
		except: []string{"internal/server", "internal/agent"},
		reason: "what it needs, every client of AWS gets too; what it could only do by reaching inside would be missing for them",
	},
	{
		name: "the dataplane's protocol stands alone", of: []string{"dataplane/..."},
		forbids: []string{"internal/...", "k8s.io/...", "github.com/..."},
		reason:  "two modules with different dependencies share it",
	},
	{
		name: "the Kubernetes module knows only the dataplane's protocol", of: []string{"kube/..."},
		forbids: []string{"internal/...", "cmd/..."},
		reason:  "it is built for one Kubernetes version at a time, the main module for all",
	},
	{
		name: "the CNI plugin stays small", of: []string{"cmd/berth-cni", "internal/agent/cni"},
		forbids: []string{"internal/...", "github.com/...", "k8s.io/...", "google.golang.org/..."}, except: []string{"internal/agent/cni"},
		reason: "it is executed at the start and the end of every pod, so its own start is part of a pod's",
	},
	{
		name: "one logger, one way to test, one way to wrap errors", of: []string{"..."}, tests: true,
		forbids: []string{
			"log", "k8s.io/klog/...", "github.com/sirupsen/...", "github.com/stretchr/...", "github.com/onsi/...", "github.com/pkg/errors",
			"go.uber.org/mock/...", "github.com/golang/mock/...", "io/ioutil", "math/rand",
		},
		reason: "two ways to do a thing is a bug; log/slog, plain testing with go-cmp, fakes, and fmt.Errorf are the ways here",
	},
}

// exempt are single imports that a wall lets through, each with its reason.
var exempt = map[string]string{
	"kube/... k8s.io/klog/...":            "upstream's code logs with klog, and this is where its output is directed",
	"internal/server k8s.io/klog/...":     "client-go logs with klog, and this is where its output is directed",
	"sandbox/... github.com/sirupsen/...": "containerd's and gVisor's code logs with logrus, and this is where its output is directed",
}

func TestWalls(t *testing.T) {
	all := tree(t)
	for _, w := range walls {
		t.Run(w.name, func(t *testing.T) {
			stood := false
			for _, s := range all {
				if !inWall(w, s) {
					continue
				}
				stood = true
				for _, i := range s.imports() {
					if forbidden(w, i) && !exempted(s.dir, i) {
						t.Errorf("%s imports %s: %s", s.path, i, w.reason)
					}
				}
			}
			if !stood {
				t.Errorf("the wall stands around nothing: no package matches %v", w.of)
			}
		})
	}
}

func inWall(w wall, s source) bool {
	if s.test && !w.tests {
		return false
	}
	return w.of[0] == "..." || within(s.dir, w.of)
}

func forbidden(w wall, i string) bool {
	return within(i, w.forbids) && !within(i, w.except) && !within(i, w.ownFolders())
}

// ownFolders are the packages inside of the wall: they may import each other,
// unless they are said to stand alone.
func (w wall) ownFolders() []string {
	var own []string
	for _, p := range w.of {
		if strings.HasSuffix(p, "/...") && len(w.of) == 1 {
			own = append(own, p)
		}
	}
	return own
}

func exempted(dir, i string) bool {
	for pair := range exempt {
		of, what, _ := strings.Cut(pair, " ")
		if within(dir, []string{of}) && within(i, []string{what}) {
			return true
		}
	}
	return false
}

// importers are imports that only some packages may have. Those below test/ are
// of the whole, and look behind most walls to compare what is there with what is
// said; what they may not link is what they would take ten minutes to build with.
var importers = []struct {
	what, only []string
	reason     string
}{
	{
		[]string{"k8s.io/kubernetes/..."}, []string{"kube/..."},
		"it costs ten minutes to build and 33 replace lines; the main module builds and tests in seconds without it",
	},
	{
		[]string{"github.com/vishvananda/netlink/...", "github.com/vishvananda/netns", "github.com/google/nftables/...", "github.com/mdlayher/netlink"},
		[]string{"internal/vpcnet/linux"},
		"everything that changes the host's network is planned by vpcnet, set by one call and removed by one call",
	},
	{
		[]string{"github.com/containerd/containerd/v2/client"}, []string{"internal/agent/...", "internal/cli/local", "test/..."},
		"the host's containerd is the agent's; `berth image load` hands a client to the agent's own Load",
	},
	{
		[]string{"go.etcd.io/etcd/server/..."}, []string{"internal/store/etcd"},
		"who keeps records does not know whether etcd is embedded",
	},
	{
		[]string{"go.etcd.io/etcd/client/..."}, []string{"internal/store/...", "internal/server", "test/..."},
		"records go through store's tables; the composition root opens the connection and removes a cluster's objects",
	},
	{
		[]string{"internal/store/etcd"}, []string{"internal/server", "internal/store/storetest", "test/..."},
		"which etcd it is, is decided in one place",
	},
	{
		[]string{"internal/server"}, []string{"cmd/...", "internal/app", "internal/cli/local", "internal/demo", "test/..."},
		"the composition root imports everything, so whoever imports it does too: only the commands that run, start and purge a server may",
	},
	{
		[]string{"internal/app"}, []string{"cmd/berth", "test/..."},
		"main is one statement, and app.Main is what main and the acceptance tests run",
	},
	{
		[]string{"internal/cluster", "internal/kubeauth", "internal/awsapi", "internal/fargate/scheduler", "internal/agent/vpc"},
		[]string{"internal/server", "internal/fargate/scheduler", "test/..."},
		"they are joined in the composition root; aws-auth is the one thing that the scheduler writes and kubeauth reads",
	},
	{
		[]string{"testing"}, []string{"kube/internal/testcluster/...", "test/..."},
		"a program does not link the testing package; contract suites and test fixtures do",
	},
}

func TestImporters(t *testing.T) {
	all := tree(t)
	for _, rule := range importers {
		for _, s := range all {
			if s.test || s.fixture() && rule.what[0] == "testing" || within(s.dir, rule.only) {
				continue
			}
			for _, i := range s.imports() {
				if within(i, rule.what) && !within(s.dir, []string{i}) {
					t.Errorf("%s imports %s, which only %v may: %s", s.path, i, rule.only, rule.reason)
				}
			}
		}
	}
}
