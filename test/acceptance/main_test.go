package acceptance

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"

	"berth.dev/berth/dataplane"
	"berth.dev/berth/internal/server"
)

// serverEnv holds the settings, in JSON, of a test binary that is to be a server.
const serverEnv = "BERTH_ACCEPTANCE_SERVER"

// settings are what a test chooses of its server.
type settings struct {
	DataDir, Bin, Listen, Region string
	Runtime                      dataplane.Runtime
	// UID and GID are whom the server runs as.
	UID, GID uint32
}

func (s settings) options(log *slog.Logger) server.Options {
	o := server.Defaults()
	o.DataDir, o.Bin, o.Listen, o.Region, o.Runtime, o.Log = s.DataDir, s.Bin, s.Listen, s.Region, s.Runtime, log
	return o
}

func TestMain(m *testing.M) {
	if text := os.Getenv(serverEnv); text != "" {
		if err := serve(text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// serve is a Berth until it is told to stop.
func serve(text string) error {
	var s settings
	if err := json.Unmarshal([]byte(text), &s); err != nil {
		return fmt.Errorf("reading %s: %w", serverEnv, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelDebug}))
	slog.SetDefault(log)
	return server.Run(ctx, s.options(log))
}

// binDir is the folder of the programs that a Berth runs.
func binDir() (string, error) {
	dir := os.Getenv("BERTH_BIN")
	if dir == "" {
		dir = "../../bin"
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for _, p := range []string{"berth-kube", "berth-cni", "containerd", "containerd-shim-runsc-v1", "containerd-shim-runc-v2", "runsc", "images/index.json"} {
		if _, err := os.Stat(filepath.Join(dir, p)); errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("%s is missing in %s: `make build` makes it", p, dir)
		}
	}
	return dir, nil
}

// need skips a test that this machine cannot run, and says why.
func need(t *testing.T) (bin string) {
	t.Helper()
	if testing.Short() {
		t.Skip("it starts a whole Berth: not in -short")
	}
	if os.Geteuid() != 0 {
		t.Skip("network namespaces, mounts and cgroups need root")
	}
	bin, err := binDir()
	if err != nil {
		t.Skip(err)
	}
	return bin
}
