# What people type. `make up` runs Isospin here, `make test` tests it.
BIN := target/release/isospin
STATE ?= /var/lib/isospin

.PHONY: up down build deps client suites keystone test lint conformance bench

up: deps build ## install what is missing, build, leave it running
	$(BIN) up --detach --state-dir $(STATE)

down: ## stop it
	$(BIN) down --state-dir $(STATE)

build: deps
	cargo build --release -p isospin

deps: ## packages of the system that running and testing need
	scripts/install-packages.sh

client: ## the unmodified OpenStack client, in .venv
	scripts/client-env.sh

suites: ## the test suites of OpenStack, in .venv-suites
	scripts/suites-env.sh

keystone: ## a real Keystone, in .venv-keystone
	scripts/keystone-env.sh

test: deps client suites keystone lint ## everything, in the order of cost
	scripts/test.sh

lint: deps
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --quiet -- -D warnings

conformance: deps client suites keystone ## only the tests with the real client, the suites and Keystone
	cargo build -p isospin
	cargo nextest run -p isospin-conformance

bench: deps build ## measure this machine, rewrite the table in docs/performance.md
	cargo build --release -p isospin -p isospin-bench
	target/release/isospin-bench --wiring --scale --agents --page docs/performance.md
