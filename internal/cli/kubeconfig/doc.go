// Package kubeconfig writes clusters into kubeconfig files as eksctl does: a
// context {user}@{cluster}.{region}.eksctl.io beside whatever the file holds
// already, with berth itself as the exec plugin that makes the tokens. It calls
// no API. The commands of the cli package import it.
package kubeconfig
