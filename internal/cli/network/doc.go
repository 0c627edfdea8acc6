// Package network makes and removes the VPC of a cluster with what eksctl's
// template has: subnets public and private in every zone, an internet gateway,
// NAT gateways with their addresses, and route tables. Everything carries the
// cluster's tag and a name, by which an interrupted run finds what is there
// already. It knows nothing of clusters beyond their name. The cluster commands
// import it.
package network
