package kubelet

import (
	"os"
	"path/filepath"

	upstream "k8s.io/kubernetes/pkg/kubelet"
	kubecontainer "k8s.io/kubernetes/pkg/kubelet/container"
	"k8s.io/kubernetes/pkg/volume/util/hostutil"
)

// hostOS is the host without the folder that links all containers' logs by
// name: it is one per host, for log collectors of hosts, and a node that is
// removed would leave its links behind.
type hostOS struct{ kubecontainer.RealOS }

func inLogLinks(path string) bool {
	return path == upstream.ContainerLogsDir || filepath.Dir(path) == upstream.ContainerLogsDir
}

func (o hostOS) MkdirAll(path string, perm os.FileMode) error {
	if inLogLinks(path) {
		return nil
	}
	return o.RealOS.MkdirAll(path, perm)
}

func (o hostOS) Symlink(oldname, newname string) error {
	if inLogLinks(newname) {
		return nil
	}
	return o.RealOS.Symlink(oldname, newname)
}

// hostUtils never changes the propagation of mounts: no pod of a node may ask
// for mounts to travel out of it, and a bind mount per node would be left.
type hostUtils struct{ hostutil.HostUtils }

func (hostUtils) MakeRShared(string) error { return nil }
