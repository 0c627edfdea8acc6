# Berth is built from Go modules and Debian packages alone. `make help` lists
# what can be made; `make demo` and `make test` set up whatever they need.

SHELL := /bin/bash
.DEFAULT_GOAL := help

# The main module's flags are those of its tests, so that both share one cache.
export CGO_ENABLED := 0
export GOFLAGS := -buildvcs=false

BERTH_SOURCES := $(shell find cmd internal dataplane -name '*.go' -not -name '*_test.go' -o -name '*.yaml' -not -path '*/testdata/*') go.mod go.sum
KUBE_SOURCES  := $(shell find kube dataplane -name '*.go' -not -name '*_test.go') kube/go.mod kube/go.sum kube/build.sh

include sandbox/sandbox.mk
include images/images.mk

PROGRAMS := bin/berth bin/berth-cni bin/berth-kube bin/kubectl \
	bin/containerd bin/containerd-shim-runc-v2 bin/runsc bin/containerd-shim-runsc-v1

.PHONY: help
help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

.PHONY: build
build: packages $(PROGRAMS) images ## fetch and build everything into bin/

.PHONY: packages
packages: ## install the Debian packages that Berth runs with
	@scripts/packages

bin/berth bin/berth-cni: bin/%: $(BERTH_SOURCES)
	@mkdir -p bin
	@echo "building $@"
	@go build -ldflags '-s -w' -o $@ ./cmd/$*
	@touch $@

bin/berth-kube: $(KUBE_SOURCES)
	@mkdir -p bin
	@echo "building $@ (Kubernetes: about ten minutes the first time)"
	@kube/build.sh $(CURDIR)/$@ $(CURDIR)/build/kube
	@touch $@

bin/kubectl: bin/berth-kube
	@ln -sf berth-kube $@

.PHONY: demo
demo: build ## start Berth, create a Fargate cluster and run a pod on it
	@bin/berth demo

.PHONY: test
test: build ## run every test, also those with real pods; says what it skips and why
	@scripts/test

.PHONY: bench
bench: build ## measure Berth against named floors; one JSON line a figure
	@scripts/bench

.PHONY: fmt
fmt: ## format the code
	@gofmt -w $$(git ls-files '*.go')

.PHONY: vet
vet: ## check formatting and vet the main module
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { gofmt -l $$(git ls-files '*.go'); exit 1; }
	@go vet ./...

.PHONY: clean
clean: ## remove what was built
	rm -rf bin build
