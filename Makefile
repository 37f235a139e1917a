# Commands for developers and CI. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.PHONY: help demo dev build test test-quick check fmt tools garage images up down queries bench bench-memory readers sbom docs book

RELEASE := $(or $(CARGO_TARGET_DIR),target)/release
DEBUG := $(or $(CARGO_TARGET_DIR),target)/debug

help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

demo: rust postgresql ## Build the programs, export a million messages, print the results
	@echo "Building the programs: the first time, this takes some minutes. Then the demo takes less than one."
	cargo build --release --bins
	$(RELEASE)/exportctl demo

dev: rust postgresql ## Build and run the system of the demo, print commands to paste
	cargo build --release --bins
	$(RELEASE)/exportctl dev

build: rust ## Build all programs for development
	cargo build --workspace --bins

# The tests run the real programs, so `build` runs first. Tests ignore DATABASE_URL: they start their
# own server or use TEST_DATABASE_URL. TEST_GARAGE sets another Garage program. The end-to-end tests
# need the images. Without a Docker engine (exit code 3) they report that they are skipped.
test: postgresql pgbouncer chromium clients garage reading-tools build ## Run all tests with real PostgreSQL and Garage, and in containers
	@scripts/ensure-images prometheus || [ $$? = 3 ]
	cargo test --workspace

# Unit tests, the command line, and the demo: exports from end to end on a private PostgreSQL.
test-quick: postgresql build ## Run the tests that need at most a minute after the build, and no containers
	cargo test --workspace --lib --bins --test encoder --test access --test operator --test demo

check: rust postgresql tools build ## Run the CI checks: format, lints, docs, dependencies, alerts, units, manifests, query metadata
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS='-D warnings' cargo doc --workspace --no-deps --document-private-items
	scripts/check-dependencies
	scripts/check-alerts
	scripts/check-systemd
	$(DEBUG)/exports-docs --check
	scripts/check-book
	scripts/check-kubernetes
	scripts/prepare-queries --check

docs: postgresql build ## Write the pages of the book that are generated from the code
	$(DEBUG)/exports-docs

book: ## Build the book into target/book and check the links of all Markdown files
	@scripts/install-tools book
	@scripts/check-book

queries: postgresql tools ## Update the query metadata in .sqlx after a query change
	scripts/prepare-queries

bench: postgresql garage bench-tools ## Run all benchmarks, with psql, pgbench, pigz, zstd and DuckDB as baselines: 35 minutes, 12 GB of disk
	cargo build --release --bins
	$(RELEASE)/exports-bench --write benches/RESULTS.md

bench-memory: postgresql ## Measure only the worker's peak memory for different row shapes
	cargo build --release --bins
	$(RELEASE)/exports-bench --only memory

images: ## Build the container images (says what and how long); pull their base images or build replacements
	@scripts/ensure-images

readers: postgresql ## Read files of every format with pyarrow, polars, DuckDB, gzip and zstd, and compare their rows
	cargo build --release --bins
	scripts/check-readers

sbom: ## Write what the programs contain (SBOM, CycloneDX JSON) into target/sbom
	@scripts/make-sbom

up: ## Start the whole system in containers, print commands to paste
	@deploy/up

down: ## Remove everything that `make up` created, including files and messages
	@deploy/down

fmt: ## Format the code
	cargo fmt --all

.PHONY: postgresql
postgresql:
	@scripts/ensure-postgresql

.PHONY: rust
rust:
	@scripts/ensure-rust

.PHONY: pgbouncer
pgbouncer:
	@scripts/ensure-pgbouncer

.PHONY: reading-tools
reading-tools:
	@scripts/ensure-readers || echo "The Python libraries could not be installed, so the Python programs of the book are not run." >&2

.PHONY: bench-tools
bench-tools:
	@scripts/ensure-bench-tools

.PHONY: chromium
chromium:
	@scripts/ensure-chromium

.PHONY: clients
clients:
	@scripts/ensure-clients

tools:
	@scripts/install-tools

garage: ## Build Garage, the S3 server of the tests: a few minutes, first run only
	@test -n "$${TEST_GARAGE:-}" || scripts/install-tools garage
