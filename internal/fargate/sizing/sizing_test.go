package sizing

import (
	"errors"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// list makes resources of name, quantity pairs.
func list(pairs ...string) corev1.ResourceList {
	l := corev1.ResourceList{}
	for p := range slices.Chunk(pairs, 2) {
		l[corev1.ResourceName(p[0])] = resource.MustParse(p[1])
	}
	return l
}

func requests(pairs ...string) corev1.Container {
	return corev1.Container{Resources: corev1.ResourceRequirements{Requests: list(pairs...)}}
}

func limits(pairs ...string) corev1.Container {
	return corev1.Container{Resources: corev1.ResourceRequirements{Limits: list(pairs...)}}
}

func sidecar(pairs ...string) corev1.Container {
	c := requests(pairs...)
	always := corev1.ContainerRestartPolicyAlways
	c.RestartPolicy = &always
	return c
}

func containers(c ...corev1.Container) corev1.PodSpec { return corev1.PodSpec{Containers: c} }

// TestMeasured holds the sizes that were measured on Fargate.
func TestMeasured(t *testing.T) {
	tests := []struct {
		name string
		spec corev1.PodSpec
		want string
	}{
		{"none", containers(corev1.Container{}), "0.25vCPU 0.5GB"},
		{"250m, 1000Mi", containers(requests("cpu", "250m", "memory", "1000Mi")), "0.25vCPU 2GB"},
		{"255m, 1000Mi", containers(requests("cpu", "255m", "memory", "1000Mi")), "0.5vCPU 2GB"},
		{"260m, 1750Mi", containers(requests("cpu", "260m", "memory", "1750Mi")), "0.5vCPU 2GB"},
		{"255m, 1800Mi", containers(requests("cpu", "255m", "memory", "1800Mi")), "0.5vCPU 3GB"},
		{"255m, 10Gi", containers(requests("cpu", "255m", "memory", "10Gi")), "2vCPU 11GB"},
		{"1, 2.5G", containers(requests("cpu", "1", "memory", "2.5G")), "1vCPU 3GB"},
		{"1, 4Gi", containers(requests("cpu", "1", "memory", "4Gi")), "1vCPU 5GB"},
		{"1, 8Gi", containers(requests("cpu", "1", "memory", "8Gi")), "2vCPU 9GB"},
		{"100m, 70Mi", containers(requests("cpu", "100m", "memory", "70Mi")), "0.25vCPU 0.5GB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.spec, tt.want) })
	}
}

func check(t *testing.T, spec corev1.PodSpec, want string) {
	t.Helper()
	got, err := Of(&spec)
	if err != nil {
		t.Fatal(err)
	}
	if got.String() != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestOf(t *testing.T) {
	pod := func(edit func(*corev1.PodSpec)) corev1.PodSpec {
		s := containers(requests("cpu", "100m", "memory", "100Mi"))
		edit(&s)
		return s
	}
	tests := []struct {
		name string
		spec corev1.PodSpec
		want string
	}{
		{"containers add up", containers(requests("cpu", "200m", "memory", "400Mi"), requests("cpu", "200m", "memory", "400Mi")), "0.5vCPU 2GB"},
		{"init containers do not", pod(func(s *corev1.PodSpec) {
			s.InitContainers = []corev1.Container{requests("cpu", "250m"), requests("memory", "200Mi")}
		}), "0.25vCPU 0.5GB"},
		{"a large init container decides, by resource", pod(func(s *corev1.PodSpec) {
			s.InitContainers = []corev1.Container{requests("cpu", "1"), requests("memory", "1Gi")}
		}), "1vCPU 2GB"},
		{"sidecars run beside containers", pod(func(s *corev1.PodSpec) { s.InitContainers = []corev1.Container{sidecar("cpu", "200m")} }), "0.5vCPU 1GB"},
		{"sidecars run beside later init containers", pod(func(s *corev1.PodSpec) {
			s.InitContainers = []corev1.Container{sidecar("cpu", "100m"), requests("cpu", "200m")}
		}), "0.5vCPU 1GB"},
		{"sidecars do not run beside earlier init containers", pod(func(s *corev1.PodSpec) {
			s.InitContainers = []corev1.Container{requests("cpu", "200m"), sidecar("cpu", "100m")}
		}), "0.25vCPU 0.5GB"},
		{"a limit is a request", containers(limits("cpu", "2", "memory", "1Gi")), "2vCPU 4GB"},
		{"a request beats a limit", containers(corev1.Container{Resources: corev1.ResourceRequirements{Requests: list("cpu", "100m"), Limits: list("cpu", "4")}}), "0.25vCPU 0.5GB"},
		{"the pod's request beats its containers'", pod(func(s *corev1.PodSpec) {
			s.Resources = &corev1.ResourceRequirements{Requests: list("cpu", "1", "memory", "3Gi")}
		}), "1vCPU 4GB"},
		{"the pod's limit counts when nobody requests", containers(corev1.Container{}), "0.25vCPU 0.5GB"},
		{"the pod's limit alone", corev1.PodSpec{Containers: []corev1.Container{{}}, Resources: &corev1.ResourceRequirements{Limits: list("cpu", "2")}}, "2vCPU 4GB"},
		{"the containers' requests beat the pod's limit", pod(func(s *corev1.PodSpec) { s.Resources = &corev1.ResourceRequirements{Limits: list("cpu", "2")} }), "0.25vCPU 0.5GB"},
		{"runtime overhead", pod(func(s *corev1.PodSpec) { s.Overhead = list("cpu", "200m") }), "0.5vCPU 1GB"},
		{"memory to the byte", containers(requests("memory", "256Mi")), "0.25vCPU 0.5GB"},
		{"one byte more", containers(requests("memory", "268435457")), "0.25vCPU 1GB"},
		{"steps of 4 GB at 8 vCPU", containers(requests("cpu", "5", "memory", "17Gi")), "8vCPU 20GB"},
		{"steps of 8 GB at 16 vCPU", containers(requests("cpu", "9", "memory", "33Gi")), "16vCPU 40GB"},
		{"little CPU, much memory", containers(requests("cpu", "255m", "memory", "31Gi")), "8vCPU 32GB"},
		{"the largest", containers(requests("cpu", "16", "memory", "122624Mi")), "16vCPU 120GB"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { check(t, tt.spec, tt.want) })
	}
}

func TestExceeds(t *testing.T) {
	tests := []struct {
		name, reason, message string
		container             corev1.Container
	}{
		{"CPU", ReasonTooLarge, "Your pod's cpu/memory requirements exceed the max Fargate configuration", requests("cpu", "16001m")},
		{"memory", ReasonTooLarge, "Your pod's cpu/memory requirements exceed the max Fargate configuration", requests("memory", "120Gi")},
		{"storage", ReasonUnsupported, "Pod not supported on Fargate: ephemeral-storage request of 176 GiB exceeds the maximum of 175 GiB", requests("ephemeral-storage", "176Gi")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			spec := containers(tt.container)
			_, err := Of(&spec)
			var e *ExceedsError
			if !errors.As(err, &e) || e.Reason != tt.reason || e.Message != tt.message {
				t.Errorf("got %#v, want reason %s, message %q", err, tt.reason, tt.message)
			}
		})
	}
}

func TestStorage(t *testing.T) {
	for ask, want := range map[string]int64{"1Gi": 20, "20Gi": 20, "21Gi": 25, "100Gi": 115, "175Gi": 202} {
		spec := containers(requests("ephemeral-storage", ask))
		got, err := Of(&spec)
		if err != nil || got.Storage != want*gibibyte {
			t.Errorf("%s: got %d GiB, %v, want %d", ask, got.Storage/gibibyte, err, want)
		}
	}
}

func TestSizesAreOrdered(t *testing.T) {
	if len(sizes) != 3+4+7+13+23+12+12 {
		t.Errorf("%d combinations", len(sizes))
	}
	for i := 1; i < len(sizes); i++ {
		a, b := sizes[i-1], sizes[i]
		if a.MilliCPU > b.MilliCPU || a.MilliCPU == b.MilliCPU && a.Memory >= b.Memory {
			t.Errorf("%s comes before %s", a, b)
		}
	}
}
