// Command coredns is CoreDNS with the plugins of package dns. Its flags, its
// Corefile and its output are CoreDNS's own.
package main

import (
	_ "berth.dev/berth/images/internal/dns" // registers the plugins

	"github.com/coredns/coredns/coremain"
)

func main() { coremain.Run() }
