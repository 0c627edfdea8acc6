package doctor

// Probes ask a host. Each returns nil, or what stands in the way.
type Probes interface {
	OS() string
	Kernel() string
	UID() int
	// Capabilities are the effective ones of this process, a bit each.
	Capabilities() (uint64, error)
	// Namespace makes a network namespace.
	Namespace() error
	// Veth makes a pair of links in a fresh namespace.
	Veth() error
	// NFTables makes a table in a fresh namespace with the nft program.
	NFTables(nft string) error
	LookPath(name string) (string, error)
	Exists(path string) error
	ReadFile(path string) (string, error)
	// Cgroups are the version and the controllers.
	Cgroups() (version int, controllers []string, err error)
	// MakeCgroup makes a cgroup and removes it.
	MakeCgroup() error
	// Overlay mounts an overlay over folders beside path, which may not exist.
	Overlay(path string) error
	// OpenFiles is the hard limit of open files.
	OpenFiles() (uint64, error)
	// Listen listens on a TCP address.
	Listen(address string) error
	// Memory is what is available, in bytes.
	Memory() (uint64, error)
	Cores() int
}
