// Package dns is the resolver of a VPC: what answers at the block's base plus
// two. It knows the private names of the VPC's addresses, asks its owner about
// other private names, and passes every other question to the host's resolvers.
//
// It is not a zone server: hosted zones and DHCP option sets have no place here.
// It opens no sockets to clients; its owner hands it sockets made inside the
// VPC's namespace. Questions are passed on from the process's own network, so a
// resolver on the host's loopback works. The agent may import it, and whoever
// needs the private names.
package dns
