// Package clusterconfig reads ClusterConfig files, eksctl.io/v1alpha5, and says
// what of them cannot be used: a field that is unknown, by its path, and a
// field that eksctl has and Berth does not, by its name. It calls nothing and
// writes nothing. The commands of the cli package import it.
package clusterconfig
