package credential_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"berth.dev/berth/internal/iam/credential"
)

func TestSecretStaysOutOfLogs(t *testing.T) {
	const hidden = "wJalrXUtnFEMI"
	s := credential.Secret(hidden)
	key := credential.Temporary{AccessKeyID: "ASIA", Secret: s, Token: s}
	var b bytes.Buffer
	log := slog.New(slog.NewTextHandler(&b, nil))
	log.Info("issued", "secret", s, "key", key)
	fmt.Fprintf(&b, "%s %v %q %#v %+v %#v", s, s, s, s, key, key)
	if strings.Contains(b.String(), hidden) || !strings.Contains(b.String(), "REDACTED") {
		t.Errorf("a secret shows in %s", b.String())
	}
	if s.Reveal() != hidden {
		t.Errorf("Reveal = %s", s.Reveal())
	}
	var back credential.Secret
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &back); err != nil || back != s {
		t.Errorf("the record of a secret does not read back: %v", err)
	}
}
