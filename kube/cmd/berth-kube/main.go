// Command berth-kube is every Kubernetes component that Berth runs, in one binary.
package main

import (
	"os"

	"berth.dev/berth/kube/internal/app"
)

func main() { os.Exit(app.Main(os.Args)) }
