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

// run runs kubectl; what it writes goes to the writers.
func (p programs) run(ctx context.Context, out, errs io.Writer, args []string) error {
	c := command(ctx, p.kubectl, args...)
	c.Env = append(without(p.environ, "KUBECONFIG"), "KUBECONFIG="+p.kubeconfig)
	c.Stdout, c.Stderr = out, errs
	err := c.Run()
	if err != nil && ctx.Err() != nil {
		return interrupted(ctx)
	}
	return err
}

func (p programs) prompt(args []string) {
	fmt.Fprintf(p.out, "$ %s %s\n", short(p.kubectl), quoted(args))
}

// show prints the command line of kubectl and what it writes.
func (p programs) show(ctx context.Context, args ...string) error {
	p.prompt(args)
	if err := p.run(ctx, p.out, p.err, args); err != nil {
		return fmt.Errorf("running kubectl %s: %w (its output is above)", strings.Join(args, " "), err)
	}
	return nil
}

// settle is how long after a restart a pod may not be reached yet.
const settle = time.Minute

// reach is show for what goes to a pod, and returns what kubectl wrote. When
// Berth was killed a moment ago, pods go on but are reached again only once
// their kubelets are back: so a refusal is not the last word.
func (s *session) reach(ctx context.Context, args ...string) (string, error) {
	s.tools.prompt(args)
	var answer string
	began, refused := s.Clock.Now(), ""
	err := s.Until(ctx, s.log, "kubectl "+args[0]+" to reach the pod", func(ctx context.Context) (bool, error) {
		var out, errs bytes.Buffer
		err := s.tools.run(ctx, &out, &errs, args)
		if err == nil {
			answer = out.String()
			return true, nil
		}
		why := oneLine(errs.String())
		if s.Clock.Since(began) > settle {
			return false, fmt.Errorf("running kubectl %s: %w: %s", strings.Join(args, " "), err, why)
		}
		if why != refused {
			refused = why
			s.log.Warnf("not yet: %s", why)
		}
		return false, nil
	})
	fmt.Fprint(s.Out, answer)
	return answer, err
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
