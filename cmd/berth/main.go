// Command berth is EKS with Fargate on your own machine.
package main

import (
	"context"
	"os"

	"berth.dev/berth/internal/app"
)

func main() {
	os.Exit(app.Main(context.Background(), os.Args, os.Environ(), os.Stdin, os.Stdout, os.Stderr))
}
