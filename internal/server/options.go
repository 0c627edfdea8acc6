// Package server is the composition root: the only package that imports every
// other one. It makes the parts of a Berth, connects them, starts them in order
// and stops them in reverse. Only the command line's server, up and down
// commands import it.
package server

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"berth.dev/berth/dataplane"
)

// Options are what a user chooses of a Berth.
type Options struct {
	// DataDir holds everything that a Berth keeps.
	DataDir string
	// Bin holds the programs that a Berth runs; the folder of berth itself by default.
	Bin string
	// Listen is the address of the AWS APIs, host:port.
	Listen  string
	Region  string
	Account string
	// Runtime is what executes pods.
	Runtime dataplane.Runtime
	// EtcdEndpoints are those of an external etcd; empty runs an embedded one.
	EtcdEndpoints []string
	// AccessKeyID and SecretAccessKey are the root key.
	AccessKeyID, SecretAccessKey string
	Log                          *slog.Logger
}

// Defaults are the options of a Berth about which nothing is said.
func Defaults() Options {
	return Options{
		// us-west-2 is eksctl's region when none is named.
		DataDir: "/var/lib/berth", Listen: "127.0.0.1:4566", Region: "us-west-2", Account: "123456789012",
		Runtime: dataplane.GVisor, AccessKeyID: "test", SecretAccessKey: "test",
	}
}

// maxDataDir is how long, in bytes, the path of a data folder may be: below it
// are sockets, agent/clusters/<10 bytes>/dataplane.sock the deepest of them, and
// the path of a Unix socket has 107 bytes at most.
const maxDataDir = 107 - len("/agent/clusters//dataplane.sock") - 10

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	regionPattern  = regexp.MustCompile(`^[a-z]{2}(-[a-z]+)+-[0-9]$`)
)

// Validate says what about the options cannot work, and what to do instead.
func (o Options) Validate() error {
	host, _, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("--listen %q is not host:port", o.Listen)
	}
	if !loopback(host) && o.AccessKeyID == "test" {
		return fmt.Errorf("--listen %s is not a loopback address, and the root key is the well-known test/test: choose a key with BERTH_ROOT_ACCESS_KEY_ID and BERTH_ROOT_SECRET_ACCESS_KEY, or listen on 127.0.0.1", o.Listen)
	}
	if !accountPattern.MatchString(o.Account) {
		return fmt.Errorf("--account %q is not an account id of twelve digits", o.Account)
	}
	if !regionPattern.MatchString(o.Region) {
		return fmt.Errorf("--region %q is not the name of an AWS region, such as us-east-1", o.Region)
	}
	switch o.Runtime {
	case dataplane.GVisor, dataplane.Runc, dataplane.Hollow:
	default:
		return fmt.Errorf("--runtime %q is none of gvisor, runc, hollow", o.Runtime)
	}
	if !filepath.IsAbs(o.DataDir) {
		return fmt.Errorf("--data-dir %q is not an absolute path", o.DataDir)
	}
	if n := len(filepath.Clean(o.DataDir)); n > maxDataDir {
		return fmt.Errorf("--data-dir %s is %d bytes long, and there are sockets in it whose paths may not be longer than the system allows: choose a path of at most %d bytes", o.DataDir, n, maxDataDir)
	}
	return nil
}

// loopback says whether only this host reaches an address.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Instance is the tag of a Berth in every name that the host sees: two Berths
// with different data folders have different tags.
func (o Options) Instance() string {
	sum := sha256.Sum256([]byte(filepath.Clean(o.DataDir)))
	return "berth-" + hex.EncodeToString(sum[:])[:6]
}

// State is what a running server says of itself in DataDir/server.json.
type State struct {
	PID       int               `json:"pid"`
	StartedAt time.Time         `json:"startedAt"`
	Endpoint  string            `json:"endpoint"`
	Region    string            `json:"region"`
	Account   string            `json:"account"`
	Runtime   dataplane.Runtime `json:"runtime"`
	// Ready says that every part has started.
	Ready bool `json:"ready"`
	// Lacks are the things that the host lacks for all that was asked for.
	Lacks []string `json:"lacks,omitempty"`
	// AccessKeyID and SecretAccessKey are the root key, for `berth env`.
	AccessKeyID     string `json:"accessKeyID"`
	SecretAccessKey string `json:"secretAccessKey"`
}

func statePath(dataDir string) string { return filepath.Join(dataDir, "server.json") }

// ReadState reads what the server of a data folder said last; it may be gone.
func ReadState(dataDir string) (State, error) {
	b, err := os.ReadFile(statePath(dataDir))
	if err != nil {
		return State{}, fmt.Errorf("reading the state of the server: %w", err)
	}
	var s State
	if err := json.Unmarshal(b, &s); err != nil {
		return State{}, fmt.Errorf("reading the state of the server: %w", err)
	}
	return s, nil
}

// writeState replaces the state in one step, so that no reader sees a half.
func writeState(dataDir string, s State) error {
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return fmt.Errorf("encoding the state of the server: %w", err)
	}
	tmp := statePath(dataDir) + ".tmp"
	if err := os.WriteFile(tmp, b, 0o600); err != nil {
		return fmt.Errorf("writing the state of the server: %w", err)
	}
	return os.Rename(tmp, statePath(dataDir))
}
