# The images that a cluster needs, built from Go modules into OCI archives.
#
#   include images/images.mk          from the repository's Makefile
#   make images                       bin/images/{pause,coredns,hello}.tar, index.json
#   make test-images                  the tests of this module
#
# Archives are made again only when something in images/ has changed.

IMAGES_PROGRAMS := build/images/pause build/images/coredns build/images/hello
IMAGES_ARCHIVES := bin/images/pause.tar bin/images/coredns.tar bin/images/hello.tar
IMAGES_INDEX    := bin/images/index.json
IMAGES_SOURCES  := $(shell find images -name '*.go' ! -name '*_test.go') images/go.mod images/go.sum images/images.mk

# No VCS stamp: a commit elsewhere must not change an image's digest.
IMAGES_GO_BUILD := CGO_ENABLED=0 go build -trimpath -buildvcs=false -ldflags "-s -w"

.PHONY: images test-images clean-images
images: $(IMAGES_ARCHIVES) $(IMAGES_INDEX)

$(IMAGES_ARCHIVES) $(IMAGES_INDEX) &: $(IMAGES_PROGRAMS) build/images/image-build
	build/images/image-build -programs build/images -out bin/images

# go build leaves an up-to-date program's time alone, hence the touch.
$(IMAGES_PROGRAMS) build/images/image-build: build/images/%: $(IMAGES_SOURCES)
	@mkdir -p $(@D)
	cd images && $(IMAGES_GO_BUILD) -o ../$@ ./cmd/$*
	@touch $@

# With -trimpath, as the programs are built: otherwise the tests of CoreDNS
# compile its 900 packages a second time.
test-images:
	cd images && CGO_ENABLED=0 go test -trimpath ./...

clean-images:
	rm -rf build/images bin/images
