package awsapi

import (
	"fmt"
	"strings"
)

// Coverage renders what is implemented of each service's model as Markdown; the
// composition root's test keeps it as a golden page.
func Coverage(services []Service) string {
	var b strings.Builder
	for _, s := range services {
		all, implemented := s.Coverage()
		fmt.Fprintf(&b, "## %s: %d of %d\n\n", s.SigningName, len(implemented), len(all))
		var have, lack []string
		for _, name := range all {
			if implemented[name] {
				have = append(have, "`"+name+"`")
			} else {
				lack = append(lack, name)
			}
		}
		if len(have) > 0 {
			b.WriteString("Implemented: " + strings.Join(have, ", ") + ".\n\n")
		}
		if len(lack) > 0 {
			b.WriteString("Answered with " + s.notImplemented() + " (400): " + strings.Join(lack, ", ") + ".\n\n")
		}
	}
	return strings.TrimRight(b.String(), "\n") + "\n"
}

func (s Service) notImplemented() string {
	if s.Protocol == RESTJSON {
		return restDialect.notImplemented
	}
	return queryDialect.notImplemented
}
