package profile

import (
	"strings"

	"berth.dev/berth/internal/fault"
)

// Limits are the quotas on a profile's parts; AWS raises them on request.
type Limits struct {
	Selectors int
	// Labels is how many label pairs one selector may hold.
	Labels int
}

// DefaultLimits are the quotas of a new account.
var DefaultLimits = Limits{Selectors: 5, Labels: 5}

// maxName is the longest value that a Kubernetes label can hold: the name
// becomes the value of Label on every pod of the profile.
const maxName = 63

// ValidateName refuses names that EKS reserves or that could not be written on
// a pod. The error is a *fault.Error.
func ValidateName(name string) error {
	switch {
	case strings.HasPrefix(name, "eks-"):
		return invalid("Fargate Profile name must not start with the reserved prefix eks-")
	case len(name) == 0 || len(name) > maxName || !isLabelValue(name):
		return invalid("Fargate Profile name must be 1 to 63 letters, digits, hyphens, underscores or periods, and start and end with a letter or digit: %s", name)
	}
	return nil
}

// ValidateSelectors refuses selectors in EKS's order and words: none at all,
// one without a namespace, one with too many labels, too many of them. The
// error is a *fault.Error.
func ValidateSelectors(selectors []Selector, limits Limits) error {
	if len(selectors) == 0 {
		return invalid("Fargate Profile requires at least one selector.")
	}
	for _, s := range selectors {
		if s.Namespace == "" {
			return invalid("Fargate Profile must have at least one selector with at least one namespace value.")
		}
	}
	for _, s := range selectors {
		if len(s.Labels) > limits.Labels {
			return invalid("Request contains Selector with more than %d Label pairs", limits.Labels)
		}
	}
	if len(selectors) > limits.Selectors {
		return fault.New(400, "ResourceLimitExceededException",
			"Request contains more than %d Selectors", limits.Selectors)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return fault.New(400, "InvalidParameterException", format, args...)
}

func isLabelValue(s string) bool {
	for i := range len(s) {
		alphanumeric := 'a' <= s[i] && s[i] <= 'z' || 'A' <= s[i] && s[i] <= 'Z' || '0' <= s[i] && s[i] <= '9'
		inner := i > 0 && i < len(s)-1
		if !alphanumeric && !(inner && strings.IndexByte("-_.", s[i]) >= 0) {
			return false
		}
	}
	return true
}
