# Every target sets itself up from nothing: a Python of 3.11 or later, make and
# git are all that has to be there.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Work done by git hooks or an activated environment must not leak in.
# Without bytecode, each run of the tests would compile all of them again.
unexport PYTHONPATH PYTHONHOME PYTHONDONTWRITEBYTECODE

.PHONY: install demo test check lint format types proto bench bench-call clean

install: $(VENV)/installed

# The stamp is newer than the lock only after both installs went through, so an
# interrupted install is taken up again.
$(VENV)/installed: requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "repartir needs Python 3.11 or later; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) \
	  || { rm -rf $(VENV); echo "This Python cannot make virtual environments; on Debian: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

demo: install
	$(BIN)/repartir demo

# Everything: format, lint, types, generated code and every test.
test: install lint types
	$(BIN)/python -m pytest

# For each edit: the linter, and the tests that need no processes, servers or
# PostgreSQL and do not try every plan: under two minutes on two quiet cores.
# tests/conftest.py lists the others.
check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m pytest -m "not exhaustive"

lint: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/buf lint
	$(BIN)/python tools/protos.py check

types: install
	$(BIN)/mypy

format: install
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

proto: install
	$(BIN)/python tools/protos.py generate

bench: install
	mkdir -p .benchmarks
	$(BIN)/python -m pytest benchmarks -o addopts="" -p no:xdist --benchmark-only \
	  --benchmark-columns=median,max,rounds --benchmark-json=.benchmarks/latest.json
	$(BIN)/python -m benchmarks.report .benchmarks/latest.json
	$(BIN)/python -m benchmarks.batch.table --seconds 60 tight-10k-0 loose-10k-0

bench-call: install
	$(BIN)/python -m benchmarks.call

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
