// Package profile decides which Fargate profile a pod runs on, and which
// profiles are well formed. It is pure: profiles and pods come in as values,
// reasons go out as data. It does not know Kubernetes' types, AWS records or
// pods' sizes. The EKS service, admission, the scheduler and the command line
// import it.
package profile

import (
	"cmp"
	"fmt"
	"slices"
)

// Label names the profile of a pod. A user may set it to choose among the
// profiles that match; admission sets it to the one that was chosen.
const Label = "eks.amazonaws.com/fargate-profile"

// Selector matches pods by namespace and labels. Namespace, label keys and
// label values may hold the wildcards * and ?.
type Selector struct {
	Namespace string
	Labels    map[string]string
}

// Profile is a name and its selectors; a pod needs to match one of them.
type Profile struct {
	Name      string
	Selectors []Selector
}

// Pod is what matching looks at.
type Pod struct {
	Namespace string
	Labels    map[string]string
}

// Cause is why a selector or a profile was taken or left.
type Cause string

const (
	// Chosen is the selector that decided.
	Chosen Cause = "Chosen"
	// Later is a selector that matches, in a profile whose name comes after
	// the chosen one's.
	Later Cause = "Later"
	// NotNamed is a profile other than the one that the pod's label names.
	NotNamed Cause = "NotNamed"
	// NamespaceDiffers is a selector for another namespace.
	NamespaceDiffers Cause = "NamespaceDiffers"
	// LabelMissing is a selector that asks for a label key the pod has not.
	LabelMissing Cause = "LabelMissing"
	// LabelDiffers is a selector that asks for another value of a label.
	LabelDiffers Cause = "LabelDiffers"
)

// Reason is what was found out about one selector of one profile, or, when
// Selector is -1, about the profile as a whole.
type Reason struct {
	Profile  string
	Selector int
	Cause    Cause
	// Key is the selector's label key, for causes about labels.
	Key string
	// Want and Got are what the selector or the pod's label asks for, and what
	// was met.
	Want, Got string
}

// String says the reason in words.
func (r Reason) String() string {
	at := fmt.Sprintf("profile %q selector %d", r.Profile, r.Selector)
	switch r.Cause {
	case Chosen:
		return at + " matches"
	case Later:
		return fmt.Sprintf("%s matches too, but %q comes first", at, r.Want)
	case NotNamed:
		return fmt.Sprintf("profile %q: the pod's label asks for profile %q", r.Profile, r.Want)
	case NamespaceDiffers:
		return fmt.Sprintf("%s wants namespace %q, the pod is in %q", at, r.Want, r.Got)
	case LabelMissing:
		return fmt.Sprintf("%s wants label %q, which the pod lacks", at, r.Key)
	default:
		return fmt.Sprintf("%s wants label %q to be %q, it is %q", at, r.Key, r.Want, r.Got)
	}
}

// Result is the outcome of Match.
type Result struct {
	// Profile is the name of the chosen profile, "" when none matches.
	Profile string
	// Selector is the index of the selector that decided, -1 when none.
	Selector int
	// Considered is every profile, in the order of their names, with a reason
	// for each selector up to the one that matched.
	Considered []Reason
}

// Matched says whether a profile was chosen.
func (r Result) Matched() bool { return r.Profile != "" }

// Match finds the profile of a pod: of those with a selector that matches, the
// first by name; or, when the pod carries Label, only the one it names.
func Match(profiles []Profile, pod Pod) Result {
	result := Result{Selector: -1}
	named, isNamed := pod.Labels[Label]
	for _, p := range sorted(profiles) {
		if isNamed && p.Name != named {
			result.Considered = append(result.Considered, Reason{
				Profile: p.Name, Selector: -1, Cause: NotNamed, Want: named, Got: p.Name,
			})
			continue
		}
		result.consider(p, pod)
	}
	return result
}

func (r *Result) consider(p Profile, pod Pod) {
	for i, s := range p.Selectors {
		reason := s.match(pod)
		reason.Profile, reason.Selector = p.Name, i
		if reason.Cause == Chosen && r.Matched() {
			reason.Cause, reason.Want = Later, r.Profile
		}
		r.Considered = append(r.Considered, reason)
		if reason.Cause == Chosen {
			r.Profile, r.Selector = p.Name, i
		}
		if reason.Cause == Chosen || reason.Cause == Later {
			return
		}
	}
}

// sorted is profiles by name; the caller's slice is left as it is.
func sorted(profiles []Profile) []Profile {
	byName := func(a, b Profile) int { return cmp.Compare(a.Name, b.Name) }
	if slices.IsSortedFunc(profiles, byName) {
		return profiles
	}
	profiles = slices.Clone(profiles)
	slices.SortStableFunc(profiles, byName)
	return profiles
}

// match has the cause Chosen when the namespace and every label match.
func (s Selector) match(pod Pod) Reason {
	if !Wildcard(s.Namespace, pod.Namespace) {
		return Reason{Cause: NamespaceDiffers, Want: s.Namespace, Got: pod.Namespace}
	}
	if len(s.Labels) == 0 {
		return Reason{Cause: Chosen}
	}
	for _, key := range sortedKeys(s.Labels) {
		if r := matchLabel(key, s.Labels[key], pod.Labels); r.Cause != Chosen {
			return r
		}
	}
	return Reason{Cause: Chosen}
}

// matchLabel looks for one label of the pod whose key and value both match.
func matchLabel(key, value string, labels map[string]string) Reason {
	// A literal key, the usual case, needs no walk.
	if got, ok := labels[key]; ok {
		if Wildcard(value, got) {
			return Reason{Cause: Chosen}
		}
	}
	miss := Reason{Cause: LabelMissing, Key: key, Want: value}
	for _, k := range sortedKeys(labels) {
		if !Wildcard(key, k) {
			continue
		}
		if Wildcard(value, labels[k]) {
			return Reason{Cause: Chosen}
		}
		if miss.Cause == LabelMissing {
			miss.Cause, miss.Got = LabelDiffers, labels[k]
		}
	}
	return miss
}

// sortedKeys makes the reasons, and so what a user reads, the same every time.
func sortedKeys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
