// Command image-build puts static programs into image archives; see package
// image.
//
//	image-build -programs build/images -out bin/images
package main

import (
	"flag"
	"fmt"
	"io"
	"os"

	"berth.dev/berth/images/internal/image"
)

func main() { os.Exit(run(os.Args[1:], os.Stdout, os.Stderr)) }

func run(args []string, stdout, stderr io.Writer) int {
	fs := flag.NewFlagSet("image-build", flag.ContinueOnError)
	fs.SetOutput(stderr)
	programs := fs.String("programs", "", "folder of the static programs pause, coredns and hello")
	out := fs.String("out", "", "folder for the archives and index.json")
	if err := fs.Parse(args); err != nil {
		return 2
	}
	if *programs == "" || *out == "" || fs.NArg() > 0 {
		fs.Usage()
		return 2
	}
	index, err := image.BuildAll(image.Specs(), *programs, *out)
	if err != nil {
		fmt.Fprintln(stderr, "image-build:", err)
		return 1
	}
	for _, i := range index.Images {
		fmt.Fprintf(stdout, "%-9s %6.1f MB  %s:%s\n", i.Platform, float64(i.Size)/1e6, i.Name, i.Tag)
	}
	return 0
}
