package app_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"
	"k8s.io/utils/clock"

	"berth.dev/berth/internal/app"
	"berth.dev/berth/internal/cli/clitest"
	"berth.dev/berth/internal/cli/local"
	"berth.dev/berth/internal/server"
)

var update = flag.Bool("update", false, "write what the commands print into the scripts")

// frozen is a clock that stands still, so that log lines can be compared; its
// timers are real.
type frozen struct{ clock.RealClock }

func (frozen) Now() time.Time                { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) }
func (frozen) Since(time.Time) time.Duration { return 0 }

// constant is a source of names that are always the same.
type constant byte

func (c constant) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = byte(c)
	}
	return len(p), nil
}

// script is a run of one file in testdata/script. Its lines are
//
//	berth ARGS          run a command that must succeed
//	! N berth ARGS      run a command that must exit with N
//	cmp stdout|stderr|calls|PATH FILE   compare with a file of the script
//	grep stdout|stderr PATTERN
//	cluster NAME        add a cluster that berth did not make
//	fail OPERATION CODE answer the next call of an operation with an error
//	env NAME=VALUE
//	left N              the account holds N resources
type script struct {
	*testing.T
	account        *clitest.Account
	work           string
	env            []string
	stdout, stderr string
	files          map[string][]byte
	app            app.App
	updated        bool
}

func TestScripts(t *testing.T) {
	paths, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts (%v)", err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar"), func(t *testing.T) {
			t.Parallel()
			archive, err := txtar.ParseFile(path)
			if err != nil {
				t.Fatal(err)
			}
			s := newScript(t, archive)
			for n, line := range strings.Split(string(archive.Comment), "\n") {
				if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
					s.run(n+1, strings.Fields(line))
				}
			}
			if s.updated {
				for i, f := range archive.Files {
					archive.Files[i].Data = s.files[f.Name]
				}
				if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

func newScript(t *testing.T, archive *txtar.Archive) *script {
	s := &script{T: t, account: clitest.New(t), work: t.TempDir(), files: map[string][]byte{}}
	for _, f := range archive.Files {
		s.files[f.Name] = f.Data
		path := filepath.Join(s.work, f.Name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, f.Data, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	s.env = []string{
		"HOME=" + s.work, "BERTH_DATA_DIR=" + filepath.Join(s.work, "data"), "AWS_ENDPOINT_URL=" + s.account.URL,
		"AWS_REGION=us-east-1", "AWS_ACCESS_KEY_ID=AKIAEXAMPLE", "AWS_SECRET_ACCESS_KEY=secret",
	}
	none := func(context.Context, server.Options) error { return errors.New("no server in this test") }
	s.app = app.App{
		Server: local.Server{Run: none, Purge: none}, Clock: frozen{}, Poll: time.Millisecond,
		Random: constant(0x9b), Executable: "/usr/local/bin/berth",
	}
	return s
}

func (s *script) run(line int, words []string) {
	s.Helper()
	fail := func(format string, args ...any) {
		s.Helper()
		s.Fatalf("line %d: %s: %s\nstdout:\n%s\nstderr:\n%s", line, strings.Join(words, " "), fmt.Sprintf(format, args...), s.stdout, s.stderr)
	}
	want := "0"
	if words[0] == "!" {
		want, words = words[1], words[2:]
	}
	switch words[0] {
	case "berth":
		if code := s.berth(words); fmt.Sprint(code) != want {
			fail("exit code %d, want %s", code, want)
		}
	case "cmp":
		s.compare(words[1], words[2])
	case "grep":
		pattern := strings.Join(words[2:], " ")
		if !regexp.MustCompile("(?m)" + pattern).MatchString(s.output(words[1])) {
			fail("no match")
		}
	case "cluster":
		s.account.AddCluster(words[1])
	case "fail":
		s.account.Fail(words[1], words[2])
	case "env":
		s.env = append(s.env, strings.ReplaceAll(words[1], "$WORK", s.work))
	case "left":
		if n := fmt.Sprint(s.account.Left()); n != words[1] {
			fail("%s resources are left", n)
		}
	default:
		fail("unknown command of a script")
	}
}

func (s *script) berth(words []string) int {
	var out, errs bytes.Buffer
	args := slices.Clone(words)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$WORK", s.work)
	}
	code := s.app.Main(s.Context(), args, s.env, strings.NewReader(""), &out, &errs)
	s.stdout, s.stderr = out.String(), errs.String()
	return code
}

func (s *script) output(name string) string {
	s.Helper()
	text := ""
	switch name {
	case "stdout":
		text = s.stdout
	case "stderr":
		text = s.stderr
	case "calls":
		text = strings.Join(s.account.Calls(), "\n") + "\n"
	default:
		b, err := os.ReadFile(filepath.Join(s.work, name))
		if err != nil {
			s.Fatal(err)
		}
		text = string(b)
	}
	text = strings.NewReplacer(s.work, "$WORK", s.account.URL, "$URL").Replace(text)
	text = regexp.MustCompile(`https://127\.0\.0\.1:\d+`).ReplaceAllString(text, "$$KUBE")
	text = regexp.MustCompile(`certificate-authority-data: \S+`).ReplaceAllString(text, "certificate-authority-data: $$CA")
	return regexp.MustCompile(`(Data"?: "?)[A-Za-z0-9+/=]{100,}`).ReplaceAllString(text, "${1}$$CA")
}

func (s *script) compare(output, file string) {
	s.Helper()
	got := s.output(output)
	if *update {
		s.files[file], s.updated = []byte(got), true
		return
	}
	if diff := cmp.Diff(string(s.files[file]), got); diff != "" {
		s.Errorf("%s (-%s +got):\n%s", output, file, diff)
	}
}
