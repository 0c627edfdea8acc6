// Package hello is a small web server for trying a cluster out, and, in the
// same program, the handful of tools that one wants in a container with no
// shell: an HTTP client, a resolver, uname, sleep, cat, ls, env, and two that
// spend processor time and memory so that limits can be seen to hold.
//
// A tool runs as "hello NAME" or through a link of that name, as busybox does.
// It is not a busybox: each tool takes only the options that its usage names,
// and there is no shell. Only cmd/hello imports this package.
package hello

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
)

// Version is the tag of the image.
const Version = "1.0"

// Process is what a command receives from outside.
type Process struct {
	Args   []string // without the command's own name
	Env    []string // NAME=value
	Stdin  io.Reader
	Stdout io.Writer
	Stderr io.Writer
}

type command struct {
	name  string
	usage string
	// link says whether the image holds /bin/NAME for it.
	link bool
	run  func(context.Context, Process) error
}

// commands is in the order that usage prints.
func commands() []command {
	return []command{
		{"serve", "serve [--port 8080] [--grace 10s]", false, serve},
		{"get", "get URL [--count 1] [--timeout 10s] [--header 'K: V'] [--cacert FILE]", false, get},
		{"lookup", "lookup NAME|ADDRESS [--server ADDRESS[:PORT]] [--timeout 5s]", false, lookup},
		{"cpu", "cpu [--workers N] [--duration 0s]", false, cpu},
		{"mem", "mem --bytes 64Mi [--duration 0s]", false, mem},
		{"cat", "cat [FILE...]", true, cat},
		{"env", "env", true, printEnv},
		{"ls", "ls [-1al] [FILE...]", true, ls},
		{"nslookup", "nslookup NAME|ADDRESS [SERVER]", true, nslookup},
		{"sh", "sh: there is none; exec the tool itself", true, noShell},
		{"sleep", "sleep SECONDS|DURATION|infinity...", true, sleep},
		{"uname", "uname [-asnrvm]", true, uname},
		{"wget", "wget [-q] [-T SECONDS] [-O FILE|-] URL", true, wget},
		{"version", "version", false, version},
	}
}

// Links names the tools that an image offers as /bin/NAME, sorted.
func Links() []string {
	var names []string
	for _, c := range commands() {
		if c.link {
			names = append(names, c.name)
		}
	}
	slices.Sort(names)
	return names
}

// Main runs the command that argv names, by its first word or, when that is
// the program's own name, by its second. It returns the exit code: 0, 1 for a
// failure, 2 for wrong usage, 127 for a command that does not exist.
func Main(ctx context.Context, argv []string, p Process) int {
	name, args := split(argv)
	i := slices.IndexFunc(commands(), func(c command) bool { return c.name == name })
	if i < 0 {
		return unknown(name, p)
	}
	c := commands()[i]
	p.Args = args
	err := c.run(ctx, p)
	switch {
	case err == nil:
		return 0
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprintln(p.Stdout, "usage:", c.usage)
		return 0
	}
	fmt.Fprintf(p.Stderr, "%s: %v\n", name, err)
	var usage *usageError
	if errors.As(err, &usage) {
		fmt.Fprintln(p.Stderr, "usage:", c.usage)
		return 2
	}
	if errors.Is(err, errNoShell) {
		return 127
	}
	return 1
}

func split(argv []string) (name string, args []string) {
	if len(argv) == 0 {
		return "", nil
	}
	if base := filepath.Base(argv[0]); slices.Contains(Links(), base) {
		return base, argv[1:]
	}
	if len(argv) == 1 {
		return "", nil
	}
	return argv[1], argv[2:]
}

func unknown(name string, p Process) int {
	if slices.Contains([]string{"", "help", "-h", "--help"}, name) {
		fmt.Fprint(p.Stdout, usage())
		return 0
	}
	fmt.Fprintf(p.Stderr, "hello: no command %q\n%s", name, usage())
	return 127
}

func usage() string {
	var b strings.Builder
	b.WriteString("usage: hello COMMAND\n")
	for _, c := range commands() {
		fmt.Fprintf(&b, "  %s\n", c.usage)
	}
	return b.String()
}

func version(_ context.Context, p Process) error {
	_, err := fmt.Fprintln(p.Stdout, "hello", Version)
	return err
}

var errNoShell = errors.New("this image has no shell; exec the tool itself, for example: kubectl exec POD -- uname -a")

func noShell(context.Context, Process) error { return errNoShell }
