// Package sizing decides how much CPU, memory and storage a pod is given on
// Fargate: the smallest combination on sale that holds what its containers
// request. It is pure, and knows nothing of profiles, nodes or prices. The
// scheduler and the command line import it.
package sizing

import (
	"fmt"
	"strconv"

	corev1 "k8s.io/api/core/v1"
)

// Annotation carries the size of a pod: its key on the pod.
const Annotation = "CapacityProvisioned"

const (
	mebibyte = int64(1) << 20
	gibibyte = int64(1) << 30
)

// Overhead is the memory that the host's own kubelet, kube-proxy and container
// runtime take beside every pod; it is added to what the pod requests.
const Overhead = 256 * mebibyte

const (
	// DefaultStorage is the ephemeral storage of a pod that asks for no more.
	DefaultStorage = 20 * gibibyte
	// MaxStorage is the most ephemeral storage that a pod may request.
	MaxStorage = 175 * gibibyte
)

// Size is what a pod is given.
type Size struct {
	// MilliCPU is in thousandths of a vCPU.
	MilliCPU int64
	// Memory and Storage are in bytes. What Fargate calls a GB is a GiB.
	Memory, Storage int64
}

// String is the value of Annotation, for example 0.25vCPU 0.5GB.
func (s Size) String() string {
	return decimal(float64(s.MilliCPU)/1000) + "vCPU " + decimal(float64(s.Memory)/float64(gibibyte)) + "GB"
}

// decimal has no trailing zeros.
func decimal(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }

// Need is what a pod asks for, in the units of Size, without Overhead.
type Need struct{ MilliCPU, Memory, Storage int64 }

// ExceedsError says that no combination holds a pod.
type ExceedsError struct {
	// Reason and Message are those of the pod's PodScheduled condition.
	Reason, Message string
	Need            Need
}

func (e *ExceedsError) Error() string { return e.Message }

const (
	// ReasonTooLarge is for CPU and memory, ReasonUnsupported for storage.
	ReasonTooLarge    = "POD_CPU_MEM_EXCEEDS_MAX_FARGATE_SIZE"
	ReasonUnsupported = "POD_UNSUPPORTED_ON_FARGATE"
	messageTooLarge   = "Your pod's cpu/memory requirements exceed the max Fargate configuration"
)

// step is the memory that is on sale with one number of vCPUs: from min to max
// GiB in steps.
type step struct {
	milliCPU       int64
	min, max, each int64
}

// steps are by CPU. Of 0.25 vCPU, whose memory is not evenly spaced, see sizes.
var steps = []step{
	{500, 1, 4, 1},
	{1000, 2, 8, 1},
	{2000, 4, 16, 1},
	{4000, 8, 30, 1},
	{8000, 16, 60, 4},
	{16000, 32, 120, 8},
}

// sizes are all combinations, by CPU and then by memory.
var sizes = combinations()

func combinations() []Size {
	all := []Size{{MilliCPU: 250, Memory: gibibyte / 2}, {MilliCPU: 250, Memory: gibibyte}, {MilliCPU: 250, Memory: 2 * gibibyte}}
	for _, s := range steps {
		for m := s.min; m <= s.max; m += s.each {
			all = append(all, Size{MilliCPU: s.milliCPU, Memory: m * gibibyte})
		}
	}
	return all
}

// Of is the size of a pod. The error is an *ExceedsError when it has none.
func Of(spec *corev1.PodSpec) (Size, error) {
	need := NeedOf(spec)
	if need.Storage > MaxStorage {
		return Size{}, &ExceedsError{Reason: ReasonUnsupported, Need: need, Message: fmt.Sprintf(
			"Pod not supported on Fargate: ephemeral-storage request of %s GiB exceeds the maximum of %d GiB",
			decimal(float64(need.Storage)/float64(gibibyte)), MaxStorage/gibibyte)}
	}
	for _, s := range sizes {
		if s.MilliCPU >= need.MilliCPU && s.Memory >= need.Memory+Overhead {
			s.Storage = storage(need.Storage)
			return s, nil
		}
	}
	return Size{}, &ExceedsError{Reason: ReasonTooLarge, Message: messageTooLarge, Need: need}
}

// storage is what Fargate provisions for a request. One measurement is known,
// 115 GiB for 100; a share of 15 % for what the host needs fits it.
func storage(request int64) int64 {
	if request <= DefaultStorage {
		return DefaultStorage
	}
	whole := (request + gibibyte - 1) / gibibyte
	return (whole*115 + 99) / 100 * gibibyte
}
