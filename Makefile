# make demo    install nfuse into .venv, then run a NAT -> load balancer -> monitor -> firewall chain
# make test    install the development tools as well, then run the tests (compiled)
# make fuzz    feed any bytes to parser and chains, MINUTES for each kind; NFUSE_JIT=1: compiled
# make bench   measure (see docs/benchmarks.md)
# make lint    ruff, mypy, the import contract
# make docs    write the parts of docs that come from the code

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip -qq --disable-pip-version-check
JOBS   ?= auto
TESTS  ?= tests
MINUTES ?= 2
NFUSE_JIT ?= 0

.PHONY: demo test fuzz bench lint format docs clean
.DEFAULT_GOAL := demo

$(VENV)/made:
	@echo "making a virtual environment in $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "python3 -m venv failed: on Debian and Ubuntu, install python3-venv" >&2; exit 1; }
	@touch $@

$(VENV)/run: $(VENV)/made pyproject.toml
	@echo "installing nfuse (numba, numpy, click, rich, pyyaml) into $(VENV)"
	@$(PIP) install -e . && touch $@

$(VENV)/dev: $(VENV)/made pyproject.toml
	@echo "installing nfuse and its development tools into $(VENV)"
	@$(PIP) install -e '.[dev]' && touch $@ $(VENV)/run

$(VENV)/bench: $(VENV)/made pyproject.toml
	@echo "installing nfuse and the benchmark's baseline (dpkt) into $(VENV)"
	@$(PIP) install -e '.[bench]' && touch $@ $(VENV)/run

demo: $(VENV)/run
	@$(BIN)/nfuse demo

test: $(VENV)/dev
	@$(BIN)/python -m pytest -n $(JOBS) $(TESTS)

fuzz: $(VENV)/dev
	@NFUSE_JIT=$(NFUSE_JIT) NFUSE_FUZZ_MINUTES=$(MINUTES) $(BIN)/python -m pytest -n 0 tests/fuzz

bench: $(VENV)/bench
	@$(BIN)/nfuse bench chain1

lint: $(VENV)/dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --config pyproject.toml

docs: $(VENV)/dev
	@$(BIN)/python -m nfuse.cli.pages

format: $(VENV)/dev
	@$(BIN)/ruff check --fix-only .
	@$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .nfuse-cache .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage* htmlcov build dist
