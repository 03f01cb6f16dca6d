# Every target sets up what it needs; a second run sets up nothing. `make help` lists the targets.

PYTHON ?= python3
VENV ?= .venv
BASE ?= HEAD
FUZZ ?= 1000
SEED ?= 0
STUBS = micropython-rp2-stubs==1.29.0.post1

BIN = $(VENV)/bin
HASH := $(firstword $(shell cksum pyproject.toml))
UV := $(shell command -v uv 2>/dev/null)
PIP_INSTALL = $(if $(UV),$(UV) pip install --quiet --python $(BIN)/python,$(BIN)/python -m pip install --quiet --disable-pip-version-check)

.PHONY: help demo test check lint types imports same fuzz format clean
.DELETE_ON_ERROR:

help: ## list the targets
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

demo: $(VENV)/.emulators-$(HASH) ## train Iris, export it and run it in MicroPython
	$(BIN)/nnhw demo

test: $(VENV)/.test-$(HASH) ## run the tests
	$(BIN)/python -m pytest -n auto --dist worksteal

check: lint types imports ## everything that a change must pass: lint, types, imports, tests
	@$(MAKE) --no-print-directory test

lint: $(VENV)/.test-$(HASH) ## ruff: rules and format
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.test-$(HASH) typings/.$(STUBS) ## mypy for the PC, pyright with MicroPython's stubs for the board
	$(BIN)/mypy
	$(BIN)/pyright

imports: $(VENV)/.test-$(HASH) ## which package may import which
	$(BIN)/lint-imports

same: $(VENV)/.test-$(HASH) ## whether every export is, to the byte, what BASE=COMMIT makes (HEAD without it)
	$(BIN)/python tests/house/same.py $(BASE)

fuzz: $(VENV)/.test-$(HASH) ## forge FUZZ=1000 files of each kind for each loader, from SEED=0; 100000 take hours
	$(BIN)/python tests/fuzz $(FUZZ) $(SEED)

format: $(VENV)/.test-$(HASH) ## rewrite the sources in the project's format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean: ## remove all that these targets made
	rm -rf $(VENV) typings build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Installs nnhw with one extra (emulators, test); the stamp's name changes with pyproject.toml.
$(VENV)/.%-$(HASH): | $(BIN)/python
	@echo "installing nnhw[$*] into $(VENV)"
	@$(PIP_INSTALL) --editable ".[$*]"
	@rm -f $(VENV)/.$*-*
	@touch $@

# Some systems ship Python without ensurepip; their own pip can then fill the environment.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "nnhw needs Python 3.10 or newer, $(PYTHON) is " + sys.version)'
	@if [ -n "$(UV)" ]; then $(UV) venv --quiet --python "$(PYTHON)" $(VENV); \
	elif $(PYTHON) -c 'import ensurepip, venv' 2>/dev/null; then $(PYTHON) -m venv $(VENV); \
	elif $(PYTHON) -c 'import pip, venv' 2>/dev/null; then $(PYTHON) -m venv --without-pip $(VENV) \
		&& $(PYTHON) -m pip --python $(BIN)/python install --quiet pip; \
	else echo "$(PYTHON) has neither ensurepip nor pip: install python3-venv or uv" >&2; exit 1; fi

typings/.$(STUBS): | $(VENV)/.test-$(HASH)
	@rm -rf typings
	@$(PIP_INSTALL) --target typings/rp2 $(STUBS)
	@touch $@
