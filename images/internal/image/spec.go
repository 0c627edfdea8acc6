// Package image puts our static programs into OCI images and the images into
// archives, without a registry, a container runtime or a base image.
//
// The bytes of an archive depend on the program and on this package alone: no
// clock, user, file mode or order of the building host enters them. It runs
// nothing and builds no program. Only cmd/image-build imports it.
package image

import "berth.dev/berth/images/internal/hello"

// Spec is an image before it has a program.
type Spec struct {
	// Program is the file name of the static binary, and of the archive.
	Program string
	// Name and Tag are what the image is called without a registry.
	Name, Tag   string
	Description string
	// Path is where the program stands; it is the entrypoint.
	Path string
	// Cmd is the arguments that a pod's args replace.
	Cmd []string
	// User is "uid:gid"; numbers, so that runAsNonRoot can be verified.
	User string
	Env  []string
	// Ports are documentation, as in "53/udp".
	Ports []string
	// Links are names beside Path that lead to it.
	Links []string
	// Accounts says that the image has /etc/passwd, /etc/group and /tmp.
	Accounts bool
}

const (
	// nonroot is the account that distroless images use.
	nonroot = "65532:65532"
	// CoreDNSVersion is the module's; a test holds the two together.
	CoreDNSVersion = "1.15.0"
)

// Specs are the images of a cluster. Names and tags are those that EKS users
// see in their pods, so eks/pause is "3.10" as in upstream Kubernetes though
// the program is ours.
func Specs() []Spec {
	return []Spec{
		{
			Program:     "pause",
			Name:        "eks/pause",
			Tag:         "3.10",
			Description: "Holds a pod's namespaces and reaps its orphans",
			Path:        "/pause",
			User:        "65535:65535",
			// One thread's worth of heap caches is all that waiting needs.
			Env: []string{"GOMAXPROCS=1"},
		},
		{
			Program:     "coredns",
			Name:        "eks/coredns",
			Tag:         "v" + CoreDNSVersion + "-eksbuild.1",
			Description: "CoreDNS with the plugins that a cluster uses",
			Path:        "/coredns",
			User:        nonroot,
			Ports:       []string{"53/tcp", "53/udp", "9153/tcp"},
			Accounts:    true,
		},
		{
			Program:     "hello",
			Name:        "berth/hello",
			Tag:         hello.Version,
			Description: "A small web server and toolbox for trying a cluster out",
			Path:        "/bin/hello",
			Cmd:         []string{"serve"},
			User:        nonroot,
			Env:         []string{"PATH=/bin"},
			Ports:       []string{"8080/tcp"},
			Links:       hello.Links(),
			Accounts:    true,
		},
	}
}

// short is the name that users type.
func (s Spec) short() string { return s.Name + ":" + s.Tag }

// reference is the name in the form that CRI gives to names without a
// registry, so that a pod that says "berth/hello:1.0" finds the image.
func (s Spec) reference() string { return "docker.io/" + s.short() }
