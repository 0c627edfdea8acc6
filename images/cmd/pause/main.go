// Command pause holds a pod's namespaces; see package pause.
package main

import (
	"os"

	"berth.dev/berth/images/internal/pause"
)

func main() { os.Exit(pause.Main()) }
