// Package containerd describes the containerd of a host: where it keeps what,
// the configuration files that it is started with, what the host can carry,
// and how to remove all of it without asking it.
//
// It renders text and cleans up. It does not start containerd, does not speak
// the CRI and knows no cluster, node or pod. Only package agent and the
// composition root may import it.
//
// Nothing of a containerd lies outside the folders that Paths names, with two
// exceptions that its libraries fix: CNI results in /var/lib/cni, which CleanUp
// tells apart by the socket of their configuration, and cgroups.
package containerd
