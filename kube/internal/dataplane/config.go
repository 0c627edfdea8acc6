package dataplane

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	protocol "berth.dev/berth/dataplane"
)

// errTrailing is what decode says of a second value.
var errTrailing = errors.New("text after the value")

// decode reads one JSON value and refuses unknown fields and whatever follows.
func decode(r io.Reader, into any) error {
	decoder := json.NewDecoder(r)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return err
	}
	if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
		return errTrailing
	}
	return nil
}

func loadConfig(path string) (protocol.Config, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return protocol.Config{}, err
	}
	config, err := parseConfig(data)
	if err != nil {
		return protocol.Config{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return config, nil
}

func parseConfig(data []byte) (protocol.Config, error) {
	var config protocol.Config
	if err := decode(bytes.NewReader(data), &config); err != nil {
		return protocol.Config{}, err
	}
	return config, validate(config)
}

func validate(config protocol.Config) error {
	var errs []error
	for _, required := range []struct{ name, value string }{
		{"cluster", config.Cluster},
		{"apiServer", config.APIServer},
		{"caData", string(config.CAData)},
		{"clusterDomain", config.ClusterDomain},
	} {
		if required.value == "" {
			errs = append(errs, fmt.Errorf("%s is missing", required.name))
		}
	}
	for _, path := range []struct{ name, value string }{
		{"socket", config.Socket},
		{"stateDir", config.StateDir},
		{"podLogsDir", config.PodLogsDir},
		{"cgroupParent", config.CgroupParent},
	} {
		if !filepath.IsAbs(path.value) || filepath.Clean(path.value) != path.value {
			errs = append(errs, fmt.Errorf("%s %q is not a clean absolute path", path.name, path.value))
		}
	}
	switch config.Runtime {
	case protocol.Hollow:
	case protocol.GVisor, protocol.Runc:
		if config.RuntimeEndpoint == "" {
			errs = append(errs, fmt.Errorf("runtimeEndpoint is missing for runtime %s", config.Runtime))
		}
	default:
		errs = append(errs, fmt.Errorf("no runtime %q", config.Runtime))
	}
	return errors.Join(errs...)
}
