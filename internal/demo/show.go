package demo

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// programGrace is how long an interrupted program may take to end.
const programGrace = 10 * time.Second

// programs runs what a user would type, and shows it.
type programs struct {
	out, err io.Writer
	environ  []string
	// kubectl and berth are the paths of the programs, kubeconfig that of the file.
	kubectl, berth, kubeconfig string
}

// command is a program that ends with ctx as a user would end it.
func command(ctx context.Context, path string, args ...string) *exec.Cmd {
	c := exec.CommandContext(ctx, path, args...)
	c.Cancel = func() error { return c.Process.Signal(syscall.SIGINT) }
	c.WaitDelay = programGrace
	return c
}

// show prints the command line of kubectl and what it writes, and returns that.
func (p programs) show(ctx context.Context, args ...string) (string, error) {
	fmt.Fprintf(p.out, "$ %s %s\n", short(p.kubectl), quoted(args))
	var text bytes.Buffer
	c := command(ctx, p.kubectl, args...)
	c.Env = append(without(p.environ, "KUBECONFIG"), "KUBECONFIG="+p.kubeconfig)
	c.Stdout, c.Stderr = io.MultiWriter(p.out, &text), p.err
	if err := c.Run(); err != nil {
		if ctx.Err() != nil {
			return "", interrupted(ctx)
		}
		return text.String(), fmt.Errorf("running kubectl %s: %w (its output is above)", strings.Join(args, " "), err)
	}
	return text.String(), nil
}

// quoted is a command line as it is typed.
func quoted(args []string) string {
	words := make([]string, len(args))
	for i, a := range args {
		words[i] = a
		if a == "" || strings.ContainsAny(a, "\"'`$&|;<>()*?[]{}#~ \t\n\\") {
			words[i] = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
		}
	}
	return strings.Join(words, " ")
}

func without(environ []string, name string) []string {
	var kept []string
	for _, e := range environ {
		if !strings.HasPrefix(e, name+"=") {
			kept = append(kept, e)
		}
	}
	return kept
}

// short is a path as it is typed from the working folder, where it is below it.
func short(path string) string {
	dir, err := os.Getwd()
	if err != nil {
		return path
	}
	if relative, err := filepath.Rel(dir, path); err == nil && !strings.HasPrefix(relative, "..") {
		return relative
	}
	return path
}

func interrupted(ctx context.Context) error {
	if ctx.Err() == context.DeadlineExceeded {
		return fmt.Errorf("the demo took too long: run it again to go on, or give it more time with --timeout")
	}
	return fmt.Errorf("interrupted: run the demo again to go on")
}
