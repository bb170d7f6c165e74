# Two commands matter: `make retrain` does the main job, `make test` runs every check; `make up` schedules it all.
# They make the virtual environment first, once, from the locked versions.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: retrain up down explore test test-ui lint types lock clean
.DEFAULT_GOAL := retrain

retrain: $(STAMP)
	$(BIN)/retrain run

# A local Prefect server, the deployments, a worker; and how to stop them.
up: $(STAMP)
	$(BIN)/retrain up

down: $(STAMP)
	$(BIN)/retrain down

# The metrics store in a browser; installs what shows it.
explore: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,explore]'
	$(BIN)/retrain explore

test: lint types
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

# A real browser before Prefect's pages; installs what drives it, and takes the browser of this machine.
test-ui: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,ui]'
	$(BIN)/python -m pytest -m ui tests/ui

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(STAMP)
	$(BIN)/mypy

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(0 if (3, 11) <= v < (3, 14) else "Python 3.11, 3.12 or 3.13 is needed (TensorFlow has no build for others); $(PYTHON) is %d.%d. Name another: make PYTHON=python3.12" % v[:2])'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "$(PYTHON) cannot make virtual environments: install its venv module (Debian: apt install python3-venv)."; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Resolves the newest allowed versions anew; run it, run the tests, commit the result.
lock: $(STAMP)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
		--no-header --no-annotate --output-file constraints.txt

clean:
	rm -rf $(VENV)
