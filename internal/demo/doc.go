// Package demo is the command demo: from nothing to a web server on Fargate,
// shown. It starts Berth if it does not run, makes a cluster as `berth create
// cluster --fargate` does, applies a manifest with kubectl, checks what a user
// of Fargate relies on, and says how long each step took.
//
// It is a client like any other: what it makes, it makes through the APIs of AWS
// and Kubernetes, and each thing is found again by its name or tag, so that a
// second run takes seconds and goes on where an interrupted one ended. Only the
// app package imports it.
package demo
