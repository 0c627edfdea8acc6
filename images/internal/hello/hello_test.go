package hello_test

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"berth.dev/berth/images/internal/hello"
)

type result struct {
	code           int
	stdout, stderr string
}

// run is what a shell would do with argv.
func run(t *testing.T, argv ...string) result {
	t.Helper()
	var stdout, stderr bytes.Buffer
	code := hello.Main(t.Context(), argv, hello.Process{
		Env:   []string{"B=2", "A=1"},
		Stdin: strings.NewReader("typed\n"), Stdout: &stdout, Stderr: &stderr,
	})
	return result{code, stdout.String(), stderr.String()}
}

func TestDispatch(t *testing.T) {
	for _, test := range []struct {
		name string
		argv []string
		want result
	}{
		{"command", []string{"/bin/hello", "env"}, result{0, "A=1\nB=2\n", ""}},
		{"link", []string{"/bin/env"}, result{0, "A=1\nB=2\n", ""}},
		{"link without a folder", []string{"env"}, result{0, "A=1\nB=2\n", ""}},
		{"standard input", []string{"cat"}, result{0, "typed\n", ""}},
		{"version", []string{"hello", "version"}, result{0, "hello " + hello.Version + "\n", ""}},
		{"not a link", []string{"/bin/serve"}, result{code: 0}}, // usage
		{"unknown", []string{"hello", "dance"}, result{code: 127, stderr: `hello: no command "dance"`}},
		{"shell", []string{"/bin/sh", "-c", "uname"}, result{127, "", "sh: this image has no shell; exec the tool itself, for example: kubectl exec POD -- uname -a\n"}},
		{"help of a command", []string{"hello", "serve", "-h"}, result{0, "usage: serve [--port 8080] [--grace 10s]\n", ""}},
		{"wrong flag", []string{"hello", "serve", "--prot", "1"}, result{code: 2, stderr: "serve: flag provided but not defined: -prot\nusage: serve"}},
		{"wrong option", []string{"/bin/uname", "-z"}, result{code: 2, stderr: "uname: unknown option -z\nusage: uname"}},
		{"env runs nothing", []string{"env", "X=1"}, result{code: 2, stderr: `env: unexpected argument "X=1"`}},
		{"no such file", []string{"cat", "/no/such"}, result{1, "", "cat: open /no/such: no such file or directory\n"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := run(t, test.argv...)
			exact := got == test.want
			prefix := test.want.stderr != "" && strings.HasPrefix(got.stderr, test.want.stderr) && got.code == test.want.code && got.stdout == ""
			usage := test.want == result{} && got.code == 0 && strings.HasPrefix(got.stdout, "usage: hello COMMAND\n")
			if !exact && !prefix && !usage {
				t.Errorf("%q gives %+v, want %+v", test.argv, got, test.want)
			}
		})
	}
}

func TestLinks(t *testing.T) {
	want := []string{"cat", "env", "ls", "nslookup", "sh", "sleep", "uname", "wget"}
	if diff := cmp.Diff(want, hello.Links()); diff != "" {
		t.Errorf("links (-want +got):\n%s", diff)
	}
}

func TestUname(t *testing.T) {
	release, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		t.Skipf("no /proc to compare with: %v", err)
	}
	want := strings.TrimSpace(string(release))
	if got := run(t, "uname", "-r").stdout; got != want+"\n" {
		t.Errorf("uname -r prints %q, want %q", got, want)
	}
	if got := run(t, "uname").stdout; got != "Linux\n" {
		t.Errorf("uname prints %q, want Linux", got)
	}
	if got := run(t, "uname", "-rs").stdout; got != "Linux "+want+"\n" {
		t.Errorf("uname -rs prints %q, want the fields in uname's order", got)
	}
	all := run(t, "hello", "uname", "-a").stdout
	if !strings.HasPrefix(all, "Linux ") || !strings.Contains(all, " "+want+" ") || !strings.HasSuffix(all, " GNU/Linux\n") {
		t.Errorf("uname -a prints %q", all)
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b", "a", ".hidden"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(name+"\n"), 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if got := run(t, "ls", dir).stdout; got != "a\nb\n" {
		t.Errorf("ls prints %q", got)
	}
	if got := run(t, "ls", "-a", dir).stdout; got != ".hidden\na\nb\n" {
		t.Errorf("ls -a prints %q", got)
	}
	if got := run(t, "ls", "-la", dir).stdout; !strings.Contains(got, "-rw-r-----          2 ") {
		t.Errorf("ls -la prints %q, want modes and sizes", got)
	}
	got := run(t, "cat", filepath.Join(dir, "a"), "/no/such", filepath.Join(dir, "b"))
	if got.stdout != "a\nb\n" || got.code != 1 {
		t.Errorf("cat with a missing file in the middle gives %+v, want both others and code 1", got)
	}
}

func TestSleep(t *testing.T) {
	if got := run(t, "sleep", "0", "0.001", "1ms"); got.code != 0 {
		t.Errorf("sleep gives %+v", got)
	}
	if got := run(t, "sleep", "-1s"); got.code != 2 {
		t.Errorf("sleep of a negative time gives %+v, want code 2", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stderr bytes.Buffer
	if code := hello.Main(ctx, []string{"sleep", "infinity"}, hello.Process{Stderr: &stderr}); code != 1 {
		t.Errorf("an interrupted sleep ends with %d %s, want 1", code, &stderr)
	}
}

func TestLoad(t *testing.T) {
	if got := run(t, "hello", "cpu", "--workers", "1", "--duration", "20ms"); got.code != 0 || !strings.Contains(got.stdout, "used ") {
		t.Errorf("cpu gives %+v", got)
	}
	if got := run(t, "hello", "mem", "--bytes", "3Mi", "--duration", "1ms"); got.stdout != "holding 3145728 bytes\n" {
		t.Errorf("mem gives %+v", got)
	}
	if got := run(t, "hello", "mem"); got.code != 2 {
		t.Errorf("mem without a size gives %+v, want code 2", got)
	}
}
