package cli

import (
	"fmt"
	"io"

	"k8s.io/utils/clock"
)

// Log writes what a command does, a line each, in eksctl's format:
//
//	2023-06-17 14:33:44 [ℹ]  creating Fargate profile "dev" on EKS cluster "demo"
type Log struct {
	out   io.Writer
	clock clock.PassiveClock
}

// Log is a log on the standard output, where eksctl writes its own.
func (t *Terminal) Log() *Log { return &Log{out: t.Out, clock: t.Clock} }

// LogFor is a log that leaves the standard output to what a program reads:
// with any format but the table it writes to the standard error.
func (t *Terminal) LogFor(o Output) *Log {
	if o == "" || o == OutputTable {
		return t.Log()
	}
	return &Log{out: t.Err, clock: t.Clock}
}

// ErrLog is a log on the standard error.
func (t *Terminal) ErrLog() *Log { return &Log{out: t.Err, clock: t.Clock} }

func (l *Log) line(symbol, format string, args []any) {
	fmt.Fprintf(l.out, "%s [%s]  %s\n", l.clock.Now().Format("2006-01-02 15:04:05"), symbol, fmt.Sprintf(format, args...))
}

// Infof says what is being done.
func (l *Log) Infof(format string, args ...any) { l.line("ℹ", format, args) }

// Successf says what has been done.
func (l *Log) Successf(format string, args ...any) { l.line("✔", format, args) }

// Warnf says what a user should know though the command goes on.
func (l *Log) Warnf(format string, args ...any) { l.line("!", format, args) }
