// Command hello is a small web server and toolbox; see package hello.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"berth.dev/berth/images/internal/hello"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return hello.Main(ctx, os.Args, hello.Process{
		Env: os.Environ(), Stdin: os.Stdin, Stdout: os.Stdout, Stderr: os.Stderr,
	})
}
