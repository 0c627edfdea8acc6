package ec2

import (
	"context"
	"slices"
	"strings"

	"berth.dev/berth/internal/fault"
)

// Zone is an availability zone.
type Zone struct {
	// Name is the region and a letter, ID the name that all accounts share.
	Name, ID string
}

// zoneLetters are the regions whose zones are not a, b and c.
var zoneLetters = map[string]string{
	"us-east-1":      "abcdef",
	"us-west-2":      "abcd",
	"ap-northeast-1": "acd",
	"ap-northeast-2": "abcd",
	"ca-central-1":   "abd",
}

// Zones are the availability zones of a region: three or more.
func Zones(region string) []Zone {
	letters, ok := zoneLetters[region]
	if !ok {
		letters = "abc"
	}
	short := shortRegion(region)
	zones := make([]Zone, 0, len(letters))
	for i, letter := range letters {
		zones = append(zones, Zone{Name: region + string(letter), ID: short + "-az" + string(rune('1'+i))})
	}
	return zones
}

// shortRegion is a region in zone identifiers: us-east-1 is use1,
// ap-northeast-1 apne1, us-gov-west-1 usgw1.
func shortRegion(region string) string {
	var b strings.Builder
	for i, word := range strings.Split(region, "-") {
		switch {
		case i == 0:
			b.WriteString(word)
		case word == "northeast", word == "northwest", word == "southeast", word == "southwest":
			b.WriteString(word[:1] + word[5:6])
		case word != "":
			b.WriteString(word[:1])
		}
	}
	return b.String()
}

// zone finds a zone of the service's region by name.
func (s *Service) zone(name string) (Zone, error) {
	zones := Zones(s.scope.Region)
	i := slices.IndexFunc(zones, func(z Zone) bool { return z.Name == name })
	if i < 0 {
		names := each(zones, func(z Zone) string { return z.Name })
		return Zone{}, invalidValue("Value (%s) for parameter availabilityZone is invalid. Subnets can currently only be created in the following availability zones: %s.", name, strings.Join(names, ", "))
	}
	return zones[i], nil
}

// zoneByID finds a zone of the service's region by its identifier.
func (s *Service) zoneByID(id string) (Zone, error) {
	zones := Zones(s.scope.Region)
	i := slices.IndexFunc(zones, func(z Zone) bool { return z.ID == id })
	if i < 0 {
		return Zone{}, invalidValue("Value (%s) for parameter availabilityZoneId is invalid.", id)
	}
	return zones[i], nil
}

// DescribeAvailabilityZonesInput asks for zones of the region.
type DescribeAvailabilityZonesInput struct {
	AllAvailabilityZones bool
	DryRun               bool
	Filters              []Filter `ec2:"Filter"`
	ZoneIds              []string `ec2:"ZoneId"`
	ZoneNames            []string `ec2:"ZoneName"`
}

// DescribeAvailabilityZonesOutput lists zones.
type DescribeAvailabilityZonesOutput struct {
	AvailabilityZones []AvailabilityZone `ec2:"availabilityZoneInfo"`
}

// AvailabilityZone is a zone in a response.
type AvailabilityZone struct {
	State              string `ec2:"zoneState"`
	OptInStatus        string
	Messages           []ZoneMessage `ec2:"messageSet"`
	RegionName         string
	ZoneName           string
	ZoneId             string
	GroupName          string
	GroupLongName      string
	NetworkBorderGroup string
	ZoneType           string
}

// ZoneMessage is an announcement about a zone; there is never one.
type ZoneMessage struct {
	Message string
}

var zoneFilters = attributes[AvailabilityZone]{
	"state":            func(z AvailabilityZone) []string { return one(z.State) },
	"zone-name":        func(z AvailabilityZone) []string { return one(z.ZoneName) },
	"zone-id":          func(z AvailabilityZone) []string { return one(z.ZoneId) },
	"zone-type":        func(z AvailabilityZone) []string { return one(z.ZoneType) },
	"region-name":      func(z AvailabilityZone) []string { return one(z.RegionName) },
	"group-name":       func(z AvailabilityZone) []string { return one(z.GroupName) },
	"opt-in-status":    func(z AvailabilityZone) []string { return one(z.OptInStatus) },
	"message":          func(AvailabilityZone) []string { return nil },
	"parent-zone-id":   func(AvailabilityZone) []string { return nil },
	"parent-zone-name": func(AvailabilityZone) []string { return nil },
	"group-long-name":  func(z AvailabilityZone) []string { return one(z.GroupLongName) },
}

// DescribeAvailabilityZones lists the zones of the region.
func (s *Service) DescribeAvailabilityZones(_ context.Context, in *DescribeAvailabilityZonesInput) (*DescribeAvailabilityZonesOutput, error) {
	if err := refuseDryRun(in.DryRun); err != nil {
		return nil, err
	}
	items := []AvailabilityZone{}
	for _, z := range Zones(s.scope.Region) {
		items = append(items, AvailabilityZone{
			State: "available", OptInStatus: "opt-in-not-required", Messages: []ZoneMessage{},
			RegionName: s.scope.Region, ZoneName: z.Name, ZoneId: z.ID,
			GroupName: s.scope.Region + "-zg-1", GroupLongName: s.scope.Region + " 1",
			NetworkBorderGroup: s.scope.Region, ZoneType: "availability-zone",
		})
	}
	for _, pick := range []struct {
		wanted []string
		of     func(AvailabilityZone) string
	}{
		{in.ZoneNames, func(z AvailabilityZone) string { return z.ZoneName }},
		{in.ZoneIds, func(z AvailabilityZone) string { return z.ZoneId }},
	} {
		for _, w := range pick.wanted {
			if !slices.ContainsFunc(items, func(z AvailabilityZone) bool { return pick.of(z) == w }) {
				return nil, fault.New(400, "InvalidParameterValue", "Invalid availability zone: [%s]", w)
			}
		}
		if len(pick.wanted) > 0 {
			items = slices.DeleteFunc(items, func(z AvailabilityZone) bool { return !slices.Contains(pick.wanted, pick.of(z)) })
		}
	}
	items, err := zoneFilters.apply(items, in.Filters, nil)
	if err != nil {
		return nil, err
	}
	return &DescribeAvailabilityZonesOutput{AvailabilityZones: items}, nil
}
