// Package cluster has the commands create, get and delete cluster, token and
// utils write-kubeconfig. Creating calls the APIs of EC2, IAM and EKS for what
// eksctl has in its template; every thing is found again by its tag or its
// name, so that a second run goes on where an interrupted one ended. The app
// package imports it.
package cluster
