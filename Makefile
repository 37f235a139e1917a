# What people and CI run. `make help` lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo dev build test check fmt tools garage images up down queries bench bench-memory

RELEASE := $(or $(CARGO_TARGET_DIR),target)/release

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: postgresql ## Build everything, export a million messages, show what came out
	cargo build --release --bins
	$(RELEASE)/exportctl demo

dev: postgresql ## The same system kept running, with lines to paste
	cargo build --release --bins
	$(RELEASE)/exportctl dev

build: ## Build every program, for development
	cargo build --workspace --bins

# The stories run the real programs, so these are built first. DATABASE_URL is nobody's business
# here: tests use a server of their own, or TEST_DATABASE_URL; TEST_GARAGE names another Garage.
# The end-to-end stories need images; where no Docker engine runs (3), they say themselves that
# they are skipped.
test: postgresql pgbouncer garage build ## Run all tests, on real PostgreSQL and Garage, and in containers
	@scripts/ensure-images || [ $$? = 3 ]
	cargo test --workspace

check: postgresql tools ## What CI checks: format, lints, docs, dependencies, alerts, manifests, query metadata
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items
	scripts/check-dependencies
	scripts/check-alerts
	scripts/prepare-queries --check
	scripts/check-kubernetes

queries: postgresql tools ## Write the metadata of changed queries to .sqlx
	scripts/prepare-queries

bench: postgresql garage ## Measure everything, beside psql and pgbench: twenty minutes, 12 GB of disk
	cargo build --release --bins
	$(RELEASE)/exports-bench --write benches/RESULTS.md

bench-memory: postgresql ## Only the worker's peak memory, whatever the rows look like
	cargo build --release --bins
	$(RELEASE)/exports-bench --only memory

images: ## Build the container images; pull, or build stand-ins for, those they stand on
	@scripts/ensure-images

up: ## Start the whole system in containers, with lines to paste
	@deploy/up

down: ## Remove what `make up` has started, files and messages included
	@deploy/down

fmt: ## Format the code
	cargo fmt --all

.PHONY: postgresql
postgresql:
	@scripts/ensure-postgresql

.PHONY: pgbouncer
pgbouncer:
	@scripts/ensure-pgbouncer

tools:
	@scripts/install-tools

garage: ## Build Garage, the S3 server beside the tests: some minutes, once
	@test -n "$${TEST_GARAGE:-}" || scripts/install-tools garage
