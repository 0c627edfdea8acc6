// Package validation says what keeps a pod off Fargate, in Fargate's own words
// and order. It is pure: claims are looked up through a function that the
// caller gives. The scheduler, the nodes' admission and the command line
// import it.
package validation

import (
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// SchedulerName is the scheduler that a pod on Fargate must name.
const SchedulerName = "fargate-scheduler"

// CSIDriver is the only driver whose persistent volumes Fargate mounts.
const CSIDriver = "efs.csi.aws.com"

// Rule is what a pod breaks.
type Rule string

const (
	Scheduler       Rule = "Scheduler"
	DaemonSet       Rule = "DaemonSet"
	HostNamespaces  Rule = "HostNamespaces"
	Volumes         Rule = "Volumes"
	SecurityContext Rule = "SecurityContext"
	VolumeDevices   Rule = "VolumeDevices"
	HostPorts       Rule = "HostPorts"
)

// Violation is a rule that a pod breaks, and how.
type Violation struct {
	Rule Rule
	// Text is the fragment of the message.
	Text string
}

// Claim is what is known of a persistent volume claim and its volume.
type Claim struct {
	Bound bool
	// Volume is the name of the persistent volume, Driver its CSI driver; ""
	// for a volume of another kind.
	Volume, Driver string
}

// Options are what the rules depend on besides the pod.
type Options struct {
	// Claim looks up a claim; its error becomes part of the message. Without
	// it claims are not checked.
	Claim func(namespace, name string) (Claim, error)
	// AdvancedCapabilities allows four more capabilities to be added.
	AdvancedCapabilities bool
	// BlockedCapabilities are not allowed although they are on the list.
	BlockedCapabilities []string
}

// capabilities may be added by a container; advancedCapabilities too where the
// host is set up so.
var (
	capabilities = []string{
		"AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "MKNOD",
		"NET_BIND_SERVICE", "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
	}
	advancedCapabilities = []string{"IPC_LOCK", "LINUX_IMMUTABLE", "SYS_PTRACE", "SYS_RESOURCE"}
)

// Check finds every rule that the pod breaks, in the kubelet's order.
func Check(pod *corev1.Pod, o Options) []Violation {
	var broken []Violation
	for _, rule := range []struct {
		rule Rule
		text string
	}{
		{Scheduler, scheduler(pod)},
		{DaemonSet, daemonSet(pod)},
		{HostNamespaces, hostNamespaces(&pod.Spec)},
		{Volumes, volumes(pod, o)},
		{SecurityContext, securityContexts(&pod.Spec, o)},
		{VolumeDevices, volumeDevices(&pod.Spec)},
		{HostPorts, hostPorts(&pod.Spec)},
	} {
		if rule.text != "" {
			broken = append(broken, Violation{rule.rule, rule.text})
		}
	}
	return broken
}

// SchedulerMessage is what the Fargate scheduler says of a pod, "" for one
// without violations. It names security contexts before volumes.
func SchedulerMessage(broken []Violation) string {
	ordered := slices.Clone(broken)
	at := func(r Rule) int { return slices.IndexFunc(ordered, func(v Violation) bool { return v.Rule == r }) }
	if v, c := at(Volumes), at(SecurityContext); v >= 0 && c > v {
		ordered[v], ordered[c] = ordered[c], ordered[v]
	}
	for i := range ordered {
		if ordered[i].Rule == Volumes {
			ordered[i].Text = "volumes not supported: " + ordered[i].Text
		}
	}
	return message("Pod not supported on Fargate: ", ordered)
}

// KubeletMessage is what the kubelet of a Fargate node says of a pod, "" for
// one without violations.
func KubeletMessage(broken []Violation) string {
	return message("Pod not supported: ", broken)
}

func message(prefix string, broken []Violation) string {
	if len(broken) == 0 {
		return ""
	}
	texts := make([]string, 0, len(broken))
	for _, v := range broken {
		texts = append(texts, v.Text)
	}
	return prefix + strings.Join(texts, ", ")
}

func scheduler(pod *corev1.Pod) string {
	if pod.Spec.SchedulerName != SchedulerName {
		return "SchedulerName is not fargate-scheduler"
	}
	return ""
}

func daemonSet(pod *corev1.Pod) string {
	for _, o := range pod.OwnerReferences {
		if o.Kind == "DaemonSet" {
			return "DaemonSet not supported"
		}
	}
	return ""
}

func hostNamespaces(spec *corev1.PodSpec) string {
	var set []string
	for _, f := range []struct {
		name string
		set  bool
	}{{"HostNetwork", spec.HostNetwork}, {"HostPID", spec.HostPID}, {"HostIPC", spec.HostIPC}} {
		if f.set {
			set = append(set, f.name)
		}
	}
	if len(set) == 0 {
		return ""
	}
	return "fields not supported: " + strings.Join(set, ", ")
}

func volumes(pod *corev1.Pod, o Options) string {
	var bad []string
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		switch {
		case v.EmptyDir != nil, v.Secret != nil, v.ConfigMap != nil, v.Projected != nil, v.DownwardAPI != nil, v.NFS != nil:
		case v.PersistentVolumeClaim != nil:
			if why := claim(pod.Namespace, v.PersistentVolumeClaim.ClaimName, o); why != "" {
				bad = append(bad, fmt.Sprintf("%s not supported because: %s", v.Name, why))
			}
		case v.VolumeSource == corev1.VolumeSource{}:
			// The API server makes an emptyDir of a volume without a source.
		default:
			bad = append(bad, v.Name+" is of an unsupported volume Type")
		}
	}
	return strings.Join(bad, ", ")
}

func claim(namespace, name string, o Options) string {
	if o.Claim == nil {
		return ""
	}
	c, err := o.Claim(namespace, name)
	switch {
	case err != nil:
		return err.Error()
	case !c.Bound:
		return fmt.Sprintf("PVC %s not bound", name)
	case c.Driver == "":
		return fmt.Sprintf("PVC %s bound to invalid PV %s with nil CSI spec", name, c.Volume)
	case c.Driver != CSIDriver:
		return fmt.Sprintf("PVC %s bound to invalid PV %s with CSI Driver: %s", name, c.Volume, c.Driver)
	}
	return ""
}

func securityContexts(spec *corev1.PodSpec, o Options) string {
	var bad []string
	for c := range containers(spec) {
		if fields := securityContext(c.SecurityContext, o); len(fields) > 0 {
			bad = append(bad, strings.Join(fields, ", "))
		}
	}
	if len(bad) == 0 {
		return ""
	}
	return "invalid SecurityContext fields: " + strings.Join(bad, ",")
}

func securityContext(sc *corev1.SecurityContext, o Options) (fields []string) {
	if sc == nil {
		return nil
	}
	if sc.Capabilities != nil {
		var added []string
		for _, c := range sc.Capabilities.Add {
			if !o.allows(string(c)) {
				added = append(added, string(c))
			}
		}
		if len(added) > 0 {
			fields = append(fields, "Capabilities added: "+strings.Join(added, ", "))
		}
	}
	if sc.AllowPrivilegeEscalation != nil && *sc.AllowPrivilegeEscalation {
		fields = append(fields, "AllowPrivilegeEscalation")
	}
	if sc.Privileged != nil && *sc.Privileged {
		fields = append(fields, "Privileged")
	}
	return fields
}

func (o Options) allows(capability string) bool {
	if slices.Contains(o.BlockedCapabilities, capability) {
		return false
	}
	return slices.Contains(capabilities, capability) ||
		o.AdvancedCapabilities && slices.Contains(advancedCapabilities, capability)
}

func volumeDevices(spec *corev1.PodSpec) string {
	for c := range containers(spec) {
		if len(c.VolumeDevices) > 0 {
			return "volumeDevices not supported"
		}
	}
	return ""
}

func hostPorts(spec *corev1.PodSpec) string {
	for c := range containers(spec) {
		for _, p := range c.Ports {
			if p.HostPort > 0 || p.HostIP != "" {
				return "port contains HostIP or HostPort"
			}
		}
	}
	return ""
}

// containers is every container: init, app and ephemeral ones.
func containers(spec *corev1.PodSpec) func(yield func(*corev1.Container) bool) {
	return func(yield func(*corev1.Container) bool) {
		for i := range spec.InitContainers {
			if !yield(&spec.InitContainers[i]) {
				return
			}
		}
		for i := range spec.Containers {
			if !yield(&spec.Containers[i]) {
				return
			}
		}
		for i := range spec.EphemeralContainers {
			c := corev1.Container(spec.EphemeralContainers[i].EphemeralContainerCommon)
			if !yield(&c) {
				return
			}
		}
	}
}
