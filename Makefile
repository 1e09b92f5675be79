# `make` alone lists the targets. Downloads and tools go to .cache/, binaries to bin/.

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
.PHONY: help run build ui ui-dev ui-packages pictures engine clients kafka test check kafka-test dashboards-test fuzz bench profile chaos lint fmt vet generate docs clean distclean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-16s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@printf '\ntest, vet and lint take PACKAGES (./...): make test PACKAGES="./query/... ./cmd/activityctl"\n'

run: engine build ## run all services in one process on http://127.0.0.1:50809, data in ./data
	@exec bin/standalone

build: ## build the binaries into bin/
	@mkdir -p bin
	$(GO) build -ldflags '$(LDFLAGS)' -o bin/ ./cmd/...

ui: ui-packages ## build the explorer, query/ui/dist
	cd query/ui && npm run --silent build

pictures: engine build ui-packages ## take the pictures of README.md from a running system (needs chromium); STATES=<folder>: of every state of the explorer
	cd query/ui && node pictures/$(if $(STATES),states.mjs $(abspath $(STATES)),take.mjs)

ui-dev: ui-packages ## serve the explorer from its source, over the service at TARGET (http://127.0.0.1:50809)
	cd query/ui && npm run --silent dev

ui-packages: query/ui/node_modules/.package-lock.json ## fetch the packages of the explorer (needs Node with npm)

query/ui/node_modules/.package-lock.json: query/ui/package-lock.json
	cd query/ui && npm ci --silent
	@touch $@

engine: ## fetch the library of the embedded ClickHouse engine, once (CHDB_LIB_PATH: use your own copy)
	@deploy/embedded/engine/fetch.sh

clients: ## fetch the clients of other languages that tests use (needs Python 3, Java 17 and Maven)
	@deploy/embedded/engine/clients.sh

kafka: ## run a node of Apache Kafka on 127.0.0.1:9092, data in ./data/kafka (needs Java 17 and Maven)
	@exec deploy/kafka/node.sh

test: engine ## run the tests; PACKAGES limits them; RACE=1: under the race detector where it can see something
	@RACE=$(RACE) .ci/test $(PACKAGES)

kafka-test: engine build ## run the tests that depend on a broker against Apache Kafka (needs Java 17 and Maven)
	@.ci/kafka-test

dashboards-test: engine build ## run every query of the Grafana dashboards against running services (needs prometheus)
	cd deploy/grafana/paneltest && $(GO) vet ./... && $(GO) test -count=1 -timeout 10m ./...

check: ## run all that CI runs: fetch, build, vet, lint, test, dashboards-test, kafka-test
	@.ci/run

fuzz: engine ## run every fuzz target for FUZZTIME (20s)
	@.ci/fuzz $(FUZZTIME)

bench: engine build ## measure this machine and write BENCHMARKS.md; LARGE=1: also a table of 50 M entries; PEER=<url>: also a VictoriaLogs
	bin/loadgen bench --out BENCHMARKS.md $(if $(LARGE),--large 50000000) $(if $(PEER),--peer $(PEER))

profile: engine build ## write CPU and allocation profiles of the services under load to .cache/profile
	bin/loadgen profile --out .cache/profile

chaos: engine build ## kill processes and disturb their traffic under load for a minute, then verify every entry; LONG=1: the whole fault matrix, an hour; KAFKA=1: on Apache Kafka
	bin/loadgen chaos $(if $(LONG),--matrix --duration 30s) $(if $(KAFKA),--kafka deploy/kafka/node.sh --every 4s)
ifdef LONG
	bin/loadgen chaos --outages $(if $(KAFKA),--kafka deploy/kafka/node.sh)
endif

# The linters' cache finds files by content but reports their cached paths, so two clones must not share one.
lint: $(TOOLS)/golangci-lint-$(GOLANGCI_LINT_VERSION) $(TOOLS)/gofumpt-$(GOFUMPT_VERSION) ## check formatting and run the linters
	@unformatted=$$($(TOOLS)/gofumpt-$(GOFUMPT_VERSION) -l $(SOURCES)); \
	  test -z "$$unformatted" || { echo "gofumpt would change:"; echo "$$unformatted"; exit 1; }
	GOLANGCI_LINT_CACHE=$(CURDIR)/.cache/golangci-lint $< run $(PACKAGES)

fmt: $(TOOLS)/gofumpt-$(GOFUMPT_VERSION) ## format the Go files
	$< -w $(SOURCES)

vet: ## run go vet with the build tag kafka; `lint` runs it without
	$(GO) vet -tags kafka $(PACKAGES)

generate: $(TOOLS)/protoc-gen-go $(TOOLS)/protoc-gen-go-vtproto ## write the generated code and openapi.json (needs protoc)
	PATH="$(TOOLS):$$PATH" $(GO) generate $(PACKAGES)

docs: ## write the settings table of cmd/README.md, the list of all settings' names, and the roles of cmd/internal/identity/README.md
	$(GO) test ./cmd -run 'TestReadmeListsEvery|TestNamesOfSettings' -update

clean: ## remove bin/ and the test cache, but not data/ and .cache/
	rm -rf bin
	$(GO) clean -testcache

distclean: clean ## also remove .cache/
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
