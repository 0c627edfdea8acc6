package vpc

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// The tests of Host change the network of a host. They get one of their own: the
// test program starts itself again in new network and mount namespaces with an
// empty /run, which vanish with it.
const stagedEnv = "BERTH_VPC_TEST_STAGE"

// cannotStage is why there is no stage to test on, empty if there is.
var cannotStage string

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(stagedEnv) != "":
		if err := prepareStage(); err != nil {
			cannotStage = err.Error()
		}
	case os.Geteuid() != 0:
		cannotStage = "needs root"
	default:
		code, err := runOnStage()
		if err == nil {
			os.Exit(code)
		}
		cannotStage = err.Error()
	}
	os.Exit(m.Run())
}

func runOnStage() (int, error) {
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), stagedEnv+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	// The death signal is bound to the thread that starts the child.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS, Pdeathsig: syscall.SIGKILL}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("unsharing namespaces: %w", err)
	}
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), nil
}

func prepareStage() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", 0, ""); err != nil {
		return fmt.Errorf("mounting /run: %w", err)
	}
	if err := loopbackUp(); err != nil {
		return fmt.Errorf("bringing the loopback link up: %w", err)
	}
	_, err := exec.LookPath("nft")
	return err
}

func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP | unix.IFF_RUNNING)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}
