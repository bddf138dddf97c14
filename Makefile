# The two commands of README. Both are complete on a fresh machine: they make .venv and install what they need.
# pjsua2, the SIP phone of the demo and of the tests, is published for Python 3.11 and 3.12.
PYTHON ?= $(shell for p in python3 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' 2>/dev/null && { echo $$p; exit; }; done; echo python3)
VENV ?= .venv
BIN := $(VENV)/bin

.PHONY: demo test check format bench clean

## demo: a whole recorded call on loopback, ending with the recording
demo: $(VENV)/.demo
	$(BIN)/ringfork compile
	$(BIN)/ringfork demo

## test: style, types and every test, against real peers
test: $(VENV)/.test packages
	$(MAKE) --no-print-directory check
	$(BIN)/ringfork compile
	$(BIN)/python -m pytest -m "not realtime" --numprocesses auto --maxprocesses 4 --dist loadfile
	$(BIN)/python -m pytest -m realtime

## check: style and types only
check: $(VENV)/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

## bench: CPU per call, delay and loss at 100 recorded calls
bench: $(VENV)/.test
	$(BIN)/python -m tests.bench calls --calls 100 --seconds 10 --record dual

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Ringfork needs Python 3.11 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Try: make PYTHON=python3.11"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "Could not make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"; exit 1; }

$(VENV)/.demo: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[endpoint]'
	@touch $@

$(VENV)/.test: $(VENV)/bin/python pyproject.toml
	$(BIN)/pip install --quiet --editable '.[test]'
	@touch $@ $(VENV)/.demo

# SIPp, baresip, Chromium and PostgreSQL are peers of the tests. Without root and without them their tests are skipped,
# and say so.
.PHONY: packages
packages:
	@if command -v sipp >/dev/null && command -v baresip >/dev/null && command -v chromium >/dev/null && \
	    ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
	    sip-tester baresip-core chromium postgresql >/dev/null; \
	else echo "Not root: install sip-tester, baresip-core, chromium and postgresql for the tests against real peers."; fi

clean:
	rm -rf $(VENV) build dist *.egg-info .mypy_cache .pytest_cache .ruff_cache
