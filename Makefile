# Everything runs in .venv; python3.11 and make are all that has to be there.
PYTHON ?= python3.11
BIN := .venv/bin
DATA ?= $(if $(RAW),data/real,data/sample)
export BASIS_DATA_DIR := $(DATA)
ifdef RAW
export BASIS_RAW_DIR := $(abspath $(RAW))
endif

.PHONY: run test dev lint types check test-slow test-chain test-cluster bench stress live-faults chain-faults live-week drill cookbook clean help

help: ## show this list
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

run: .venv/.ready ## sample data (or RAW=folder) -> validated data -> all modes -> gates -> reports
	$(BIN)/basis run

test: .venv/.ready-dev ## the default test suite
	$(BIN)/pytest -n 2 --dist worksteal -m "not slow and not chain and not cluster" basis_pipeline_tests

test-slow: .venv/.ready-dev ## tests that kill processes, start servers, or run whole ranges
	$(BIN)/pytest -n 4 --dist worksteal -m "slow and not chain and not cluster" basis_pipeline_tests  # half of them wait

test-chain: .venv/.ready-dev .chain/.ready ## on-chain venues against Aave, Uniswap and Morpho on a local chain; needs npm
	$(BIN)/pytest -n 2 --dist worksteal -m chain basis_pipeline_tests/chain

test-cluster: .venv/.ready-services ## tests against an object store, PostgreSQL and Ray, all on loopback
	$(BIN)/pytest -n 2 --dist loadfile -m cluster basis_pipeline_tests/cluster

dev: .venv/.ready$(if $(PROFILE),-cluster) ## Dagster UI on loopback; DATA= picks the data root, PORT= the port, PROFILE=cluster PostgreSQL
	$(BIN)/basis dev $(if $(PORT),--port $(PORT)) $(if $(PROFILE),--profile $(PROFILE))

check: lint types ## everything static
lint: .venv/.ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
types: .venv/.ready-dev
	$(BIN)/mypy

bench: .venv/.ready-dev ## engine speed as a ratio to a plain loop
	$(BIN)/python -m benchmarks.engine_speed

.venv/.ready: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --disable-pip-version-check --compile -c constraints.txt -e '.[ml]'
	@touch $@

.venv/.ready-dev: .venv/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --compile -c constraints.txt -e '.[dev,live,ml]'
	@touch $@

.chain/.ready: basis_pipeline_tests/chain/package.json basis_pipeline_tests/chain/package-lock.json
	@command -v npm >/dev/null || { apt-get update -qq && apt-get install -y -qq npm; } >/dev/null 2>&1 || \
	  { echo "npm is missing: install Node.js 20 or newer, for example apt-get install npm"; exit 1; }
	@mkdir -p .chain && cp $^ .chain/
	npm ci --prefix .chain --no-audit --no-fund --loglevel=error
	@touch $@

.venv/.ready-cluster: .venv/.ready
	$(BIN)/pip install --quiet --disable-pip-version-check --compile -c constraints.txt -e '.[cluster]'
	@touch $@

.venv/.ready-services: .venv/.ready-dev
	$(BIN)/pip install --quiet --disable-pip-version-check --compile -c constraints.txt -e '.[dev,cluster,services]'
	@touch $@

stress: .venv/.ready-dev ## run all modes through the stress months and write docs/stress.md
	$(BIN)/python -m basis_pipeline_tests.runs.stress_table docs/stress.md

live-faults: .venv/.ready-dev ## make everything go wrong around a live session and write docs/live-faults.md
	$(BIN)/python -m basis_pipeline_tests.live.fault_table docs/live-faults.md
	$(BIN)/python -m basis_pipeline_tests.live.transfer_faults docs/live-faults-transfers.md

chain-faults: .venv/.ready-dev .chain/.ready ## the same around a session on a local chain: docs/live-faults-chain.md
	$(BIN)/python -m basis_pipeline_tests.chain.fault_table docs/live-faults-chain.md

live-week: .venv/.ready-dev ## live through a week twice, in a backtest and on a fake exchange, and write what differs
	$(BIN)/python -m basis_pipeline_tests.live.week docs/live-versus-backtest.md

drill: .venv/.ready-dev ## try a live session without keys: the exchange is made up; DRILL_SECONDS=600 for longer, 0 until Ctrl-C
	@$(BIN)/python -m basis_pipeline_tests.live.drill data/drill $(if $(DRILL_SECONDS),--seconds $(DRILL_SECONDS))

cookbook: .venv/.ready-dev ## write the answers in docs/cookbook.md anew
	$(BIN)/python -m basis_pipeline_tests.docs.cookbook

clean: ## remove the environment and caches; data stay
	rm -rf .venv .chain .pytest_cache .mypy_cache .ruff_cache .import_linter_cache build *.egg-info
