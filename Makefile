# Every check has one name; .ci/run and the README call these and nothing else.
PYTHON ?= $(shell command -v python3.11 || command -v python3.12 || command -v python3)
VENV := .venv
BIN := $(VENV)/bin
# holds the process that installs; what is left of it says that it didn't come to its end
INSTALLING := $(VENV)/.installing
ARGS ?=

.PHONY: install test demo fuzz check format lint types imports bench lock screenshots clean help

help:  ## show the targets
	@grep -E '^[a-z]+:.*##' Makefile | sed 's/:.*##/\t/'

install: $(VENV)/.installed  ## make .venv from the hashed lock

$(VENV)/.installed: requirements-dev.lock pyproject.toml
	@if test -e $(INSTALLING); then \
	  other=$$(cat $(INSTALLING)); \
	  if test "$$other" != $$PPID && kill -0 "$$other" 2>/dev/null; then \
	    echo "Process $$other is installing into $(VENV) already: wait for it" >&2; exit 1; \
	  fi; \
	  echo "The last installation wasn't finished: beginning with a new $(VENV)"; \
	  rm -rf $(VENV); \
	fi
	@echo "Installing the locked packages into $(VENV); a minute or two, longer where they have to be fetched"
	@test -x $(BIN)/python || if command -v uv >/dev/null 2>&1; then \
	  uv venv --quiet --python "$(PYTHON)" $(VENV); \
	else \
	  "$(PYTHON)" -m venv $(VENV); \
	fi
	@echo $$PPID > $(INSTALLING)
	@if command -v uv >/dev/null 2>&1; then \
	  VIRTUAL_ENV=$(VENV) uv pip sync --quiet --require-hashes requirements-dev.lock && \
	  VIRTUAL_ENV=$(VENV) uv pip install --quiet --no-deps --no-build-isolation --editable . ; \
	else \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-compile --no-deps --require-hashes -r requirements-dev.lock && \
	  $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable . ; \
	fi || { echo "Not installed, for the reason above. The next \`make install\` begins with a new $(VENV)" >&2; exit 1; }
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true  # some packages carry files that no Python compiles
	@rm -f $(INSTALLING)
	@touch $@

test: install  ## run the tests
	$(BIN)/python -m pytest $(ARGS)

demo: install  ## train, serve, record and watch a real model; stays up until Ctrl-C
	$(BIN)/auscult demo $(ARGS)

check: format lint types imports test  ## everything that a change must pass

format: install
	$(BIN)/ruff format --check .

lint: install
	$(BIN)/ruff check .

types: install
	$(BIN)/mypy

imports: install
	$(BIN)/lint-imports

fuzz: install  ## send 100,000 requests that nobody would think of
	AUSCULT_TEST_FUZZ=$${AUSCULT_TEST_FUZZ:-100000} $(BIN)/python -m pytest tests/serving/fuzz/test_fuzz.py $(ARGS)

bench: install  ## measure every claim of speed, and write benchmarks/RESULTS.md
	$(BIN)/python -m benchmarks.run $(ARGS)

screenshots: install  ## take the README's pictures from a running demo
	$(BIN)/python docs/screenshots.py $(ARGS)

lock:  ## renew the lock from pyproject.toml (needs uv)
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11 pyproject.toml --group dev -o requirements-dev.lock

clean:  ## remove what was built, not what was recorded
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache dist
