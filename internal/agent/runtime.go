package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	containerdclient "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/agent/containerd"
	"berth.dev/berth/internal/process"
)

// criNamespace is containerd's namespace of everything that the CRI sees.
const criNamespace = "k8s.io"

// serveTimeout is how long containerd may take until it answers.
const serveTimeout = 60 * time.Second

// startContainerd starts containerd and waits until it answers.
func (a *Agent) startContainerd(ctx context.Context) error {
	config, err := a.containerdConfig()
	if err != nil {
		return err
	}
	a.streamPort = config.StreamPort
	if err := containerd.Write(config); err != nil {
		return fmt.Errorf("writing the configuration of containerd: %w", err)
	}
	a.containerd = process.Start(ctx, process.Spec{
		Name: "containerd", Path: filepath.Join(a.Bin, "containerd"), Args: []string{"--config", a.paths.Config()},
		LogFile: filepath.Join(a.Dir, "containerd.log"),
	}, a.Log)
	return a.client(ctx, func(context.Context, *containerdclient.Client) error { return nil })
}

func (a *Agent) containerdConfig() (containerd.Config, error) {
	host, err := containerd.InspectHost()
	if err != nil {
		return containerd.Config{}, fmt.Errorf("inspecting the host: %w", err)
	}
	snapshotter, err := containerd.ChooseSnapshotter(a.paths.Root)
	if err != nil {
		return containerd.Config{}, fmt.Errorf("choosing a snapshotter: %w", err)
	}
	port, err := freePort()
	if err != nil {
		return containerd.Config{}, err
	}
	pause, err := a.builtImage("eks/pause")
	if err != nil {
		return containerd.Config{}, err
	}
	runtime := containerd.GVisor
	if a.Runtime == dataplane.Runc {
		runtime = containerd.Runc
	}
	runc, err := exec.LookPath("runc")
	if err != nil {
		if a.Runtime == dataplane.Runc {
			return containerd.Config{}, fmt.Errorf("looking for runc (Debian package runc): %w", err)
		}
		runc = ""
	}
	program := func(name string) string { return filepath.Join(a.Bin, name) }
	return containerd.Config{
		Paths: a.paths, Default: runtime, Snapshotter: snapshotter, PauseImage: a.Registry + "/" + pause.Name + ":" + pause.Tag,
		Programs: containerd.Programs{
			RunscShim: program("containerd-shim-runsc-v1"), RuncShim: program("containerd-shim-runc-v2"),
			Runsc: program("runsc"), Runc: runc, CNIDir: a.Bin,
		},
		CNISocket: a.cniSocket(), StreamPort: port, Host: host,
	}, nil
}

func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("finding a free port: %w", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// client runs f with a client of the host's containerd once it answers.
func (a *Agent) client(ctx context.Context, f func(context.Context, *containerdclient.Client) error) error {
	return WithContainerd(ctx, a.paths.Socket, f)
}

// WithContainerd runs f with a client of a containerd once it answers.
func WithContainerd(ctx context.Context, socket string, f func(context.Context, *containerdclient.Client) error) error {
	waiting, cancel := context.WithTimeout(ctx, serveTimeout)
	defer cancel()
	c, err := containerdclient.New(socket, containerdclient.WithDefaultNamespace(criNamespace), containerdclient.WithTimeout(serveTimeout))
	if err != nil {
		return fmt.Errorf("connecting to containerd at %s: %w", socket, err)
	}
	defer c.Close()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		serving, err := c.IsServing(waiting)
		if serving && err == nil {
			break
		}
		select {
		case <-waiting.Done():
			return fmt.Errorf("waiting for containerd at %s: %w", socket, errors.Join(err, waiting.Err()))
		case <-tick.C:
		}
	}
	return f(namespaces.WithNamespace(ctx, criNamespace), c)
}

// builtImage is an image of the build, as bin/images/index.json lists it.
type builtImage struct {
	Name      string `json:"name"`
	Tag       string `json:"tag"`
	Reference string `json:"reference"`
	File      string `json:"file"`
	Digest    string `json:"digest"`
}

// BuiltImages reads the list of the images that the build made.
func BuiltImages(bin string) ([]builtImage, error) {
	b, err := os.ReadFile(filepath.Join(bin, "images", "index.json"))
	if err != nil {
		return nil, fmt.Errorf("reading the list of built images: %w", err)
	}
	var index struct{ Images []builtImage }
	if err := json.Unmarshal(b, &index); err != nil {
		return nil, fmt.Errorf("reading the list of built images: %w", err)
	}
	return index.Images, nil
}

func (a *Agent) builtImage(name string) (builtImage, error) {
	all, err := BuiltImages(a.Bin)
	if err != nil {
		return builtImage{}, err
	}
	for _, i := range all {
		if i.Name == name {
			return i, nil
		}
	}
	return builtImage{}, fmt.Errorf("the build made no image %s", name)
}

// loadBuiltImages imports the images of the build that are not there yet, and
// gives those of EKS the name that they have in AWS's registry.
func (a *Agent) loadBuiltImages(ctx context.Context) error {
	all, err := BuiltImages(a.Bin)
	if err != nil {
		return err
	}
	return a.client(ctx, func(ctx context.Context, c *containerdclient.Client) error {
		for _, i := range all {
			names := []string{i.Reference, a.Registry + "/" + i.Name + ":" + i.Tag}
			if err := a.loadBuilt(ctx, c, i, names); err != nil {
				return fmt.Errorf("loading image %s: %w", i.Reference, err)
			}
		}
		return nil
	})
}

func (a *Agent) loadBuilt(ctx context.Context, c *containerdclient.Client, i builtImage, names []string) error {
	if have, err := c.ImageService().Get(ctx, names[len(names)-1]); err == nil && have.Target.Digest.String() == i.Digest {
		return nil
	}
	f, err := os.Open(filepath.Join(a.Bin, "images", i.File))
	if err != nil {
		return err
	}
	defer f.Close()
	loaded, err := Load(ctx, c, f)
	if err != nil {
		return err
	}
	for _, image := range loaded {
		for _, name := range names {
			if err := tag(ctx, c, image, name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Load imports a saved image, an OCI archive or the output of docker save, and
// unpacks it; it returns the images by the names that they have in the archive.
func Load(ctx context.Context, c *containerdclient.Client, r io.Reader) ([]images.Image, error) {
	loaded, err := c.Import(ctx, r)
	if err != nil {
		return nil, fmt.Errorf("importing: %w", err)
	}
	for _, i := range loaded {
		if err := containerdclient.NewImage(c, i).Unpack(ctx, ""); err != nil {
			return nil, fmt.Errorf("unpacking %s: %w", i.Name, err)
		}
	}
	return loaded, nil
}

func tag(ctx context.Context, c *containerdclient.Client, i images.Image, name string) error {
	i.Name = name
	_, err := c.ImageService().Create(ctx, i)
	if errdefs.IsAlreadyExists(err) {
		_, err = c.ImageService().Update(ctx, i, "target")
	}
	return err
}
