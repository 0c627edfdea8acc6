package iam

import (
	"crypto/sha256"
	"embed"
	"encoding/base32"
	"encoding/json"
	"fmt"
	"path"
	"strings"
	"time"

	"berth.dev/berth/internal/arn"
	"berth.dev/berth/internal/iam/policy"
)

// The policies that AWS manages, one file each. Their actions are the
// documented ones; ReadOnlyAccess names the services that Berth speaks and
// their neighbours instead of AWS's thousands of actions.
//
//go:embed managed/*.json
var managedFiles embed.FS

// managedPolicy is a policy that every account has and none can change.
type managedPolicy struct {
	Path        string          `json:"path"`
	Version     string          `json:"version"`
	Created     time.Time       `json:"created"`
	Description string          `json:"description"`
	Document    json.RawMessage `json:"document"`

	name   string
	id     string
	arn    arn.ARN
	parsed policy.Document
}

// loadManaged reads the built-in policies by ARN.
func loadManaged(partition string) (map[string]managedPolicy, error) {
	files, err := managedFiles.ReadDir("managed")
	if err != nil {
		return nil, fmt.Errorf("listing the managed policies: %w", err)
	}
	out := make(map[string]managedPolicy, len(files))
	for _, f := range files {
		b, err := managedFiles.ReadFile(path.Join("managed", f.Name()))
		if err != nil {
			return nil, fmt.Errorf("reading the managed policy %s: %w", f.Name(), err)
		}
		p := managedPolicy{name: strings.TrimSuffix(f.Name(), ".json")}
		if err := json.Unmarshal(b, &p); err != nil {
			return nil, fmt.Errorf("decoding the managed policy %s: %w", p.name, err)
		}
		if p.parsed, err = policy.Parse(policy.Identity, string(p.Document)); err != nil {
			return nil, fmt.Errorf("parsing the managed policy %s: %w", p.name, err)
		}
		sum := sha256.Sum256([]byte(p.name))
		p.id = "ANPA" + base32.StdEncoding.EncodeToString(sum[:])[:17]
		p.arn = managedARN(partition, p.Path, p.name)
		out[p.arn.String()] = p
	}
	return out, nil
}

func managedARN(partition, path, name string) arn.ARN {
	return arn.ARN{Partition: partition, Service: "iam", Account: "aws", Resource: "policy" + path + name}
}
