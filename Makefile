# permitgate: every target sets up what it needs by itself (a virtual environment in .venv).

SUPPORTED := import sys; sys.exit(sys.version_info[:2] not in ((3,11),(3,12),(3,13)))
# The first interpreter that will do; `make PYTHON=...` takes another.
ifndef PYTHON
PYTHON := $(shell for each in python3 python3.13 python3.12 python3.11; do \
  $$each -c '$(SUPPORTED)' 2>/dev/null && { echo $$each; exit; }; done; echo python3)
endif
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
# Tests run on as many workers as there are cores, two at most: that is what the build machine has.
WORKERS ?= 2
# Every process here, and there are many, starts faster and smaller with bytecode beside its sources, as when installed.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo test check bench clean

help:  ## this text
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): setup.py pyproject.toml
	@$(PYTHON) -c '$(SUPPORTED)' \
	  || { echo "permitgate needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.11 ..."; exit 3; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  package=$$($(PYTHON) -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -q && apt-get install -y -q "$$package"; \
	  else echo "Python's venv module is missing. Run: sudo apt-get install -y $$package"; exit 3; fi; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'setuptools>=77' wheel
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

demo: $(STAMP)  ## one story on a site without hardware, each step with what should happen, under a minute
	$(BIN)/permitgate demo

test: $(STAMP) check  ## everything: the gate, then whole processes over real protocols, then the simulations
	$(BIN)/pytest -q -n $(WORKERS) tests/system tests/simulation

check: $(STAMP)  ## the fast gate: format, types, imports, unit + property + contract tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/pytest -q -n $(WORKERS) --dist worksteal tests/unit tests/property tests/contract

bench: $(STAMP)  ## benchmarks, each beside its baseline; a missed budget is shown as missed, the exit code stays 0
	$(BIN)/python -m hil.bench

clean:  ## remove what the targets made
	rm -rf $(VENV) build .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache *.egg-info
