// Package cli holds what the commands of berth share: the terminal that they
// see, log lines and tables in eksctl's format, the connection to an AWS
// endpoint, tokens for Kubernetes, and errors that say what to do next. The
// commands themselves are in the packages below it, each an Options struct and
// a run function.
//
// It is a foreign client: it talks the APIs of AWS and Kubernetes and imports no
// domain package. Only its own subpackages and the app package import it.
package cli
