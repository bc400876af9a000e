# Every target works as the first command in a fresh clone: what it needs, it installs into .venv, once.
# A stamp file per set of tools keeps later runs quick; changing pyproject.toml makes them install again.

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PIP := $(PY) -m pip --disable-pip-version-check -qq install
ARGS ?=

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test conformance check format bench bench-compare clean

help: ## show the targets
	@awk -F ':.*## ' '/^[a-z%-]+:.*## / { sub("%", "NAME", $$1); printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/.demo ## serve the demo and print its address (ARGS="--port 9000" goes to gai-stream serve)
	@$(PY) -m gai_stream serve $(ARGS)

test: $(VENV)/.test $(VENV)/.bench $(VENV)/.node $(VENV)/.use_chat ## run the tests (ARGS="tests/test_sse.py -k bom" goes to pytest)
	@$(PY) -m pytest $(ARGS)

conformance: $(VENV)/.test $(VENV)/.bench $(VENV)/.node ## read every recording in every dialect by its real client, and write docs/conformance.md
	@$(PY) -m conformance

check: $(VENV)/.lint ## check format, lint, types and the import contract
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports --no-logo --no-cache

format: $(VENV)/.lint ## format the code and mend what the linter can mend
	$(PY) -m ruff check --fix .
	$(PY) -m ruff format .

bench: $(VENV)/.bench $(VENV)/.compiled ## run all benchmarks (under 10 minutes), print their tables and write benchmarks/RESULTS.md
	@$(PY) -m benchmarks $(ARGS)

bench-compare: $(VENV)/.bench ## tell what changed since a revision: BASE=main [SUITES="original micro"] [LOSS=10]
	@$(PY) -m benchmarks.compare $(BASE) $(if $(SUITES),--suites $(SUITES)) $(if $(LOSS),--loss $(LOSS)) $(ARGS)

bench-%: $(VENV)/.bench $(VENV)/.compiled ## run one suite, such as bench-decode, and print its tables
	@$(PY) -m benchmarks $* $(ARGS)

clean: ## remove the environments and every cache
	rm -rf .venv .venv-compiled .venv-lowest .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
	rm -rf tests/node/node_modules examples/use_chat/node_modules examples/use_chat/dist
	find . -name __pycache__ -prune -exec rm -rf {} +

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit("needs Python 3.11 or newer; name yours: make PYTHON=python3.12" if sys.version_info < (3, 11) else 0)'
	@$(PYTHON) -m venv --clear $(VENV)

$(VENV)/.demo: pyproject.toml | $(PY)
	@echo "installing the demo into $(VENV) ..."
	@$(PIP) --editable '.[serve]'
	@touch $@

# The tools are dependency groups, which the pip that a Python brings is often too old to read.
$(VENV)/.test $(VENV)/.lint $(VENV)/.bench: $(VENV)/.%: pyproject.toml | $(PY)
	@echo "installing the $* tools into $(VENV) ..."
	@$(PIP) 'pip>=25.1'
	@$(PIP) --editable '.[compression,partial,serve]' --group $*
	@touch $@

# The real clients of two dialects; outside CI their tests are skipped where npm is missing.
$(VENV)/.node: tests/node/package.json | $(PY)
	@echo "installing the JavaScript clients into tests/node ..."
	@npm install --no-audit --no-fund --no-package-lock --loglevel=error --prefix tests/node >/dev/null && touch $@ \
	  || echo "npm could not install them: the tests that need them are skipped"

# The page of the example that is one; outside CI its tests are skipped where npm is missing.
$(VENV)/.use_chat: examples/use_chat/package.json examples/use_chat/page.jsx | $(PY)
	@echo "building the page of examples/use_chat ..."
	@npm install --loglevel=error --prefix examples/use_chat >/dev/null \
	  && npm run --silent build --prefix examples/use_chat -- --log-level=warning && touch $@ \
	  || echo "npm could not build it: the tests that need it are skipped"

# For the benchmarks alone, and not where Python finds it: a compiled file would hide each later change of its source.
$(VENV)/.compiled: hatch_build.py pyproject.toml $(wildcard gai_stream/writer/outbox.*) | $(PY)
	@rm -rf $(VENV)/compiled
	@HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 $(PIP) --no-deps --target $(VENV)/compiled . && touch $@ \
	  || echo "the compiled part could not be built: its rows are left out"
