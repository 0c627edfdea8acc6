package hello

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

func cat(_ context.Context, p Process) error {
	_, operands, err := getopt(p.Args, "")
	if err != nil {
		return err
	}
	if len(operands) == 0 {
		operands = []string{"-"}
	}
	var errs []error
	for _, name := range operands {
		errs = append(errs, copyFile(p, name))
	}
	return errors.Join(errs...)
}

func copyFile(p Process, name string) error {
	if name == "-" {
		_, err := io.Copy(p.Stdout, p.Stdin)
		return err
	}
	file, err := os.Open(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(p.Stdout, file)
	return err
}

func printEnv(_ context.Context, p Process) error {
	if len(p.Args) > 0 {
		return usagef("unexpected argument %q: env only prints", p.Args[0])
	}
	_, err := io.WriteString(p.Stdout, sortedEnv(p.Env))
	return err
}

// ls prints one name a line, as it does when it is not on a terminal.
func ls(_ context.Context, p Process) error {
	options, operands, err := getopt(p.Args, "1al")
	if err != nil {
		return err
	}
	if len(operands) == 0 {
		operands = []string{"."}
	}
	var errs []error
	for _, name := range operands {
		errs = append(errs, list(p.Stdout, name, listing{
			hidden: has(options, 'a'), long: has(options, 'l'), heading: len(operands) > 1,
		}))
	}
	return errors.Join(errs...)
}

type listing struct{ hidden, long, heading bool }

func list(w io.Writer, name string, how listing) error {
	info, err := os.Stat(name)
	if err != nil {
		return err
	}
	if !info.IsDir() {
		return entry(w, name, info, how.long)
	}
	entries, err := os.ReadDir(name)
	if err != nil {
		return err
	}
	if how.heading {
		fmt.Fprintf(w, "%s:\n", name)
	}
	for _, e := range entries {
		if !how.hidden && e.Name()[0] == '.' {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // removed since the folder was read
		}
		if err != nil {
			return err
		}
		if err := entry(w, e.Name(), info, how.long); err != nil {
			return err
		}
	}
	return nil
}

func entry(w io.Writer, name string, info fs.FileInfo, long bool) error {
	if long {
		_, err := fmt.Fprintf(w, "%s %10d %s %s\n", info.Mode(), info.Size(), info.ModTime().UTC().Format("2006-01-02 15:04"), name)
		return err
	}
	_, err := fmt.Fprintln(w, name)
	return err
}

func has(options map[byte]string, option byte) bool {
	_, ok := options[option]
	return ok
}
