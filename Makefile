# Each target makes what it needs; the first one to run builds .venv.
.PHONY: demo test test-tui lint bench fuzz test-contracts test-training test-live run lock wheel clean
SHELL := /bin/bash
BIN := .venv/bin
PYTHON ?= python3

demo: .venv/ready
	@$(BIN)/mlwb demo

# Tests mostly wait: for terminals, for programs that train, for locks. So four groups run beside each other, and the
# last of them is whatever is in no other.
TERMINALS := tests/e2e tests/headless tests/tui/diff tests/tui/live tests/tui/panes tests/tui/talk
SCREENS := tests/tui tests/host tests/live
RUNS := tests/experiments tests/security
beside = $(BIN)/pytest $(2) >$$said/$(1) 2>&1 & begun="$$begun $$!"
test: .venv/ready
	@said=$$(mktemp -d); begun=; $(call beside,terminals,$(TERMINALS)); \
	$(call beside,screens,$(SCREENS) $(TERMINALS:%=--ignore=%)); $(call beside,runs,$(RUNS)); \
	$(BIN)/pytest tests $(patsubst %,--ignore=%,tests/contracts $(TERMINALS) $(SCREENS) $(RUNS)); failed=$$?; \
	for group in $$begun; do wait $$group || failed=1; done; cat $$said/*; rm -rf $$said; exit $$failed

# The screen alone: by Pilot, in real terminals and through ssh.
test-tui: .venv/ready
	@$(BIN)/pytest tests/tui tests/e2e

# The readers against the real libraries, in an environment of their own (a few GB); and real programs, started in
# four ways, whose curves are compared while they run.
test-contracts: .venv-contracts/ready .venv/ready
	@PYTHONPATH=src:tests .venv-contracts/bin/python -m pytest tests/contracts
	@$(BIN)/pytest tests/contracts/test_four_ways.py

.venv-contracts/ready: tests/contracts/requirements.txt requirements-dev.lock
	@$(PYTHON) -m venv .venv-contracts
	@.venv-contracts/bin/python -m pip install -q --disable-pip-version-check \
	  -r tests/contracts/requirements.txt pytest msgspec hypothesis pyyaml
	@touch $@

# Real training in each layer of confinement, in an environment of its own (about 25 minutes; PyTorch is large).
test-training: .venv/ready .venv-training/ready
	@MLWB_TORCH_PYTHON=$(CURDIR)/.venv-training/bin/python $(BIN)/pytest tests/sandbox/test_training.py

.venv-training/ready: tests/sandbox/training.txt
	@$(PYTHON) -m venv .venv-training
	@.venv-training/bin/python -m pip install -q --disable-pip-version-check -r tests/sandbox/training.txt
	@touch $@

# All faults of live sessions that were asked for: 200 kills, 2,100 steps of a walk, 100,000 events (about 12 minutes).
test-live: .venv/ready
	@MLWB_LIVE=1 $(BIN)/pytest tests/live

lint: .venv/ready
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo 2>/dev/null || $(BIN)/lint-imports

bench: .venv/ready
	@$(BIN)/python benchmarks/all.py

# Commands as bash and as the gate understand them, and bytes into every reader; FUZZ_SECONDS each run (60).
fuzz: .venv/ready
	@PYTHONPATH=tests $(BIN)/python -m fuzz.run --seconds $(or $(FUZZ_SECONDS),60)

run: .venv/ready
	@test -n "$(TASK)" || { echo "usage: make run TASK=path/to/task.md"; exit 2; }
	@$(BIN)/mlwb run "$(TASK)"

# Locked packages with hashes first, then the project itself without any further look-up of dependencies.
.venv/ready: requirements-dev.lock pyproject.toml
	@if command -v uv >/dev/null 2>&1; then \
	  uv venv -q --allow-existing --python $(PYTHON) .venv && \
	  uv pip install -q --python $(BIN)/python --require-hashes -r requirements-dev.lock && \
	  uv pip install -q --python $(BIN)/python --no-deps -e .; \
	else \
	  $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo "mlwb needs Python 3.11 or newer; name one: make PYTHON=python3.12 …"; exit 1; }; \
	  $(PYTHON) -c 'import ensurepip' 2>/dev/null || \
	    { echo "this Python has no ensurepip: install it (Debian, Ubuntu: apt install python3-venv) or install uv"; exit 1; }; \
	  $(PYTHON) -m venv .venv && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-dev.lock && \
	  $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps -e .; \
	fi
	@touch $@

# Writes both lock files anew (needs uv): hashes, no index addresses, for every supported Python.
lock:
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
	  --custom-compile-command "make lock" -c requirements.lock pyproject.toml --group dev -o requirements-dev.lock

wheel: .venv/ready
	@$(PYTHON) -m pip wheel -q --no-deps -w dist .

clean:
	rm -rf .venv .venv-contracts .venv-training dist .mypy_cache .pytest_cache .ruff_cache
