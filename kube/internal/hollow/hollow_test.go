package hollow

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtimeapi "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestLife(t *testing.T) {
	now := time.Unix(100, 0)
	runtime := New("10.0.0.7", func() time.Time { return now })
	logs := t.TempDir()
	config := &runtimeapi.PodSandboxConfig{LogDirectory: logs}
	sandbox, err := runtime.RunPodSandbox(t.Context(), config, "")
	if err != nil {
		t.Fatal(err)
	}
	id, err := runtime.CreateContainer(t.Context(), sandbox, &runtimeapi.ContainerConfig{LogPath: "c/0.log"}, config)
	if err != nil {
		t.Fatal(err)
	}
	state := func() runtimeapi.ContainerState {
		t.Helper()
		described, err := runtime.ContainerStatus(t.Context(), id, false)
		if err != nil {
			t.Fatal(err)
		}
		return described.Status.State
	}
	if got := state(); got != runtimeapi.ContainerState_CONTAINER_CREATED {
		t.Errorf("created container is %s", got)
	}
	if err := runtime.StartContainer(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != runtimeapi.ContainerState_CONTAINER_RUNNING {
		t.Errorf("started container is %s", got)
	}
	if err := runtime.StartContainer(t.Context(), id); err == nil {
		t.Error("a running container was started again")
	}
	log, err := os.ReadFile(filepath.Join(logs, "c", "0.log"))
	if want := "1970-01-01T00:01:40Z stdout F berth: " + Notice; err != nil || !strings.HasPrefix(string(log), want) {
		t.Errorf("log is %q (%v), want it to begin with %q", log, err, want)
	}
	network, err := runtime.PodSandboxStatus(t.Context(), sandbox, false)
	if err != nil || network.Status.Network.Ip != "10.0.0.7" {
		t.Errorf("sandbox has address %q (%v), want the node's", network.GetStatus().GetNetwork().GetIp(), err)
	}
	if err := runtime.StopPodSandbox(t.Context(), sandbox); err != nil {
		t.Fatal(err)
	}
	if got := state(); got != runtimeapi.ContainerState_CONTAINER_EXITED {
		t.Errorf("container of a stopped sandbox is %s", got)
	}
	if err := runtime.RemovePodSandbox(t.Context(), sandbox); err != nil {
		t.Fatal(err)
	}
	left, err := runtime.ListContainers(t.Context(), nil)
	if err != nil || len(left) != 0 {
		t.Errorf("containers of a removed sandbox: %v, %v", left, err)
	}
	if _, err := runtime.ContainerStatus(t.Context(), id, false); status.Code(err) != codes.NotFound {
		t.Errorf("status of a removed container: %v, want not found", err)
	}
}

func TestExecutesNothing(t *testing.T) {
	runtime := New("10.0.0.7", time.Now)
	calls := map[string]func() error{
		"exec":         func() error { _, err := runtime.Exec(t.Context(), nil); return err },
		"exec sync":    func() error { _, _, err := runtime.ExecSync(t.Context(), "", nil, 0); return err },
		"attach":       func() error { _, err := runtime.Attach(t.Context(), nil); return err },
		"port-forward": func() error { _, err := runtime.PortForward(t.Context(), nil); return err },
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			err := call()
			if status.Code(err) != codes.Unimplemented || !strings.Contains(err.Error(), Notice) {
				t.Errorf("answer is %v, want unimplemented and %q", err, Notice)
			}
		})
	}
}
