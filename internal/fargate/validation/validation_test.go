package validation

import (
	"errors"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

func fargatePod(edit func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "p"},
		Spec:       corev1.PodSpec{SchedulerName: SchedulerName, Containers: []corev1.Container{{Name: "c"}}},
	}
	if edit != nil {
		edit(p)
	}
	return p
}

func volume(name string, source corev1.VolumeSource) corev1.Volume {
	return corev1.Volume{Name: name, VolumeSource: source}
}

func claimed(name, claim string) corev1.Volume {
	return volume(name, corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: claim}})
}

var privileged = &corev1.SecurityContext{Privileged: ptr.To(true)}

func adds(caps ...corev1.Capability) *corev1.SecurityContext {
	return &corev1.SecurityContext{Capabilities: &corev1.Capabilities{Add: caps}}
}

func lookup(_, name string) (Claim, error) {
	c, ok := map[string]Claim{
		"efs": {Bound: true, Volume: "pv-1", Driver: "efs.csi.aws.com"},
		"ebs": {Bound: true, Volume: "pv-2", Driver: "ebs.csi.aws.com"},
		"nfs": {Bound: true, Volume: "pv-3"},
		"new": {},
	}[name]
	if !ok {
		return Claim{}, errors.New(`persistentvolumeclaims "` + name + `" not found`)
	}
	return c, nil
}

func TestMessages(t *testing.T) {
	tests := []struct {
		name string
		pod  *corev1.Pod
		opts Options
		// rest is the message after the prefix; kubelet where it differs.
		rest, kubelet string
	}{
		{name: "nothing wrong", pod: fargatePod(nil)},
		{name: "scheduler", pod: fargatePod(func(p *corev1.Pod) { p.Spec.SchedulerName = "default-scheduler" }), rest: "SchedulerName is not fargate-scheduler"},
		{name: "daemon set", pod: fargatePod(func(p *corev1.Pod) {
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "ReplicaSet"}, {Kind: "DaemonSet"}}
		}), rest: "DaemonSet not supported"},
		{name: "all host namespaces", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.HostNetwork, p.Spec.HostPID, p.Spec.HostIPC = true, true, true
		}), rest: "fields not supported: HostNetwork, HostPID, HostIPC"},
		{name: "host network, privileged, host port", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.HostNetwork = true
			p.Spec.Containers[0].SecurityContext = privileged
			p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: 80}}
		}), rest: "fields not supported: HostNetwork, invalid SecurityContext fields: Privileged, port contains HostIP or HostPort"},
		{name: "privileged with a host path", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{volume("mntdatas3fs", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}})}
			p.Spec.Containers[0].SecurityContext = privileged
		}),
			rest:    "invalid SecurityContext fields: Privileged, volumes not supported: mntdatas3fs is of an unsupported volume Type",
			kubelet: "mntdatas3fs is of an unsupported volume Type, invalid SecurityContext fields: Privileged"},
		{name: "claim not bound", opts: Options{Claim: lookup}, pod: fargatePod(func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{claimed("data", "new")} }),
			rest:    "volumes not supported: data not supported because: PVC new not bound",
			kubelet: "data not supported because: PVC new not bound"},
		{name: "claims", opts: Options{Claim: lookup}, pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{claimed("a", "efs"), claimed("b", "ebs"), claimed("c", "nfs"), claimed("d", "no")}
		}),
			rest:    `volumes not supported: b not supported because: PVC ebs bound to invalid PV pv-2 with CSI Driver: ebs.csi.aws.com, c not supported because: PVC nfs bound to invalid PV pv-3 with nil CSI spec, d not supported because: persistentvolumeclaims "no" not found`,
			kubelet: `b not supported because: PVC ebs bound to invalid PV pv-2 with CSI Driver: ebs.csi.aws.com, c not supported because: PVC nfs bound to invalid PV pv-3 with nil CSI spec, d not supported because: persistentvolumeclaims "no" not found`},
		{name: "claims without a cluster", pod: fargatePod(func(p *corev1.Pod) { p.Spec.Volumes = []corev1.Volume{claimed("a", "ebs")} })},
		{name: "allowed volumes", pod: fargatePod(func(p *corev1.Pod) {
			for _, s := range []corev1.VolumeSource{
				{EmptyDir: &corev1.EmptyDirVolumeSource{}}, {Secret: &corev1.SecretVolumeSource{}},
				{ConfigMap: &corev1.ConfigMapVolumeSource{}}, {Projected: &corev1.ProjectedVolumeSource{}},
				{DownwardAPI: &corev1.DownwardAPIVolumeSource{}}, {NFS: &corev1.NFSVolumeSource{}}, {},
			} {
				p.Spec.Volumes = append(p.Spec.Volumes, volume("v", s))
			}
		})},
		{name: "an inline ephemeral volume", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.Volumes = []corev1.Volume{volume("v", corev1.VolumeSource{Ephemeral: &corev1.EphemeralVolumeSource{}})}
		}), rest: "volumes not supported: v is of an unsupported volume Type", kubelet: "v is of an unsupported volume Type"},
		{name: "two containers, one capability", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.InitContainers = []corev1.Container{{SecurityContext: adds("DAC_READ_SEARCH")}}
			p.Spec.Containers[0].SecurityContext = adds("CHOWN", "DAC_READ_SEARCH")
		}), rest: "invalid SecurityContext fields: Capabilities added: DAC_READ_SEARCH,Capabilities added: DAC_READ_SEARCH"},
		{name: "all fields of a container", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{
				Privileged: ptr.To(true), AllowPrivilegeEscalation: ptr.To(true),
				Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN", "NET_ADMIN"}, Drop: []corev1.Capability{"ALL"}},
			}
		}), rest: "invalid SecurityContext fields: Capabilities added: SYS_ADMIN, NET_ADMIN, AllowPrivilegeEscalation, Privileged"},
		{name: "privileged twice", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.Containers = []corev1.Container{{SecurityContext: privileged}, {}, {SecurityContext: privileged}}
		}), rest: "invalid SecurityContext fields: Privileged,Privileged"},
		{name: "explicitly not privileged", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.Containers[0].SecurityContext = &corev1.SecurityContext{Privileged: ptr.To(false), AllowPrivilegeEscalation: ptr.To(false)}
		})},
		{name: "the pod's own security context", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.SecurityContext = &corev1.PodSecurityContext{RunAsUser: ptr.To(int64(0))}
		})},
		{name: "advanced capability", pod: fargatePod(func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext = adds("SYS_PTRACE") }),
			rest: "invalid SecurityContext fields: Capabilities added: SYS_PTRACE"},
		{name: "advanced capability, allowed", opts: Options{AdvancedCapabilities: true}, pod: fargatePod(func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext = adds("SYS_PTRACE") })},
		{name: "blocked capability", opts: Options{BlockedCapabilities: []string{"NET_RAW"}}, pod: fargatePod(func(p *corev1.Pod) { p.Spec.Containers[0].SecurityContext = adds("NET_RAW", "CHOWN") }),
			rest: "invalid SecurityContext fields: Capabilities added: NET_RAW"},
		{name: "ephemeral container", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.EphemeralContainers = []corev1.EphemeralContainer{{EphemeralContainerCommon: corev1.EphemeralContainerCommon{SecurityContext: privileged}}}
		}), rest: "invalid SecurityContext fields: Privileged"},
		{name: "devices and host address", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.Containers[0].VolumeDevices = []corev1.VolumeDevice{{Name: "d"}}
			p.Spec.Containers[0].Ports = []corev1.ContainerPort{{ContainerPort: 80}, {ContainerPort: 81, HostIP: "10.0.0.1"}}
		}), rest: "volumeDevices not supported, port contains HostIP or HostPort"},
		{name: "everything", pod: fargatePod(func(p *corev1.Pod) {
			p.Spec.SchedulerName = ""
			p.OwnerReferences = []metav1.OwnerReference{{Kind: "DaemonSet"}}
			p.Spec.HostPID = true
			p.Spec.Volumes = []corev1.Volume{volume("v", corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}})}
			p.Spec.Containers[0] = corev1.Container{
				SecurityContext: privileged, VolumeDevices: []corev1.VolumeDevice{{}}, Ports: []corev1.ContainerPort{{HostPort: 1}},
			}
		}),
			rest:    "SchedulerName is not fargate-scheduler, DaemonSet not supported, fields not supported: HostPID, invalid SecurityContext fields: Privileged, volumes not supported: v is of an unsupported volume Type, volumeDevices not supported, port contains HostIP or HostPort",
			kubelet: "SchedulerName is not fargate-scheduler, DaemonSet not supported, fields not supported: HostPID, v is of an unsupported volume Type, invalid SecurityContext fields: Privileged, volumeDevices not supported, port contains HostIP or HostPort"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			broken := Check(tt.pod, tt.opts)
			want := prefixed("Pod not supported on Fargate: ", tt.rest)
			if got := SchedulerMessage(broken); got != want {
				t.Errorf("scheduler says\n%s\nwant\n%s", got, want)
			}
			if tt.kubelet == "" {
				tt.kubelet = tt.rest
			}
			want = prefixed("Pod not supported: ", tt.kubelet)
			if got := KubeletMessage(broken); got != want {
				t.Errorf("kubelet says\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func prefixed(prefix, rest string) string {
	if rest == "" {
		return ""
	}
	return prefix + rest
}
