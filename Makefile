# Everything runs in .venv, which `make install` (or ./run_local.sh) makes.
SHELL := /bin/bash
BIN := .venv/bin
UV ?= uv
DYNOXIDE := tests/engines/node_modules/@dynoxide/linux-x64/dynoxide
SOURCES := pipelines transforms tests setup.py
.DEFAULT_GOAL := help
.PHONY: help install demo format lint test test-all test-runners job-servers bench-runners bench bench-backup bench-quick bench-query bench-report bench-scale bench-throttle test-query test-faults test-expressions package round-trip check lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: ## Make .venv with the locked packages of tests and linters, and the commit hooks
	./run_local.sh install
	if [ -d .git ]; then $(BIN)/pre-commit install; fi

demo: ## Run both jobs on real records and an embedded engine
	./run_local.sh

format: ## Put the source into its one form
	$(BIN)/ruff check --fix-only --quiet $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

lint: ## Style, types, layers and spelling
	./run_local.sh lint

test: ## The tests that need Python alone
	./run_local.sh test

test-all: ## Every test; a missing engine is a failure
	BEAM_DYNAMODB_TEST_ALL=1 ./run_local.sh test

test-faults: ## The copy under every fault, at full size; build/faults.json (half an hour)
	BEAM_DYNAMODB_FAULT_ITEMS=100000 BEAM_DYNAMODB_FAULT_KILLS=20 \
	BEAM_DYNAMODB_FAULT_OUTAGE=60 BEAM_DYNAMODB_FAULT_THROTTLED=0.9 \
	BEAM_DYNAMODB_FAULT_REPORT=build/faults.json \
	BEAM_DYNAMODB_DYNOXIDE=$${BEAM_DYNAMODB_DYNOXIDE:-$(DYNOXIDE)} \
	$(BIN)/python -m pytest -q tests/faults -o timeout=3600
	@cat build/faults.md

test-expressions: ## 20,000 conditions, ours against dynoxide's; build/expressions.json (two minutes)
	BEAM_DYNAMODB_DYNOXIDE=$${BEAM_DYNAMODB_DYNOXIDE:-$(DYNOXIDE)} \
	$(BIN)/python -m tests.dynamodb.expressions.differential --cases 20000

job-servers: ## Beam's job servers for Flink and Spark, by Maven, into the cache
	deploy/job-servers/build

test-runners: ## Prism, and real Flink and Spark clusters, run our jobs (Java 17, Maven, Go)
	deploy/job-servers/build --with-clusters
	.ci/prism
	BEAM_DYNAMODB_TEST_ALL=1 BEAM_DYNAMODB_RUNNERS_FULL=1 ./run_local.sh test tests/runners

bench-runners: ## Cost of an item on Prism, Flink and Spark; build/bench-runners.json (ten minutes)
	deploy/job-servers/build --with-clusters
	.ci/prism
	$(BIN)/python -m benchmarks.bench_runners

bench: bench-backup ## Cost of an item, ours against the others (up to an hour)
	$(BIN)/python -m benchmarks

bench-backup: ## Cost of an item of a backup, ours, boto3 with pyarrow, dynamodump (four minutes)
	$(BIN)/python -m benchmarks.bench_backup
	$(BIN)/python -m benchmarks.bench_backup --write-page

bench-quick: ## The same for small items, ours and boto3's threads (two minutes)
	$(BIN)/python -m benchmarks --quick

bench-report: ## docs/performance.md's tables and picture, from what the benches left in build/
	$(BIN)/python -m benchmarks.floor
	$(BIN)/python -m benchmarks.report

bench-query: ## What a query costs, ours and boto3 with pandas; build/bench-query.json and docs/query.md (two minutes)
	BEAM_DYNAMODB_DYNOXIDE=$${BEAM_DYNAMODB_DYNOXIDE:-$(DYNOXIDE)} $(BIN)/python -m benchmarks.bench_query
	$(BIN)/python -m benchmarks.bench_query --write-page

test-query: ## The sixty queries on every record of the five tables (about ten minutes)
	BEAM_DYNAMODB_QUERY_FULL=1 BEAM_DYNAMODB_DYNOXIDE=$${BEAM_DYNAMODB_DYNOXIDE:-$(DYNOXIDE)} \
	  $(BIN)/python -m pytest -q tests/query --timeout 1800

bench-scale: ## Cost of an item from 10^5 to 10^7 of them
	$(BIN)/python -m benchmarks --scale

bench-throttle: ## Promised and measured rates, on a proxy that keeps the account (13 minutes)
	$(BIN)/python -m benchmarks.throttle

package: ## Build the sdist that Beam stages to remote workers
	$(BIN)/python -m build --no-isolation --sdist

round-trip: ## Table, S3, table with 10^6 items in both formats, into build/round-trip.json
	BEAM_DYNAMODB_VERSITYGW=$$(.ci/versitygw) BEAM_DYNAMODB_ROUND_TRIP_ITEMS=1000000 \
	  $(BIN)/python -m pytest -q tests/pipelines/test_round_trip.py

check: lint test package ## What must pass before a change goes in

lock: ## Resolve the dependencies again, for every supported Python and system
	UV="$(UV)" .ci/lock

clean: ## Remove what was made here, .venv too
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find pipelines transforms tests -name __pycache__ -type d -prune -exec rm -rf {} +
