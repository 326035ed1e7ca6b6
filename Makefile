# Everything a newcomer needs. Each target sets up what it uses.
SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
PACKAGES := schemas stream_topology workers gateway tradsys
CORES := workers/kernel/*,workers/risk/*,workers/matching/*,workers/positions/*,workers/statistics/*,workers/fanout/*,workers/portfolios/*,workers/clock/ticks.py
WAITING := tests/chaos tests/integration
COMPUTING := tests/unit tests/property tests/simulation

.PHONY: setup demo test suite coverage check bench chaos mutations lock

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml hatch_build.py schemas/_avro.c schemas/build_avro.py
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[^ ]*' requirements.lock)"
	$(VENV)/bin/uv pip sync --quiet --compile-bytecode --require-hashes --python $(PYTHON) requirements.lock
	$(VENV)/bin/uv pip install --quiet --python $(PYTHON) --no-deps --reinstall-package tradsys --editable .
	@$(PYTHON) -m schemas.build_avro --check
	touch $@

demo: setup
	$(VENV)/bin/tradsys demo $(ARGS)

# With ARGS it runs what they name, and asks no coverage of it.
test: check
	$(PYTHON) -m coverage erase
	$(if $(ARGS),$(PYTHON) -m coverage run -m pytest $(ARGS),@$(MAKE) --no-print-directory suite coverage)

# What waits for processes and what computes run together, and the latter gets what the former leaves of the cores, so it
# may take long. Of the former three files at a time, each on a stack of its own, the longest first.
suite:
	@report=$$(mktemp); \
	$(PYTHON) -m tests.aside $(PYTHON) -m coverage run -m pytest -n 2 --dist worksteal -p no:cacheprovider -o timeout=600 \
		$(COMPUTING) >$$report 2>&1 & computing=$$!; \
	trap 'kill -- -$$computing 2>/dev/null || kill $$computing 2>/dev/null; rm -f $$report' EXIT; trap 'exit 1' INT TERM; \
	echo "pytest $(WAITING), and beside it pytest $(COMPUTING), reported after it"; \
	$(PYTHON) -m coverage run -m pytest -n 3 --dist loadfile --no-loadscope-reorder $(WAITING); waited=$$?; \
	wait $$computing; computed=$$?; \
	cat $$report; \
	if [ $$waited -ne 0 ]; then echo "Failed: $(WAITING), reported first"; fi; \
	if [ $$computed -ne 0 ]; then echo "Failed: $(COMPUTING), reported last"; fi; \
	exit $$((waited | computed))

coverage:
	$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report --skip-covered --include "$(CORES)" --omit "*/app.py" --fail-under 95
	$(PYTHON) -m coverage report --skip-covered --fail-under 85

# A file's imports are sorted by what else exists, which ruff's cache does not know.
check: setup
	$(VENV)/bin/ruff check --no-cache .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PYTHON) -m schemas.generate --check
	$(PYTHON) -m stream_topology.diagram --check
	$(PYTHON) -m gateway.catalogue --check
	$(VENV)/bin/bandit --quiet --recursive $(PACKAGES) --configfile pyproject.toml

bench: setup
	$(PYTHON) -m bench $(ARGS)

chaos: setup
	$(PYTHON) -m pytest -v tests/chaos tests/simulation tests/integration/test_contract.py -m chaos $(ARGS)

# Mistakes made in the cores, one at a time: do the tests notice?
mutations: setup
	$(PYTHON) -m tests.mutations $(ARGS)

lock:
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
		--all-extras --group dev --group bench pyproject.toml --output-file requirements.lock
