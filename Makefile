# `make` builds, `make help` lists the rest. Needed beforehand: Go, git, make.
.DEFAULT_GOAL := build
.PHONY: help build run demo demo-channels check test lint proto generated generate baseline bench chaos failpoint soak fuzz dist clean

SHELL   := bash
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -X github.com/openccsp/gateway/core.Version=$(VERSION)
TOOLS   := bin/tools
NODE    := bin/.node/node_modules
PEERS   := bin/.peers/node_modules
SKIPPED := bin/skipped.txt
FOR     ?= 10m
DIST    := bin/dist/gateway-$(VERSION)-$(shell go env GOOS)-$(shell go env GOARCH)

help:       ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build:      ## build the gateway, the plugins and the examples into bin/
	go build -trimpath -ldflags '$(LDFLAGS)' -o bin/gateway .
	go build -trimpath -o bin/plugins/ ./plugins/...
	go build -trimpath -o bin/examples/ ./examples/...

run: build  ## start the gateway, a contact center and a web page, and print where to look
	@exec bin/examples/run -config gateway.hcl $(if $(AGENT),-agent $(AGENT)) $(if $(CUSTOMER),-customer $(CUSTOMER))

demo: build ## play one conversation through all of it and check every step
	@exec bin/examples/demo

demo-channels: build ## play one conversation on each channel, and print what goes over the wire
	@exec bin/examples/demo-channels

check: build lint proto generated test failpoint ## all that must pass before a change lands
	bin/examples/chaos -dose 0.02 -patience 10
	@cat $(SKIPPED)

test: $(if $(shell command -v npm),$(NODE) $(PEERS)) ## run all tests with the race detector, and name those that were skipped
	@mkdir -p bin
	set -o pipefail; go test -race -v ./... | awk -v skipped=$(SKIPPED) -f .ci/tests.awk

lint: $(TOOLS)/.golangci-lint-v2.15.0 ## run the linters
	$(TOOLS)/golangci-lint run ./...
	go mod tidy -diff

# .ci/plugin.binpb is the protocol of the last release, as an image and not as
# a git reference, so that it is there in a shallow clone. A release renews it
# with `make baseline` in the commit that raises the version.
proto: $(TOOLS)/.buf-v1.75.0 ## check that no released plugin is broken by a change of its protocol
	$(TOOLS)/buf breaking --config .ci/buf.yaml --against .ci/plugin.binpb --path sdk/pluginv1

baseline: $(TOOLS)/.buf-v1.75.0 ## make today's plugin protocol the released one
	$(TOOLS)/buf build --config .ci/buf.yaml --path sdk/pluginv1 -o .ci/plugin.binpb

GENERATORS := $(addprefix $(TOOLS)/.,buf-v1.75.0 protoc-gen-go-v1.36.12 protoc-gen-go-grpc-v1.6.2 \
	protoc-gen-go-vtproto-v0.6.1-0.20240319094008-0393e58bdf10)

generate: $(GENERATORS) ## make Go of the .proto files, the schema of rules, and the copies that examples have
	$(TOOLS)/buf generate --config .ci/buf.yaml --template .ci/buf.gen.yaml
	cp sdk/pluginv1/plugin.proto examples/plugin-node/plugin.proto
	cp core/scaffold/templates/node/gateway.mjs.tmpl examples/plugin-node/gateway.mjs
	go run . rules schema > bin/schema.json && mv bin/schema.json rules.d/schema.json

generated: $(GENERATORS) ## check that the committed Go is what generate makes
	@rm -rf bin/.generated && mkdir -p bin/.generated # a dot: it is no package of ours
	$(TOOLS)/buf generate --config .ci/buf.yaml --template .ci/buf.gen.yaml -o bin/.generated
	@cd bin/.generated && find . -name '*.pb.go' | while read -r f; do diff -q "$$f" "../../$$f" || exit 1; done

bench: build ## measure the gateway beside its floor, and rules alone; writes bin/bench.json
	bin/examples/bench
	go test ./core/rules -run '^$$' -bench '^BenchmarkSpeed$$' -benchtime 1x

chaos: build failpoint ## break the gateway in every way we know, under load, and look for lost messages
	bin/examples/chaos

failpoint:  # the gateway that kills itself at named points: for chaos alone
	go build -trimpath -tags failpoint -o bin/examples/gateway-failpoint .

soak: build ## kill and mistreat it for as long as you say: make soak FOR=8h
	bin/examples/chaos -soak -for $(FOR)

fuzz:       ## fuzz all targets in turn, each FOR so long: make fuzz, or make fuzz PKG=./core/rules FOR=2m ONLY=FuzzLet
	@set -e; for pkg in $(or $(PKG),$$(grep -rl --include='*_test.go' '^func Fuzz' core sdk plugins examples | xargs -n 1 dirname | sort -u | sed 's,^,./,')); do \
	for target in $(or $(ONLY),$$(go test $$pkg -list '^Fuzz' | grep '^Fuzz')); do echo "== $$pkg $$target"; \
	go test $$pkg -run '^$$' -fuzz "^$$target$$" -fuzztime $(FOR) -fuzzminimizetime 10x; done; done

dist: build ## make a folder in bin/dist that runs wherever it is copied
	@rm -rf $(DIST) && mkdir -p $(DIST)
	cp -R bin/gateway bin/plugins gateway.hcl rules.d LICENSE $(DIST)
	@echo made $(DIST)

clean:      ## delete what was built, but for the tools
	rm -rf bin/gateway bin/plugins bin/examples bin/dist bin/.generated $(SKIPPED)

# The packages that plugins in Node need; without them their tests are skipped.
$(NODE): examples/plugin-node/package-lock.json
	@rm -rf bin/.node && mkdir -p bin/.node && cp examples/plugin-node/package*.json bin/.node
	-cd bin/.node && npm ci --ignore-scripts --no-audit --no-fund && touch node_modules

# What others wrote in Node and the tests talk to; without it these are skipped.
$(PEERS): examples/peers/package-lock.json
	@rm -rf bin/.peers && mkdir -p bin/.peers && cp examples/peers/package*.json bin/.peers
	-cd bin/.peers && npm ci --ignore-scripts --no-audit --no-fund && touch node_modules

# The tools of one version each; the stamp's name ends in the version.
install = GOBIN=$(CURDIR)/$(TOOLS) go install $(1)@$(2) && touch $(TOOLS)/.$(notdir $(1))-$(2)

$(TOOLS)/.golangci-lint-%:
	$(call install,github.com/golangci/golangci-lint/v2/cmd/golangci-lint,$*)
$(TOOLS)/.buf-%:
	$(call install,github.com/bufbuild/buf/cmd/buf,$*)
$(TOOLS)/.protoc-gen-go-grpc-%:
	$(call install,google.golang.org/grpc/cmd/protoc-gen-go-grpc,$*)
$(TOOLS)/.protoc-gen-go-vtproto-%:
	$(call install,github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto,$*)
$(TOOLS)/.protoc-gen-go-v%:
	$(call install,google.golang.org/protobuf/cmd/protoc-gen-go,v$*)
