#!/bin/sh
# Builds berth-kube:  kube/build.sh OUTPUT [BUILD-FOLDER]
#
# The version that clients see is set here; the patch makes kubelets stoppable
# (see patch/main.go). Without it the second kubelet of a process panics.
set -eu
cd "$(dirname "$0")"
output=$1
build=${2:-$PWD/../build/kube}
version=k8s.io/component-base/version
export CGO_ENABLED=0
go run ./patch -o "$build"
exec go build -trimpath -modfile "$build/go.mod" -o "$output" -ldflags "-s -w \
	-X $version.gitVersion=v1.36.3-eks-berth \
	-X $version.gitMajor=1 \
	-X $version.gitMinor=36 \
	-X $version.gitCommit=berth \
	-X $version.gitTreeState=clean \
	-X $version.buildDate=1970-01-01T00:00:00Z" ./cmd/berth-kube
