# The container runtime, from pinned Go modules, without cgo and without
# downloads of binaries. Included by the main Makefile; also runs alone:
#
#	make -f sandbox/sandbox.mk sandbox
#
# Two modules, because gVisor is built against an older containerd than the
# one that runs it. A binary is built anew only when a file of its module
# changes. The runc runtime's runc is the Debian package of that name.

SANDBOX_DIR   := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
SANDBOX_BIN   ?= $(abspath $(SANDBOX_DIR)/../bin)
SANDBOX_BUILD  = CGO_ENABLED=0 go build -C $(SANDBOX_DIR)/$(1) -trimpath -buildvcs=false -ldflags '-s -w $(3)' -o $(SANDBOX_BIN)/$(2) ./cmd/$(2)
SANDBOX_FILES  = $(shell find $(SANDBOX_DIR)/$(1) -name '*.go' -not -name '*_test.go' -o -name go.mod -o -name go.sum)

# The versions that the binaries announce are those of go.mod.
CONTAINERD_VERSION = $(shell awk '$$1 == "github.com/containerd/containerd/v2" || $$2 == "github.com/containerd/containerd/v2" {print $$(NF - ($$NF == "indirect") * 2)}' $(SANDBOX_DIR)/containerd/go.mod)
GVISOR_VERSION     = $(shell awk '$$1 == "gvisor.dev/gvisor" || $$2 == "gvisor.dev/gvisor" {print $$NF}' $(SANDBOX_DIR)/gvisor/go.mod)
CONTAINERD_LDFLAGS = -X github.com/containerd/containerd/v2/version.Version=$(CONTAINERD_VERSION)
GVISOR_LDFLAGS     = -X gvisor.dev/gvisor/runsc/version.version=$(GVISOR_VERSION)

.PHONY: sandbox sandbox-test
sandbox: bin/containerd bin/containerd-shim-runc-v2 bin/runsc bin/containerd-shim-runsc-v1 ## build containerd, its shims and gVisor's runsc

bin/containerd bin/containerd-shim-runc-v2: $(call SANDBOX_FILES,containerd)
	$(call SANDBOX_BUILD,containerd,$(@F),$(CONTAINERD_LDFLAGS))

bin/runsc bin/containerd-shim-runsc-v1: $(call SANDBOX_FILES,gvisor)
	$(call SANDBOX_BUILD,gvisor,$(@F),$(GVISOR_LDFLAGS))

sandbox-test: ## test the sandbox modules
	CGO_ENABLED=0 go test -C $(SANDBOX_DIR)/containerd ./...
	CGO_ENABLED=0 go test -C $(SANDBOX_DIR)/gvisor ./...
