// Package cni is the CNI plugin of a host: containerd executes it for every
// sandbox, and it passes the question on to the agent, which knows the network
// interface that was allocated for the pod. It decides nothing and touches no
// link itself. Only cmd/berth-cni and the agent import it; it must stay small,
// since it is executed at the start and the end of every pod.
package cni

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// Version is the version of the CNI specification that is spoken.
const Version = "1.0.0"

// Config is the plugin's configuration, as containerd hands it over.
type Config struct {
	CNIVersion string `json:"cniVersion"`
	Name       string `json:"name"`
	Type       string `json:"type"`
	// Socket is the Unix socket of the agent.
	Socket string `json:"socket"`
}

// Request is what the plugin asks the agent.
type Request struct {
	// Command is ADD, DEL or CHECK.
	Command     string `json:"command"`
	ContainerID string `json:"containerID"`
	// Namespace is the path of the pod's network namespace; empty when it is gone.
	Namespace string `json:"namespace"`
	// Link is the name of the link to make in it.
	Link string `json:"link"`
	// PodNamespace, PodName and PodUID name the pod.
	PodNamespace string `json:"podNamespace"`
	PodName      string `json:"podName"`
	PodUID       string `json:"podUID"`
}

// Result is the CNI result of an ADD.
type Result struct {
	CNIVersion string      `json:"cniVersion"`
	Interfaces []Interface `json:"interfaces"`
	IPs        []IP        `json:"ips"`
	Routes     []Route     `json:"routes"`
}

// Interface is a link of a Result.
type Interface struct {
	Name    string `json:"name"`
	MAC     string `json:"mac,omitempty"`
	Sandbox string `json:"sandbox,omitempty"`
}

// IP is an address of a Result; Interface is an index into its links.
type IP struct {
	Interface int    `json:"interface"`
	Address   string `json:"address"`
	Gateway   string `json:"gateway,omitempty"`
}

// Route is a route of a Result.
type Route struct {
	Destination string `json:"dst"`
	Gateway     string `json:"gw,omitempty"`
}

// Error is CNI's own form of an error.
type Error struct {
	CNIVersion string `json:"cniVersion"`
	Code       int    `json:"code"`
	Message    string `json:"msg"`
}

const (
	codeBadConfig  = 6
	codeTryAgain   = 11
	codeBadVariant = 4
)

// timeout is how long the agent may take; containerd itself waits longer.
const timeout = 60 * time.Second

// Run is the plugin: env is its environment, in its configuration. It returns
// the exit status.
func Run(ctx context.Context, env func(string) string, in io.Reader, out io.Writer) int {
	command := env("CNI_COMMAND")
	if command == "VERSION" {
		fmt.Fprintf(out, `{"cniVersion":%q,"supportedVersions":["0.4.0","1.0.0"]}`+"\n", Version)
		return 0
	}
	var c Config
	if err := json.NewDecoder(in).Decode(&c); err != nil || c.Socket == "" {
		return fail(out, codeBadConfig, errors.Join(errors.New("the configuration of plugin berth-cni names no socket"), err))
	}
	args := parseArgs(env("CNI_ARGS"))
	r := Request{
		Command: command, ContainerID: env("CNI_CONTAINERID"), Namespace: env("CNI_NETNS"), Link: env("CNI_IFNAME"),
		PodNamespace: args["K8S_POD_NAMESPACE"], PodName: args["K8S_POD_NAME"], PodUID: args["K8S_POD_UID"],
	}
	switch command {
	case "ADD", "DEL", "CHECK":
	case "GC", "STATUS":
		return 0
	default:
		return fail(out, codeBadVariant, fmt.Errorf("unknown CNI_COMMAND %q", command))
	}
	answer, err := ask(ctx, c.Socket, r)
	if err != nil {
		return fail(out, codeTryAgain, err)
	}
	_, _ = out.Write(answer)
	return 0
}

// ask puts the request to the agent and returns its answer as it is.
func ask(ctx context.Context, socket string, r Request) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	body, err := json.Marshal(r)
	if err != nil {
		return nil, err
	}
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", socket)
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://agent/cni", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking the agent: %w", err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("reading the agent's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, errors.New(strings.TrimSpace(string(answer)))
	}
	return answer, nil
}

func parseArgs(s string) map[string]string {
	args := map[string]string{}
	for pair := range strings.SplitSeq(s, ";") {
		if k, v, ok := strings.Cut(pair, "="); ok {
			args[k] = v
		}
	}
	return args
}

func fail(out io.Writer, code int, err error) int {
	_ = json.NewEncoder(out).Encode(Error{CNIVersion: Version, Code: code, Message: err.Error()})
	return 1
}

// Agent answers the plugin.
type Agent interface {
	// Attach connects a pod's namespace to its interface.
	Attach(ctx context.Context, r Request) (Result, error)
	// Detach undoes it; what is not attached is not an error.
	Detach(ctx context.Context, r Request) error
}

// Handler serves the plugin's requests for an agent.
func Handler(a Agent) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cni", func(w http.ResponseWriter, req *http.Request) {
		var r Request
		d := json.NewDecoder(http.MaxBytesReader(w, req.Body, 64<<10))
		d.DisallowUnknownFields()
		if err := d.Decode(&r); err != nil {
			http.Error(w, "decoding the request: "+err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, req, a, r)
	})
	return mux
}

func answer(w http.ResponseWriter, req *http.Request, a Agent, r Request) {
	switch r.Command {
	case "ADD":
		result, err := a.Attach(req.Context(), r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
		result.CNIVersion = Version
		_ = json.NewEncoder(w).Encode(result)
	case "DEL":
		if err := a.Detach(req.Context(), r); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
		}
	case "CHECK":
	default:
		http.Error(w, "unknown command "+r.Command, http.StatusBadRequest)
	}
}
