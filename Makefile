# `make` alone lists the targets. Everything that is fetched or built for the tools lands in .cache/, every binary in bin/.

GO       ?= go
VERSION  ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
PACKAGES ?= ./...
FUZZTIME ?= 20s

GOLANGCI_LINT_VERSION := v2.12.2
GOFUMPT_VERSION       := v0.10.0
PROTOC_GEN_GO_VERSION := v1.36.12
VTPROTO_VERSION       := v0.6.1-0.20240319094008-0393e58bdf10

SOURCES := $(wildcard cmd deploy ingest query schema)
TOOLS   := $(CURDIR)/.cache/bin
LDFLAGS := -X github.com/activitylog/activitylog/cmd/internal/service.Version=$(VERSION)

.DEFAULT_GOAL := help
.PHONY: help run build engine clients kafka test check race kafka-test fuzz bench profile chaos lint fmt vet generate docs clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: engine build ## run everything in one process on http://127.0.0.1:50809, data in ./data
	@exec bin/standalone

build: ## put the binaries into bin/
	@mkdir -p bin
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

engine: ## fetch the library of the embedded ClickHouse engine, once (CHDB_LIB_PATH names your own copy instead)
	@deploy/embedded/engine/fetch.sh

clients: ## fetch the clients of other languages that tests use (needs Python 3, Java 17 and Maven)
	@deploy/embedded/engine/clients.sh

kafka: ## run a node of Apache Kafka on 127.0.0.1:9092, data in ./data/kafka (needs Java 17 and Maven)
	@exec deploy/kafka/node.sh

test: engine ## run the whole test suite
	@.ci/gotest $(PACKAGES)

race: engine ## run the tests under the race detector
	@CGO_ENABLED=1 .ci/gotest -race $(PACKAGES)

kafka-test: engine build ## run against Apache Kafka what can be: end to end, exactly once, logins, brokers killed (needs Java 17 and Maven)
	@.ci/kafka-test

check: ## what CI runs: fetch, build, vet, lint, test, race, kafka-test
	@.ci/run

fuzz: engine ## run every fuzz target for FUZZTIME (20s)
	@.ci/fuzz $(FUZZTIME)

bench: engine build ## measure on this machine and write BENCHMARKS.md; LARGE=1 for a table of 50 M, too; PEER=<url of a VictoriaLogs> beside it
	bin/loadgen bench --out BENCHMARKS.md $(if $(LARGE),--large 50000000) $(if $(PEER),--peer $(PEER))

profile: engine build ## CPU and allocation profiles of the services under load, into .cache/profile
	bin/loadgen profile --out .cache/profile

chaos: engine build ## break processes and their traffic under load and compare with the oracle, 1 minute; LONG=1 for the fault matrix row by row, an hour; KAFKA=1 on Apache Kafka
	bin/loadgen chaos $(if $(LONG),--matrix --duration 30s) $(if $(KAFKA),--kafka deploy/kafka/node.sh --every 4s)
ifdef LONG
	bin/loadgen chaos --outages $(if $(KAFKA),--kafka deploy/kafka/node.sh)
endif

# The linters' cache knows files by content and remembers their paths: two clones that share one see each other's.
lint: $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) $(TOOLS)/gofumpt-$(GOFUMPT_VERSION) ## formatting and linters
	@unformatted=$$($(TOOLS)/gofumpt-$(GOFUMPT_VERSION) -l $(SOURCES)); \
	  test -z "$$unformatted" || { echo "gofumpt would change:"; echo "$$unformatted"; exit 1; }
	GOLANGCI_LINT_CACHE=$(CURDIR)/.cache/golangci-lint $< run $(PACKAGES)

fmt: $(TOOLS)/gofumpt-$(GOFUMPT_VERSION) ## format the Go files
	$< -w $(SOURCES)

vet: ## go vet
	$(GO) vet $(PACKAGES)
	$(GO) vet -tags kafka $(PACKAGES)

generate: $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-vtproto ## write the generated code and openapi.json anew (needs protoc)
	PATH="$(TOOLS):$$PATH" $(GO) generate $(PACKAGES)

docs: ## write the settings table of README.md anew
	$(GO) test ./cmd -run TestReadme -update

clean: ## remove bin/ and the test cache; data/ and .cache/ stay
	rm -rf bin
	$(GO) clean -testcache

distclean: clean ## remove what was fetched, too
	rm -rf .cache

$(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION):
	GOBIN=$(TOOLS) $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(GOLANGCI_LINT_VERSION)
	mv $(TOOLS)/golangci-lint $@

$(TOOLS)/gofumpt-$(GOFUMPT_VERSION):
	GOBIN=$(TOOLS) $(GO) install mvdan.cc/gofumpt@$(GOFUMPT_VERSION)
	mv $(TOOLS)/gofumpt $@

$(TOOLS)/protoc-gen-go:
	GOBIN=$(TOOLS) $(GO) install google.golang.org/protobuf/cmd/protoc-gen-go@$(PROTOC_GEN_GO_VERSION)

$(TOOLS)/protoc-gen-go-vtproto:
	GOBIN=$(TOOLS) $(GO) install github.com/planetscale/vtprotobuf/cmd/protoc-gen-go-vtproto@$(VTPROTO_VERSION)
