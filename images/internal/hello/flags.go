package hello

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
)

// usageError is the caller's mistake in a command line.
type usageError struct{ reason string }

func (e *usageError) Error() string { return e.reason }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Sprintf(format, args...)}
}

// newFlags returns a set that leaves reporting to Main.
func newFlags(name string) *flag.FlagSet {
	fs := flag.NewFlagSet(name, flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	return fs
}

// parse reads flags wherever they stand among the operands, as users type
// them, and returns the operands. After "--" everything is an operand.
func parse(fs *flag.FlagSet, args []string) ([]string, error) {
	var operands []string
	for {
		if err := fs.Parse(args); err != nil {
			if errors.Is(err, flag.ErrHelp) {
				return nil, err
			}
			return nil, &usageError{err.Error()}
		}
		rest := fs.Args()
		if parsed := len(args) - len(rest); parsed > 0 && args[parsed-1] == "--" {
			return append(operands, rest...), nil
		}
		if len(rest) == 0 {
			return operands, nil
		}
		operands = append(operands, rest[0])
		args = rest[1:]
	}
}

// getopt reads POSIX short options: letters may be bundled, and a letter that
// spec follows with ':' takes a value, attached or as the next argument. Each
// option maps to its last value, "" for one that takes none.
func getopt(args []string, spec string) (options map[byte]string, operands []string, err error) {
	options = map[byte]string{}
	for i := 0; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			return options, append(operands, args[i+1:]...), nil
		}
		if len(a) < 2 || a[0] != '-' {
			operands = append(operands, a)
			continue
		}
		for j := 1; j < len(a); j++ {
			at := strings.IndexByte(spec, a[j])
			if at < 0 || a[j] == ':' {
				return nil, nil, usagef("unknown option -%c", a[j])
			}
			if at+1 >= len(spec) || spec[at+1] != ':' {
				options[a[j]] = ""
				continue
			}
			if j+1 < len(a) {
				options[a[j]] = a[j+1:]
			} else if i++; i < len(args) {
				options[a[j]] = args[i]
			} else {
				return nil, nil, usagef("option -%c needs a value", a[j])
			}
			break
		}
	}
	return options, operands, nil
}
