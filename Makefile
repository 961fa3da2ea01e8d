# make, make test, make lint, make bench, make run, make docs, make install, make uninstall
PREFIX  ?= /usr/local
DESTDIR ?=
GO      ?= go
VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)
LDFLAGS := -s -w -X ipfskit.org/intelligent/internal/cli.Version=$(VERSION)
CACHE   := $(CURDIR)/.cache
LINT    := $(CACHE)/bin/golangci-lint
LINTVER := v2.12.2

.PHONY: all build test lint bench run docs fuzz install uninstall clean

all: build

build:
	CGO_ENABLED=0 $(GO) build -trimpath -ldflags '$(LDFLAGS)' -o bin/ ./cmd/ipfs-kit ./cmd/ipfs-kit-intelligent

test:
	$(GO) test -timeout 90m ./...

lint: $(LINT)
	GOLANGCI_LINT_CACHE=$(CACHE)/lint $(LINT) run --allow-parallel-runners ./...
	@test -z "$$(gofmt -l cmd dbus internal scripts service)" || { echo "not formatted:"; gofmt -l cmd dbus internal scripts service; exit 1; }

$(LINT):
	GOBIN=$(CACHE)/bin $(GO) install github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$(LINTVER)

bench: build
	IPFSKIT_PYTHON=$${IPFSKIT_PYTHON:-$$(scripts/pyenv || true)} $(GO) run ./scripts/bench

run: build
	$(GO) run ./scripts/demo

docs:
	$(GO) run ./scripts/docs

fuzz:
	scripts/fuzz 10000x

install:
	scripts/install '$(PREFIX)' '$(DESTDIR)'

uninstall:
	scripts/uninstall '$(PREFIX)' '$(DESTDIR)'

clean:
	rm -rf bin
