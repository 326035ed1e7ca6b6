# Everything a newcomer needs. Each target sets up what it uses.
SHELL := /bin/bash
VENV := .venv
PYTHON := $(VENV)/bin/python
PACKAGES := schemas stream_topology workers gateway tradsys
CORES := workers/kernel/*,workers/risk/*,workers/matching/*,workers/positions/*,workers/statistics/*,workers/fanout/*,workers/clock/ticks.py

.PHONY: setup demo test coverage check bench chaos lock

setup: $(VENV)/.ready

$(VENV)/.ready: requirements.lock pyproject.toml hatch_build.py schemas/_avro.c schemas/build_avro.py
	python3 -m venv $(VENV)
	$(PYTHON) -m pip install --quiet --disable-pip-version-check "$$(grep -o '^uv==[^ ]*' requirements.lock)"
	$(VENV)/bin/uv pip sync --quiet --require-hashes --python $(PYTHON) requirements.lock
	$(VENV)/bin/uv pip install --quiet --python $(PYTHON) --no-deps --reinstall-package tradsys --editable .
	@$(PYTHON) -m schemas.build_avro --check
	touch $@

demo: setup
	$(VENV)/bin/tradsys demo $(ARGS)

# With ARGS it runs what they name, and asks no coverage of it.
test: check
	$(PYTHON) -m coverage erase
	$(PYTHON) -m coverage run -m pytest $(ARGS)
	$(if $(ARGS),,$(MAKE) --no-print-directory coverage)

coverage:
	$(PYTHON) -m coverage combine --quiet
	$(PYTHON) -m coverage report --skip-covered --include "$(CORES)" --omit "*/app.py" --fail-under 95
	$(PYTHON) -m coverage report --skip-covered --fail-under 85

check: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	$(PYTHON) -m schemas.generate --check
	$(PYTHON) -m stream_topology.diagram --check
	$(VENV)/bin/bandit --quiet --recursive $(PACKAGES) --configfile pyproject.toml

bench: setup
	$(PYTHON) -m bench $(ARGS)

chaos: setup
	$(PYTHON) -m pytest tests/chaos tests/simulation -m chaos $(ARGS)

lock:
	$(VENV)/bin/uv pip compile --universal --python-version 3.11 --generate-hashes --no-header --quiet \
		--all-extras --group dev --group bench pyproject.toml --output-file requirements.lock
