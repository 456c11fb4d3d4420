# Tocsin: `make run` builds and runs the whole system, `make test` proves it. Both install what is missing first.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

BUILD_PACKAGES := clang llvm g++ make python3 libbpf-dev libelf-dev zlib1g-dev linux-libc-dev redis-server
TEST_PACKAGES := docker.io busybox-static procps iproute2 rsyslog sysdig exim4-daemon-light kcat
# What benchmarks compare with.
BENCH_PACKAGES := prometheus-alertmanager
SUDO := $(if $(filter 0,$(shell id -u)),,sudo)

# Installs those packages of $(1) that dpkg does not know as installed.
define install_packages
	missing=$$(for package in $(1); do dpkg-query -W -f='$${db:Status-Status}\n' $$package 2>/dev/null | grep -qx installed || echo $$package; done); \
	if [ -n "$$missing" ]; then \
		echo "== installing Debian packages:" $$missing; \
		$(SUDO) apt-get update -qq; \
		DEBIAN_FRONTEND=noninteractive $(SUDO) apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
endef

SOURCES = $(shell find openapi agent controlplane native test -name node_modules -prune -o -name dist -prune -o -name '*.ts' -print)
BPF = native/build/probe.bpf.o
ADDON = native/build/Release/tocsin.node
TYPESCRIPT = .make/typescript
BUNDLE = .make/bundle

.PHONY: help
help: ## show this help
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

.PHONY: run
run: build ## install what is missing, build, and run the whole system (ARGS="--listen 0.0.0.0:2802" passes flags)
	@exec node tocsin.js run $(ARGS)

.PHONY: build
build: $(BPF) $(ADDON) $(BUNDLE) ## build the probe, the addon and the TypeScript

.PHONY: test
test: build .make/test-packages .make/librdkafka/src/librdkafka.so.1 ## install what is missing, build, and pass every check and test
	@npx biome ci --error-on-warnings .
	@node test/boundaries.mjs
	@npm run --silent check:generated --workspaces --if-present
	@node test/run.mjs $(TESTS)

.PHONY: bench
bench: build .make/bench-packages ## measure, side by side with a baseline
	@node test/run.mjs --bench $(BENCH)

.PHONY: fuzz
fuzz: build ## fuzz what reads hostile input, a million inputs each
	@node test/run.mjs --fuzz $(FUZZ)

.PHONY: package
package: build ## make build/tocsin-agent-*.tar.gz: the agent for hosts with Node and nothing else
	@node infra/package-agent.mjs

.PHONY: arm64
arm64: build ## compile the probe and the addon for arm64, to native/build/arm64/
	@$(call install_packages,g++-aarch64-linux-gnu)
	@node native/scripts/build-bpf.mjs --arch arm64
	@node native/scripts/build-addon-arm64.mjs

.PHONY: format
format: .make/npm ## format and fix what can be fixed
	@npx biome check --write .

.PHONY: generate
generate: build ## write the generated files again
	@npm run --silent generate --workspaces --if-present

.PHONY: clean
clean: ## remove what was built; data/ stays
	@rm -rf .make native/build {openapi,native,agent,controlplane,test}/dist

.make/packages: Makefile
	@$(call install_packages,$(BUILD_PACKAGES))
	@mkdir -p .make && touch $@

.make/test-packages: Makefile
	@$(call install_packages,$(TEST_PACKAGES))
	@mkdir -p .make && touch $@

.make/librdkafka/src/librdkafka.so.1: package-lock.json | .make/npm .make/test-packages
	@echo '== building librdkafka, whose mock cluster tests the Kafka channel'
	@rm -rf .make/librdkafka && cp -r node_modules/node-rdkafka/deps/librdkafka .make/librdkafka
	@cd .make/librdkafka && chmod +x configure lds-gen.py && ./configure --disable-ssl --disable-gssapi --disable-curl --disable-zstd \
		--disable-lz4-ext --disable-optimization >build.log 2>&1 && $(MAKE) -C src librdkafka.so.1 >>build.log 2>&1 || { tail build.log; exit 1; }

.make/bench-packages: Makefile
	@$(call install_packages,$(BENCH_PACKAGES))
	@mkdir -p .make && touch $@

.make/npm: package.json package-lock.json $(wildcard */package.json) | .make/packages
	@echo '== installing npm packages'
	@npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@ln -sf ../../tocsin.js node_modules/.bin/tocsin
	@mkdir -p .make && touch $@

$(BPF): $(wildcard native/bpf/* native/include/*) native/scripts/build-bpf.mjs .make/npm
	@echo '== building the eBPF probe'
	@npm run --silent build:bpf -w native
	@touch $@

$(ADDON): $(wildcard native/src/* native/include/*) native/binding.gyp .make/npm
	@echo '== building the native addon'
	@npm run --silent build:addon -w native
	@touch $@

$(TYPESCRIPT): $(SOURCES) $(wildcard tsconfig*.json */tsconfig.json) .make/npm
	@echo '== building the TypeScript'
	@npx tsc -b
	@touch $@

$(BUNDLE): $(TYPESCRIPT) agent/scripts/bundle.mjs
	@echo '== bundling the agent'
	@npm run --silent bundle -w agent
	@touch $@
