package hello

import (
	"context"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"
)

// kernel is what the kernel under the process says of itself; in a sandbox
// that is the sandbox's kernel, not the host's.
type kernel struct{ sysname, nodename, release, version, machine string }

func readKernel() (kernel, error) {
	var u unix.Utsname
	if err := unix.Uname(&u); err != nil {
		return kernel{}, fmt.Errorf("reading the kernel's name: %w", err)
	}
	text := func(b []byte) string { return unix.ByteSliceToString(b) }
	return kernel{text(u.Sysname[:]), text(u.Nodename[:]), text(u.Release[:]), text(u.Version[:]), text(u.Machine[:])}, nil
}

func uname(_ context.Context, p Process) error {
	options, operands, err := getopt(p.Args, "asnrvm")
	if err != nil {
		return err
	}
	if len(operands) > 0 {
		return usagef("unexpected argument %q", operands[0])
	}
	k, err := readKernel()
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.Stdout, k.format(options))
	return err
}

// format prints the fields that options name, in uname's own order; without
// any, the system's name.
func (k kernel) format(options map[byte]string) string {
	_, all := options['a']
	if len(options) == 0 {
		options = map[byte]string{'s': ""}
	}
	var out []string
	for _, f := range []struct {
		option byte
		value  string
	}{{'s', k.sysname}, {'n', k.nodename}, {'r', k.release}, {'v', k.version}, {'m', k.machine}} {
		if _, ok := options[f.option]; ok || all {
			out = append(out, f.value)
		}
	}
	if all {
		out = append(out, "GNU/Linux")
	}
	return strings.Join(out, " ")
}
