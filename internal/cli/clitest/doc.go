// Package clitest is an AWS account for the tests of the command line: EKS, IAM,
// STS and EC2 over their wire protocols, with only as much behaviour as the
// commands depend on, and a Kubernetes API that holds CoreDNS. It verifies no
// signature. Only tests import it.
package clitest
