package sizing

import corev1 "k8s.io/api/core/v1"

// NeedOf is what a pod requests, in each resource for itself:
//
//   - what runs together: all containers and all sidecars, which are init
//     containers that restart always;
//   - or, if it is more, what runs while the pod starts: an init container
//     together with the sidecars before it;
//   - or, where the pod as a whole states a request, that;
//   - and the overhead of its runtime class.
//
// A limit without a request is a request, as the API server makes it.
func NeedOf(spec *corev1.PodSpec) Need {
	return Need{
		MilliCPU: podRequest(spec, corev1.ResourceCPU),
		Memory:   podRequest(spec, corev1.ResourceMemory),
		Storage:  containersRequest(spec, corev1.ResourceEphemeralStorage),
	}
}

func podRequest(spec *corev1.PodSpec, name corev1.ResourceName) int64 {
	n := containersRequest(spec, name)
	if r := spec.Resources; r != nil {
		if _, ok := r.Requests[name]; ok {
			n = amount(r.Requests, name)
		} else if n == 0 {
			n = amount(r.Limits, name)
		}
	}
	return n + amount(spec.Overhead, name)
}

func containersRequest(spec *corev1.PodSpec, name corev1.ResourceName) int64 {
	var sidecars, starting, running int64
	for i := range spec.InitContainers {
		c := &spec.InitContainers[i]
		n := request(c, name)
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sidecars += n
			starting = max(starting, sidecars)
			continue
		}
		starting = max(starting, sidecars+n)
	}
	for i := range spec.Containers {
		running += request(&spec.Containers[i], name)
	}
	return max(starting, running+sidecars)
}

func request(c *corev1.Container, name corev1.ResourceName) int64 {
	if _, ok := c.Resources.Requests[name]; ok {
		return amount(c.Resources.Requests, name)
	}
	return amount(c.Resources.Limits, name)
}

// amount is in thousandths for CPU and in bytes for all else, rounded up.
func amount(list corev1.ResourceList, name corev1.ResourceName) int64 {
	q := list[name]
	if name == corev1.ResourceCPU {
		return q.MilliValue()
	}
	return q.Value()
}
