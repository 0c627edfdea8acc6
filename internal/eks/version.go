package eks

import (
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// release is a minor version of Kubernetes that clusters may run. Older minors
// than the newest are served by the newest one's code in emulation, so they
// have no patch version of their own.
type release struct {
	version, platform, patch string
	released, standardUntil  time.Time
}

// DefaultVersion is what a cluster gets that asks for no version: the newest
// in standard support.
const DefaultVersion = "1.36"

// releases are newest first, with the dates of EKS's calendar.
var releases = []release{
	{"1.36", "eks.1", "1.36.3", date(2026, 6, 2), date(2027, 8, 2)},
	{"1.35", "eks.1", "", date(2026, 1, 27), date(2027, 3, 27)},
	{"1.34", "eks.1", "", date(2025, 10, 2), date(2026, 12, 2)},
}

func date(year int, month time.Month, day int) time.Time {
	return time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
}

func findRelease(version string) (release, bool) {
	i := slices.IndexFunc(releases, func(r release) bool { return r.version == version })
	if i < 0 {
		return release{}, false
	}
	return releases[i], true
}

// extendedUntil is twelve months after standard support.
func (r release) extendedUntil() time.Time { return r.standardUntil.AddDate(1, 0, 0) }

func (r release) information(now time.Time) types.ClusterVersionInformation {
	info := types.ClusterVersionInformation{
		ClusterType:              aws.String("eks"),
		ClusterVersion:           aws.String(r.version),
		DefaultPlatformVersion:   aws.String(r.platform),
		DefaultVersion:           r.version == DefaultVersion,
		ReleaseDate:              aws.Time(r.released),
		EndOfStandardSupportDate: aws.Time(r.standardUntil),
		EndOfExtendedSupportDate: aws.Time(r.extendedUntil()),
		Status:                   types.ClusterVersionStatusStandardSupport,
		VersionStatus:            types.VersionStatusStandardSupport,
	}
	if r.patch != "" {
		info.KubernetesPatchVersion = aws.String(r.patch)
	}
	switch {
	case now.After(r.extendedUntil()):
		info.Status, info.VersionStatus = types.ClusterVersionStatusUnsupported, types.VersionStatusUnsupported
	case now.After(r.standardUntil):
		info.Status, info.VersionStatus = types.ClusterVersionStatusExtendedSupport, types.VersionStatusExtendedSupport
	}
	return info
}
