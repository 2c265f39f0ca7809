# make help shows what there is.
SHELL := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help run test check bench soak lock

# The first interpreter that is new enough and can make virtual environments.
PYTHON ?= $(shell for python in python3.13 python3.12 python3.11 python3 python3.14 python; do \
	$$python -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 \
	&& echo $$python && break; done)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := CUSTOM_COMPILE_COMMAND="make lock" $(BIN)/pip-compile --quiet --resolver=backtracking --strip-extras \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
	--allow-unsafe --build-deps-for editable

help: ## show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-6s %s\n", $$1, $$2}' Makefile

run: .venv/.run ## start everything, with the demo site; Ctrl-C stops it (PORT=8080)
	@exec $(BIN)/kizashi up --demo

test: .venv/.dev ## set up what the tests need, then run every test
	$(BIN)/python -m tests.install_browser
	$(BIN)/python -m tests.kafka
	$(BIN)/python -m tests.segment_client
	$(BIN)/pytest -n 2 --dist loadgroup --no-loadscope-reorder

check: .venv/.dev ## lint, format, types, import rules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/.dev ## benchmarks: a table, and JSON in benchmarks/
	$(BIN)/python -m tests.kafka
	$(BIN)/python -m benchmarks

soak: .venv/.dev ## the long run under load and faults
	$(BIN)/python -m tests.install_browser
	$(BIN)/python -m tests.kafka
	$(BIN)/python -m tests.segment_client
	$(BIN)/pytest -m soak

lock: .venv/.dev ## resolve the dependencies anew into requirements*.lock
	$(COMPILE) --upgrade --extra dev --output-file requirements-dev.lock pyproject.toml
	$(COMPILE) --upgrade --constraint requirements-dev.lock --output-file requirements.lock pyproject.toml

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "Kizashi needs Python 3.11 or newer with the venv module." >&2; exit 1; }
	@echo "Making .venv with $(PYTHON)"
	@$(PYTHON) -m venv .venv

# Stamps: what is installed already is not installed again.
.venv/.run: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing the pinned dependencies"
	@$(PIP) install -r requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/.dev: requirements-dev.lock .venv/.run
	@echo "Installing what tests and checks need"
	@$(PIP) install -r requirements-dev.lock
	@touch $@
