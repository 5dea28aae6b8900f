# Periscope. Everything lives in this folder: .venv (environment) and .periscope (data); `make clean` and `periscope stop` leave nothing else.
# Written for GNU make 3.81, which is what macOS ships.
SHELL := /bin/sh
BIN := .venv/bin
# Two test workers on two cores: threads of BLAS would only wait for each other.
export OPENBLAS_NUM_THREADS ?= 1
FIND_PYTHON := for p in python3 python3.13 python3.12 python3.11; do $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null && { command -v $$p; break; }; done

.PHONY: help demo up stop test test-nightly coverage lint format lock bench snapshot clean
.DEFAULT_GOAL := help

help: ## list these targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1	\2/p' Makefile | expand -t 24

demo: .venv/.ready ## simulated market, Dagster :3000, app :8501, API :8000; stays in the foreground
	@$(BIN)/periscope demo

up: .venv/.ready ## the same services on what is stored already
	@$(BIN)/periscope up

stop: .venv/.ready ## stop the services and the embedded database
	@$(BIN)/periscope stop

test: .venv/.ready lint ## the whole test suite
	@$(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not nightly"
	@echo "All green. Next: 'make demo' shows it running; 'make test-nightly' runs the long soaks."

test-nightly: .venv/.ready ## the long soaks, in full
	@HYPOTHESIS_PROFILE=nightly PERISCOPE_NIGHTLY=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder --timeout 3600

coverage: .venv/.ready ## lines of the analytics that tests run, kernels as Python; fails under 95 %
	@rm -f .coverage .coverage.*
	@$(BIN)/python -m coverage run --parallel-mode --source=periscope_analytics -m pytest -q tests/analytics -m "not nightly and not data" -k "not uncompiled" --ignore tests/analytics/test_without_jit.py
	@NUMBA_DISABLE_JIT=1 $(BIN)/python -m coverage run --parallel-mode --source=periscope_analytics -m tests.analytics.kernel_cases > /dev/null
	@$(BIN)/python -m coverage combine -q && $(BIN)/python -m coverage report --skip-covered --show-missing --fail-under=95

lint: .venv/.ready ## ruff, mypy strict
	@$(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check . && $(BIN)/mypy --no-error-summary

format: .venv/.ready ## format and fix what can be fixed
	@$(BIN)/ruff check --quiet --fix . ; $(BIN)/ruff format --quiet .

snapshot: .venv/.ready ## accept the current asset keys, checks, jobs, schedules and sensors
	@$(BIN)/python -m pytest -q tests/architecture --snapshot-update

lock: .venv/.ready ## resolve pyproject.toml anew into hashed lock files
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --all-extras pyproject.toml -o requirements.lock
	@echo uv | $(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate - -o infra/bootstrap.lock
	@$(BIN)/uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate bench/requirements.in -o bench/requirements.lock

bench: .venv-bench/.ready ## time the analytics against their peers; writes docs/benchmarks.md
	@.venv-bench/bin/python -m bench.peers
	@$(BIN)/python -m bench.flow

clean: ## remove the environment and caches, keep the data
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info

# The environment: a venv of Python 3.11-3.13 with exactly the locked, hash-checked packages. uv makes it fast; where uv
# can't reach the package index that pip is configured for, pip does the same.
.venv/.ready: requirements.lock infra/bootstrap.lock pyproject.toml
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then echo "Periscope needs Python 3.11, 3.12 or 3.13: install one (e.g. 'apt install python3' or 'brew install python@3.13') and run make again." >&2; exit 2; fi; \
	echo "Making .venv with $$python ..."; \
	[ -x $(BIN)/python ] || "$$python" -m venv .venv || { echo "Python's venv is missing: install it (Debian: 'apt install python3-venv') and run make again." >&2; rm -rf .venv; exit 2; }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r infra/bootstrap.lock 2>.venv/pip.log || { cat .venv/pip.log >&2; exit 2; }
	@echo "Installing locked packages (about a minute the first time) ..."
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes -r requirements.lock 2>.venv/uv.log \
	  || $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock \
	  || { cat .venv/uv.log >&2; echo "The packages could not be installed: see the message above (network? platform without wheels?)." >&2; exit 2; }
	@VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --offline --no-deps --no-build-isolation -e . 2>.venv/uv.log || { cat .venv/uv.log >&2; exit 2; }
	@touch .venv/.ready

# The peers of the benchmarks live apart, so that they never decide which versions Periscope runs on.
.venv-bench/.ready: .venv/.ready bench/requirements.lock
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-bench
	@VIRTUAL_ENV=.venv-bench $(BIN)/uv pip install --quiet --require-hashes -r bench/requirements.lock
	@touch .venv-bench/.ready
