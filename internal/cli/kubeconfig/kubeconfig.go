package kubeconfig

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

const execAPIVersion = "client.authentication.k8s.io/v1beta1"

// Cluster is a cluster to write.
type Cluster struct {
	Name, Region string
	// Endpoint is the URL of the API server, CA the PEM that verifies it.
	Endpoint string
	CA       []byte
	// User is the last part of the caller's ARN.
	User string
}

// Name is what the cluster is called in a kubeconfig.
func Name(cluster, region string) string { return cluster + "." + region + ".eksctl.io" }

// Context is the name of the cluster's context.
func (c Cluster) Context() string { return c.User + "@" + Name(c.Name, c.Region) }

// Exec is the command that makes tokens.
type Exec struct {
	Command string
	Args    []string
	// Env are variables that it needs, in order.
	Env []EnvVar
}

// EnvVar is an environment variable.
type EnvVar struct{ Name, Value string }

// Config is the kubeconfig of one cluster.
func Config(c Cluster, e Exec) *api.Config {
	config := api.NewConfig()
	cluster := api.NewCluster()
	cluster.Server, cluster.CertificateAuthorityData = c.Endpoint, c.CA
	config.Clusters[Name(c.Name, c.Region)] = cluster
	user := api.NewAuthInfo()
	user.Exec = &api.ExecConfig{
		APIVersion: execAPIVersion, Command: e.Command, Args: e.Args, InteractiveMode: api.NeverExecInteractiveMode,
	}
	for _, v := range e.Env {
		user.Exec.Env = append(user.Exec.Env, api.ExecEnvVar{Name: v.Name, Value: v.Value})
	}
	config.AuthInfos[c.Context()] = user
	context := api.NewContext()
	context.Cluster, context.AuthInfo = Name(c.Name, c.Region), c.Context()
	config.Contexts[c.Context()] = context
	config.CurrentContext = c.Context()
	return config
}

// Files says which kubeconfig files are meant.
type Files struct {
	// Explicit is a file that the user named; then no other is touched.
	Explicit string
	// List is KUBECONFIG, Home the user's home folder.
	List, Home string
}

// Default is the file of a user who says nothing.
func (f Files) Default() string { return filepath.Join(f.Home, ".kube", "config") }

// Write merges a config into the files and returns the one that takes what is
// new. The current context changes only if it is asked for.
func Write(f Files, add *api.Config, setContext bool) (string, error) {
	path := access{f}.GetDefaultFilename()
	merged, err := access{f}.GetStartingConfig()
	if err != nil {
		return "", fmt.Errorf("reading kubeconfig %s: %w", path, err)
	}
	for name, c := range add.Clusters {
		merged.Clusters[name] = keepOrigin(c, merged.Clusters[name])
	}
	for name, u := range add.AuthInfos {
		if old := merged.AuthInfos[name]; old != nil {
			u.LocationOfOrigin = old.LocationOfOrigin
		}
		merged.AuthInfos[name] = u
	}
	for name, c := range add.Contexts {
		if old := merged.Contexts[name]; old != nil {
			c.LocationOfOrigin, c.Namespace = old.LocationOfOrigin, old.Namespace
		}
		merged.Contexts[name] = c
	}
	if setContext {
		merged.CurrentContext = add.CurrentContext
	}
	if err := clientcmd.ModifyConfig(access{f}, *merged, true); err != nil {
		return "", fmt.Errorf("writing kubeconfig %s: %w", path, err)
	}
	return path, nil
}

func keepOrigin(c, old *api.Cluster) *api.Cluster {
	if old != nil {
		c.LocationOfOrigin = old.LocationOfOrigin
	}
	return c
}

// Remove takes a cluster, its contexts and their users out of the files, and
// says whether there was anything to take.
func Remove(f Files, cluster, region string) (bool, error) {
	config, err := access{f}.GetStartingConfig()
	if err != nil {
		return false, fmt.Errorf("reading kubeconfig %s: %w", access{f}.GetDefaultFilename(), err)
	}
	name, changed := Name(cluster, region), false
	if config.Clusters[name] != nil {
		delete(config.Clusters, name)
		changed = true
	}
	for key, context := range config.Contexts {
		if context.Cluster != name {
			continue
		}
		delete(config.Contexts, key)
		changed = true
		if strings.HasSuffix(context.AuthInfo, "@"+name) {
			delete(config.AuthInfos, context.AuthInfo)
		}
		if config.CurrentContext == key {
			config.CurrentContext = ""
		}
	}
	if !changed {
		return false, nil
	}
	if err := clientcmd.ModifyConfig(access{f}, *config, true); err != nil {
		return false, fmt.Errorf("writing kubeconfig %s: %w", access{f}.GetDefaultFilename(), err)
	}
	return true, nil
}

// access is client-go's view of Files; unlike its own it reads no environment.
type access struct{ Files }

func (a access) GetLoadingPrecedence() []string {
	if a.Explicit != "" {
		return []string{a.Explicit}
	}
	var files []string
	for _, f := range filepath.SplitList(a.List) {
		if f != "" {
			files = append(files, f)
		}
	}
	if len(files) == 0 {
		return []string{a.Default()}
	}
	return files
}

func (a access) GetStartingConfig() (*api.Config, error) {
	rules := &clientcmd.ClientConfigLoadingRules{Precedence: a.GetLoadingPrecedence()}
	if a.Explicit != "" {
		if _, err := os.Stat(a.Explicit); errors.Is(err, fs.ErrNotExist) {
			return api.NewConfig(), nil
		}
	}
	return rules.Load()
}

// GetDefaultFilename is the first file that exists, else the first of all.
func (a access) GetDefaultFilename() string {
	files := a.GetLoadingPrecedence()
	for _, f := range files {
		if _, err := os.Stat(f); err == nil {
			return f
		}
	}
	return files[0]
}

func (a access) IsExplicitFile() bool { return a.Explicit != "" }

func (a access) GetExplicitFile() string { return a.Explicit }
